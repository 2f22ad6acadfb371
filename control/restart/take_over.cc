// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/restart/take_over.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>

namespace sluice::restart {
namespace {

struct Fd {
  int value = -1;
  explicit Fd(long fd) : value(static_cast<int>(fd)) {}
  ~Fd() {
    if (value >= 0) ::close(value);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
};

[[noreturn]] void fail(pid_t pid, const std::string& what) {
  throw std::runtime_error("take-over from process " + std::to_string(pid) + ": " + what);
}

// Who listens there, or 0. The kernel says so to whoever connects.
pid_t listener_on(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return 0;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(socket.value, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return 0;
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket.value, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

// Where systemd started us beside the service's main process, we are that from here on: the end of the other
// one is not the service's end. It must have heard so before that comes.
void become_main_process() {
  constexpr std::uint64_t kHeardUs = 5'000'000;
  if (sd_notifyf(0, "MAINPID=%d", static_cast<int>(::getpid())) > 0) sd_notify_barrier(0, kHeardUs);
}

}  // namespace

bool ask_to_leave(const std::string& socket, std::chrono::milliseconds patience) {
  const pid_t pid = listener_on(socket);
  if (pid == 0) return false;
  // By a descriptor, so that no other process is meant that gets this number meanwhile.
  const Fd process(::syscall(SYS_pidfd_open, pid, 0));
  if (process.value < 0) return false;  // gone in this moment
  if (listener_on(socket) != pid) return false;
  become_main_process();
  if (::syscall(SYS_pidfd_send_signal, process.value, SIGTERM, nullptr, 0) != 0) {
    fail(pid, std::string("it cannot be told to stop: ") + std::strerror(errno));
  }
  pollfd gone{process.value, POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&gone, 1, static_cast<int>(patience.count()));
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0)
    fail(pid,
         "it was told to stop and is still there after " + std::to_string(patience.count() / 1000) + " s");
  return true;
}

}  // namespace sluice::restart
