// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/rpc/server.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <set>
#include <utility>

#include "control/rpc/listen.h"
#include "control/rpc/session.h"

namespace sluice::rpc {

namespace asio = boost::asio;
using Protocol = asio::local::stream_protocol;
using ErrorCode = boost::system::error_code;

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
  Impl(asio::io_context& io, const Router& r, ServerOptions o)
      : router(r),
        options(std::move(o)),
        listener(listen_on(options)),
        acceptor(io, Protocol(), listener.fd),
        pause(io),
        admin_group(group_id(options.admin_group)) {}

  void accept() {
    acceptor.async_accept([self = shared_from_this()](const ErrorCode& error, Protocol::socket socket) {
      if (!self->acceptor.is_open()) return;
      if (!error) {
        self->take(std::move(socket));
        return self->accept();
      }
      // Most likely out of file descriptors: wait for some to come back instead of spinning on it.
      if (self->options.log) self->options.log("control socket: cannot accept a client: " + error.message());
      self->pause.expires_after(std::chrono::milliseconds(100));
      self->pause.async_wait([self](const ErrorCode& stopped) {
        if (!stopped && self->acceptor.is_open()) self->accept();
      });
    });
  }

  void take(Protocol::socket socket) {
    // As many again may wait to read that they were refused; beyond that, and without credentials, just
    // close.
    const auto peer = peer_of(socket.native_handle());
    if (!peer || refused.size() >= options.max_clients) return;
    Caller caller{peer->uid, peer->gid, peer->pid, may_change(*peer), options.max_answer_bytes};
    const bool full = served.size() >= options.max_clients && !make_room();
    auto& home = full ? refused : served;
    const auto session =
        std::make_shared<Session>(std::move(socket), router, options, caller,
                                  [weak = weak_from_this(), &home](const std::shared_ptr<Session>& gone) {
                                    if (const auto self = weak.lock()) home.erase(gone);
                                  });
    home.insert(session);
    if (!full) return session->start();
    session->refuse(Error(kBusy, "all " + std::to_string(options.max_clients) +
                                     " places for clients are taken; close one and try again"));
  }

  // Closes the client that has been idle longest, if that is long enough.
  bool make_room() {
    const auto since = [](const std::shared_ptr<Session>& session) {
      return session->idle_since().value_or(Session::Clock::time_point::max());
    };
    const auto longest = std::ranges::min_element(served, {}, since);
    if (longest == served.end() || !(*longest)->idle_since() ||
        Session::Clock::now() - since(*longest) < options.spare_idle) {
      return false;
    }
    // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): close() takes it out of the set.
    const std::shared_ptr<Session> session = *longest;
    session->close();
    return true;
  }

  bool may_change(const Peer& peer) const {
    if (peer.uid == 0 || peer.uid == ::geteuid()) return true;
    if (!admin_group) return false;
    return peer.gid == *admin_group || std::ranges::find(peer.groups, *admin_group) != peer.groups.end();
  }

  void stop() {
    ErrorCode ignored;
    acceptor.close(ignored);
    pause.cancel(ignored);
    for (auto* home : {&served, &refused}) {
      for (const auto& session : std::exchange(*home, {})) session->close();
    }
    remove_socket(options.path, listener);
  }

  const Router& router;
  const ServerOptions options;
  const Listener listener;
  Protocol::acceptor acceptor;
  asio::steady_timer pause;
  const std::optional<gid_t> admin_group;
  std::set<std::shared_ptr<Session>> served, refused;
};

Server::Server(asio::io_context& io, const Router& router, ServerOptions options)
    : impl_(std::make_shared<Impl>(io, router, std::move(options))) {
  impl_->accept();
}

Server::~Server() {
  impl_->stop();
}

std::size_t Server::clients() const {
  return impl_->served.size();
}

}  // namespace sluice::rpc
