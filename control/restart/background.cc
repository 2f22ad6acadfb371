// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/restart/background.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

namespace sluice::restart {
namespace {

int to_parent = -1;

[[noreturn]] void fail(const char* what) {
  throw std::runtime_error(std::string(what) + " failed: " + std::strerror(errno));
}

// The child says one byte when it is ready, or ends.
[[noreturn]] void wait_and_end(int from_child, pid_t child) {
  char byte = 0;
  ssize_t got = 0;
  do {
    got = ::read(from_child, &byte, 1);
  } while (got < 0 && errno == EINTR);
  if (got == 1) _exit(EXIT_SUCCESS);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
}

}  // namespace

void go_to_background() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail("going to the background: a pipe");
  const pid_t child = ::fork();
  if (child < 0) fail("going to the background: fork");
  if (child != 0) {
    ::close(ends[1]);
    wait_and_end(ends[0], child);
  }
  ::close(ends[0]);
  ::setsid();
  to_parent = ends[1];
}

void tell_ready() {
  const int fd = std::exchange(to_parent, -1);
  if (fd < 0) return;
  // Who waited may be gone: then nobody need be told.
  if (::write(fd, "r", 1) < 0 && errno != EPIPE) fail("telling that this process is ready");
  ::close(fd);
}

}  // namespace sluice::restart
