// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// The control socket: a Unix stream socket that carries JSON-RPC 2.0, one object a line, to a Router.
// Everything a client can do is bounded: its line, its answer, its time to take that answer, the number of
// clients. A client has one request in work at a time and is not read meanwhile, so whoever asks without
// reading fills only its own socket buffer, and is dropped when an answer could not be handed over in time.
// Being idle costs nothing, but when all places are taken the client that has been idle longest makes room,
// if that is longer than `spare_idle`: whoever holds all places and asks nothing locks nobody out.
//
// Who may: whoever the socket's mode lets connect may read. Changes are for root, the server's own user and
// members of the admin group. The kernel says who the peer is (SO_PEERCRED) and which groups its process
// holds (SO_PEERGROUPS): the same facts as getgrouplist(3), but taken from the process itself and without a
// lookup that could hang on a directory service.
//
// Single-threaded: construct, use and destroy on the thread that runs the io_context.
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "control/rpc/names.h"
#include "control/rpc/router.h"

namespace sluice::rpc {

struct ServerOptions {
  std::string path = kDefaultSocket;
  std::string owner = {};        // user name or number; "" = as created
  std::string group = {};        // group name or number of socket and directory; "" = as created
  std::string admin_group = {};  // whose members may change things; "" = root and our own user only
  mode_t mode = 0660;
  mode_t directory_mode = 0750;  // of directories made here; one that was there before is left as it is

  std::size_t max_line_bytes = 64 * 1024;  // without the newline
  std::size_t max_clients = 64;
  std::chrono::milliseconds spare_idle{2'000};  // a client that asked something since then keeps its place
  std::size_t max_answer_bytes = 16 * 1024 * 1024;
  std::chrono::milliseconds answer_timeout{30'000};  // for a Method::later; then error, and close
  std::chrono::milliseconds write_timeout{10'000};   // for a client to take one answer
  std::chrono::milliseconds linger{1'000};           // for a refused client to read why

  std::function<void(const std::string& sentence)> log = {};  // warnings; may be empty
};

class Server {
 public:
  // Makes the directory, replaces the socket file of a dead process, binds, sets owner, group and mode, and
  // listens. Throws std::runtime_error with one sentence: path too long, something else lies there, a live
  // process answers there, no permission. An unknown group is no failure: the socket stays closed to it and
  // `log` says how to create it. `router` must outlive the server.
  Server(boost::asio::io_context& io, const Router& router, ServerOptions options);

  // Closes every client, removes the socket (if it is still ours) and the directory (if made here and empty).
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::size_t clients() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sluice::rpc
