// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/rpc/listen.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "control/rpc/server.h"

namespace sluice::rpc {
namespace {

constexpr int kBacklog = 64;

struct Fd {
  int value = -1;
  ~Fd() {
    if (value >= 0) ::close(value);
  }
};

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw std::runtime_error("control socket " + path + ": " + what);
}

[[noreturn]] void refuse_errno(const std::string& path, const std::string& what, const std::string& remedy) {
  const std::string why = std::strerror(errno);
  refuse(path, what + ": " + why + remedy);
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty())
    refuse("\"\"", "the path is empty; give a file name, as in " + std::string(kDefaultSocket));
  if (path.size() >= sizeof address.sun_path) {
    refuse(path, "the path has " + std::to_string(path.size()) + " bytes, at most " +
                     std::to_string(sizeof address.sun_path - 1) + " fit");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

template <typename Id>
std::optional<Id> number(const std::string& text) {
  Id id{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

// Gives `path` to the configured owner and group. Unknown names leave it as it is, which is the closed side.
void give(const ServerOptions& options, const std::string& path) {
  uid_t uid = static_cast<uid_t>(-1);
  gid_t gid = static_cast<gid_t>(-1);
  if (const auto found = user_id(options.owner)) uid = *found;
  if (const auto found = group_id(options.group)) gid = *found;
  if (uid == static_cast<uid_t>(-1) && gid == static_cast<gid_t>(-1)) return;
  if (::lchown(path.c_str(), uid, gid) != 0) {
    refuse_errno(path, "cannot be given to its owner or group",
                 "; start as root, or leave owner and group of the socket empty");
  }
}

void warn_unknown(const ServerOptions& options) {
  if (!options.log) return;
  if (!options.owner.empty() && !user_id(options.owner)) {
    options.log("control socket " + options.path + ": there is no user " + shown(options.owner) +
                ", so it stays with ours");
  }
  for (const std::string* group : {&options.group, &options.admin_group}) {
    if (group->empty() || group_id(*group)) continue;
    options.log("control socket " + options.path + ": there is no group " + shown(*group) +
                ", so its members have no access; `groupadd --system " + *group + "` creates it");
  }
}

std::string make_directory(const ServerOptions& options, const std::string& directory) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(directory, error)) return {};
  const fs::path parent = fs::path(directory).parent_path();
  if (!parent.empty()) fs::create_directories(parent, error);
  // Closed until owner and group are right.
  if (::mkdir(directory.c_str(), 0700) != 0) {
    if (errno == EEXIST) return {};
    refuse_errno(options.path, "cannot make its directory " + directory,
                 "; start as root, or choose a path that you may write");
  }
  give(options, directory);
  if (::chmod(directory.c_str(), options.directory_mode) != 0) {
    refuse_errno(options.path, "cannot set the mode of its directory " + directory, "");
  }
  return directory;
}

// Makes room for bind: removes a socket that nobody listens on, refuses all else.
void clear_stale(const std::string& path, const sockaddr_un& address) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return;
    refuse_errno(path, "cannot be examined", "");
  }
  if (!S_ISSOCK(status.st_mode)) {
    refuse(path, "something that is no socket lies there; move it away or choose another path");
  }
  // Non-blocking: a live server with a full queue answers EAGAIN instead of holding us.
  const Fd probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (probe.value < 0) refuse_errno(path, "cannot open a socket", "");
  const int result = ::connect(probe.value, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (result != 0 && errno == ENOENT) return;
  if (result != 0 && errno != ECONNREFUSED && errno != EAGAIN && errno != EPROTOTYPE) {
    refuse_errno(path, "cannot tell whether another program answers there", "");
  }
  if (result == 0 || errno != ECONNREFUSED) {
    refuse(path, "another program answers there; stop it, or give this one a path of its own");
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    refuse_errno(path, "cannot remove what a dead process left there", "");
  }
}

}  // namespace

Listener listen_on(const ServerOptions& options) {
  const std::string& path = options.path;
  const sockaddr_un address = address_of(path);
  warn_unknown(options);
  std::string directory = std::filesystem::path(path).parent_path().string();
  if (directory.empty()) directory = ".";

  Listener listener;
  listener.made_directory = make_directory(options, directory);
  const Fd lock{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (lock.value < 0) refuse_errno(path, "cannot open its directory " + directory, "");
  if (::flock(lock.value, LOCK_EX | LOCK_NB) != 0) {
    refuse_errno(path, "another program starts in " + directory + " just now", "; try again");
  }
  clear_stale(path, address);

  Fd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (socket.value < 0) refuse_errno(path, "cannot open a socket", "");
  if (::bind(socket.value, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    refuse_errno(path, "cannot be made", "; start as root, or choose a path that you may write");
  }
  // Nobody can connect before listen(), so there is no moment with the wrong owner or mode.
  give(options, path);
  if (::chmod(path.c_str(), options.mode) != 0) refuse_errno(path, "cannot set its mode", "");
  if (::listen(socket.value, kBacklog) != 0) refuse_errno(path, "cannot listen", "");
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) refuse_errno(path, "vanished", "");
  listener.device = status.st_dev;
  listener.inode = status.st_ino;
  listener.fd = std::exchange(socket.value, -1);
  return listener;
}

void remove_socket(const std::string& path, const Listener& listener) noexcept {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0 && status.st_dev == listener.device &&
      status.st_ino == listener.inode) {
    ::unlink(path.c_str());
  }
  if (!listener.made_directory.empty()) ::rmdir(listener.made_directory.c_str());
}

std::optional<gid_t> group_id(const std::string& name) {
  if (name.empty()) return std::nullopt;
  if (const auto id = number<gid_t>(name)) return id;
  std::vector<char> buffer(64 * 1024);
  group entry{};
  group* found = nullptr;
  if (::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || !found) {
    return std::nullopt;
  }
  return entry.gr_gid;
}

std::optional<uid_t> user_id(const std::string& name) {
  if (name.empty()) return std::nullopt;
  if (const auto id = number<uid_t>(name)) return id;
  std::vector<char> buffer(64 * 1024);
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || !found) {
    return std::nullopt;
  }
  return entry.pw_uid;
}

std::optional<Peer> peer_of(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
  Peer peer{credentials.uid, credentials.gid, credentials.pid, {}};
  size = 0;
  // With no room the kernel answers ERANGE and the size it needs. A kernel before 4.13 knows no
  // SO_PEERGROUPS: then only the primary group counts.
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, nullptr, &size) != 0 && errno == ERANGE) {
    peer.groups.resize(size / sizeof(gid_t));
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &size) != 0) size = 0;
    peer.groups.resize(size / sizeof(gid_t));
  }
  return peer;
}

}  // namespace sluice::rpc
