// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/ctl/client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sluice::ctl {
namespace {

using nlohmann::json;

// An answer beyond this is no answer of ours.
constexpr std::size_t kMaxAnswer = std::size_t{64} << 20;

std::string remedy_for(int error, const std::string& path) {
  switch (error) {
    case ENOENT:
      return "there is no socket at " + path +
             ": start sluiced, or name its socket with --socket PATH or SLUICE_SOCKET";
    case ECONNREFUSED:
      return "nobody answers at " + path + ": sluiced has stopped; start it again";
    case EACCES:
    case EPERM:
      return "no permission to use " + path + ": ask as root, or join the group that owns the socket";
    case ENOTSOCK:
      return path + " is no socket: name sluiced's with --socket PATH or SLUICE_SOCKET";
    default:
      return "cannot connect to " + path + ": " + std::strerror(error) +
             "; name sluiced's socket with --socket PATH or SLUICE_SOCKET";
  }
}

}  // namespace

Client::Client(std::string path, std::chrono::milliseconds timeout)
    : path_(std::move(path)), timeout_(timeout) {}

Client::~Client() {
  close();
}

void Client::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  in_.clear();
}

// False when the deadline passed first.
bool Client::wait(short events, Clock::time_point deadline) const {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd entry{fd_, events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) throw ConnectError("cannot wait for sluiced: " + std::string(std::strerror(errno)));
  }
}

void Client::connect(Clock::time_point deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.empty() || path_.size() >= sizeof address.sun_path) {
    throw ConnectError("the socket path must have 1 to " + std::to_string(sizeof address.sun_path - 1) +
                       " bytes, not " + std::to_string(path_.size()));
  }
  std::memcpy(address.sun_path, path_.c_str(), path_.size());
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) throw ConnectError("cannot open a socket: " + std::string(std::strerror(errno)));
  while (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    if (error == EINTR) continue;
    // A full queue (EAGAIN) empties at the server's next turn; nothing tells when, so look again a little
    // later.
    if (error == EAGAIN && Clock::now() < deadline) {
      ::poll(nullptr, 0, 10);
      continue;
    }
    close();
    throw ConnectError(remedy_for(error, path_));
  }
}

// False when the server has closed its ear; what it said before may still be there to read.
bool Client::send(const std::string& line, Clock::time_point deadline) {
  for (std::size_t done = 0; done < line.size();) {
    const ssize_t n = ::send(fd_, line.data() + done, line.size() - done, MSG_NOSIGNAL);
    if (n > 0) {
      done += static_cast<std::size_t>(n);
    } else if (n < 0 && errno == EAGAIN) {
      if (!wait(POLLOUT, deadline)) return false;
    } else if (n < 0 && errno != EINTR) {
      return false;
    }
  }
  return true;
}

// The next line; "" when the connection ended. Throws ConnectError when the deadline passed.
std::string Client::receive(Clock::time_point deadline) {
  for (std::size_t seen = 0;;) {
    const auto end = in_.find('\n', seen);
    if (end != std::string::npos) {
      std::string line = in_.substr(0, end);
      in_.erase(0, end + 1);
      return line;
    }
    seen = in_.size();
    char buffer[65536];
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n > 0 && in_.size() < kMaxAnswer) {
      in_.append(buffer, static_cast<std::size_t>(n));
    } else if (n < 0 && errno == EAGAIN) {
      if (!wait(POLLIN, deadline)) {
        close();
        throw ConnectError("sluiced at " + path_ + " did not answer within " +
                           std::to_string(timeout_.count()) + " ms; see its log");
      }
    } else if (n >= 0 || errno != EINTR) {
      return {};
    }
  }
}

json Client::call(const std::string& method, const json& params) {
  const Clock::time_point deadline = Clock::now() + timeout_;
  const std::uint64_t id = next_id_++;
  const json request = {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}};
  const std::string line = request.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";

  // A connection kept from an earlier call may have gone with a restart of the server: then once more,
  // afresh.
  bool reused = fd_ >= 0;
  std::string text;
  for (;;) {
    if (fd_ < 0) connect(deadline);
    const bool sent = send(line, deadline);
    text = receive(deadline);
    if (!text.empty()) break;
    close();
    if (!reused || sent) {
      throw ConnectError("sluiced at " + path_ + " closed the connection without an answer; see its log");
    }
    reused = false;
  }
  const json answer = json::parse(text, nullptr, false);
  if (answer.is_object() && answer.contains("error")) {
    const json& error = answer["error"];
    // An error without our id is about the connection, which ends.
    if (answer.value("id", json()) != id) close();
    if (error.is_object() && error.contains("message") && error["message"].is_string()) {
      const json code = error.value("code", json());
      throw CallError(code.is_number_integer() ? code.get<int>() : 0, error["message"].get<std::string>());
    }
  } else if (answer.is_object() && answer.contains("result") && answer.value("id", json()) == id) {
    return answer["result"];
  }
  close();
  throw ConnectError("what answers at " + path_ + " is not sluiced; name its socket with --socket PATH");
}

}  // namespace sluice::ctl
