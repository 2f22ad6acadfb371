// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// The live screen: counters now, and their rates since the look before.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <nlohmann/json.hpp>
#include <string>

#include "control/ctl/client.h"

namespace sluice::ctl {

// {status, services, dips, workers, drops}, each as the server answers its method; what it does not know is
// absent. Throws ConnectError.
nlohmann::json take_sample(Client& client);

// One screen of at most `rows` lines of `columns` characters. Rates are `now` minus `before` over `seconds`;
// with no `before` (null) they are "-". A counter that went backwards (a restart) has no rate either.
std::string top_frame(const nlohmann::json& before, const nlohmann::json& now, double seconds,
                      std::size_t rows, std::size_t columns);

// On a terminal, refreshes once a second until q, Ctrl-C or a signal. Elsewhere prints one frame, and one
// JSON document of the sample when `as_json`. Returns the exit status; throws as Client::call.
int top(Client& client, bool as_json, std::ostream& out);

}  // namespace sluice::ctl
