// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/ctl/screen.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

namespace sluice::ctl {
namespace {

volatile std::sig_atomic_t asked_to_end = 0;

void put(const std::string& bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::write(STDOUT_FILENO, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno != EINTR) return;
    if (n > 0) done += static_cast<std::size_t>(n);
  }
}

}  // namespace

bool Screen::available() {
  return ::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO);
}

Screen::Screen() {
  asked_to_end = 0;
  struct sigaction action {};
  action.sa_handler = [](int) { asked_to_end = 1; };
  ::sigaction(SIGTERM, &action, &term_before_);
  ::sigaction(SIGHUP, &action, &hangup_before_);
  ::tcgetattr(STDIN_FILENO, &before_);
  termios raw = before_;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
  put("\x1b[?1049h\x1b[?25l");  // the alternate screen, no cursor
}

Screen::~Screen() {
  put("\x1b[?25h\x1b[?1049l");
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  ::sigaction(SIGTERM, &term_before_, nullptr);
  ::sigaction(SIGHUP, &hangup_before_, nullptr);
}

std::pair<std::size_t, std::size_t> Screen::size() const {
  winsize window{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_row < 2 || window.ws_col == 0)
    return {24, 80};
  return {window.ws_row, window.ws_col};
}

void Screen::show(const std::string& frame) const {
  // Home, each line with the rest of it erased, then all below: no flicker as after a full clear.
  std::string bytes = "\x1b[H";
  for (const char c : frame) bytes += c == '\n' ? std::string("\x1b[K\r\n") : std::string(1, c);
  put(bytes + "\x1b[J");
}

bool Screen::wait(std::chrono::steady_clock::time_point moment) const {
  while (!asked_to_end) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(moment - std::chrono::steady_clock::now()).count();
    if (left <= 0) return true;
    pollfd entry{STDIN_FILENO, POLLIN, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left, 1000)));
    if (ready <= 0) continue;
    char key = 0;
    if (::read(STDIN_FILENO, &key, 1) != 1) return false;
    if (key == 'q' || key == 'Q' || key == 3) return false;
  }
  return false;
}

}  // namespace sluice::ctl
