// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// `sluiced --take-over`: the next process starts beside the running one, does all that takes time, and only
// then tells it to stop (docs/restart.md). Control thread.
#pragma once

#include <chrono>
#include <string>

namespace sluice::restart {

// Sends SIGTERM to whoever listens on this control socket and waits until that process is gone, its state
// file written and its ports free. False when nobody listens. Throws std::runtime_error with one sentence:
// no right to do so, or still there after `patience`.
bool ask_to_leave(const std::string& socket, std::chrono::milliseconds patience = std::chrono::seconds(30));

}  // namespace sluice::restart
