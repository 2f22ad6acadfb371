// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// The terminal as a picture that is redrawn: raw keys, the alternate screen, and everything as before at the
// end, also when a signal ends it. Plain ANSI sequences; one object at a time.
#pragma once

#include <termios.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <string>
#include <utility>

namespace sluice::ctl {

class Screen {
 public:
  // Whether both ends of the program are a terminal.
  static bool available();

  Screen();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // Rows and columns; 24 and 80 where the terminal does not say.
  std::pair<std::size_t, std::size_t> size() const;

  // Draws `frame` (lines that end in newlines) over what is there.
  void show(const std::string& frame) const;

  // Waits until `moment`. False when somebody pressed q or Ctrl-C, the terminal went, or a signal asked to
  // end.
  bool wait(std::chrono::steady_clock::time_point moment) const;

 private:
  termios before_{};
  struct sigaction term_before_ = {};
  struct sigaction hangup_before_ = {};
};

}  // namespace sluice::ctl
