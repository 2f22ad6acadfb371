// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// sluicectl without a terminal: what main() does, on streams, so that a test can be its user.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "control/ctl/arguments.h"
#include "control/ctl/client.h"
#include "control/ctl/console.h"

namespace sluice::ctl {

// Exit status, fixed for all programs of Sluice.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kWrongUsage = 2;

// One connection and what every command on it shares.
class Operator {
 public:
  Operator(std::string socket, bool json, std::ostream& out, std::ostream& err);

  // Executes one parsed command. Results go to `out`, one line of error to `err`.
  int execute(const Invocation& invocation);

  // Executes one typed line; blank lines and comments (#) do nothing. Sets `leave` for exit and quit.
  // `abbreviated` lets object and verb be shortened.
  int execute_line(const std::string& line, bool abbreviated, bool& leave);

  // Reads lines until the end or `exit`; an error does not stop it. Returns the highest exit status.
  int execute_all(std::istream& in);

  // For completion: asks the server, but waits for it at most a second.
  std::vector<std::string> live_names(Live kind, const std::string& service);

 private:
  int fail(int status, const std::string& sentence);

  Client client_;
  const bool json_;
  std::ostream& out_;
  std::ostream& err_;
};

// The socket to use: `given`, else the environment's SLUICE_SOCKET, else the default.
std::string socket_path(const std::string& given);

// The program but for its terminal: `words` are the arguments, `interactive` is called when there is nothing
// to do but to talk.
int run(const std::vector<std::string>& words, std::ostream& out, std::ostream& err,
        const std::function<int(Operator&)>& interactive);

}  // namespace sluice::ctl
