// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// The socket as a file: where it lies, whose it is, who may connect, and what was there before. Also who is
// at the other end of a connection.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace sluice::rpc {

struct ServerOptions;

struct Listener {
  int fd = -1;  // bound and listening, non-blocking; the taker closes it
  dev_t device = 0;
  ino_t inode = 0;
  std::string made_directory;  // "" when it was there before
};

// Does what Server's constructor promises. Two programs that start at once on one path cannot both win: the
// check for a live socket and the bind happen under a lock on the directory, which the kernel drops with us.
Listener listen_on(const ServerOptions& options);

// Removes the socket file if it is still the one that `listener` made, and the directory if we made it and it
// is empty. Never throws.
void remove_socket(const std::string& path, const Listener& listener) noexcept;

// The gid of a group given by name or number; nothing when there is no such group. May ask the name service:
// for start, not for the running loop.
std::optional<gid_t> group_id(const std::string& name);
std::optional<uid_t> user_id(const std::string& name);

struct Peer {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  std::vector<gid_t> groups;  // supplementary
};

// The credentials that the other end had when it connected; nothing when the kernel does not say.
std::optional<Peer> peer_of(int fd);

}  // namespace sluice::rpc
