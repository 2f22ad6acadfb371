// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// `sluiced --background`: the command returns once the process that goes on is ready, with 0, or with the
// exit code of one that failed. For supervisors that wait for a command (ExecReload= of systemd with
// --take-over, docs/restart.md). Control thread, before any other thread is there.
#pragma once

namespace sluice::restart {

// Returns in the child, in a session of its own; the caller's process waits in here and ends. Throws
// std::runtime_error when there can be no child.
void go_to_background();
// The child carries packets: lets the caller's process end. Without go_to_background() it does nothing.
void tell_ready();

}  // namespace sluice::restart
