// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Asks the data paths of the other members what clients would ask (A9, A10): every `probe_ms` a ping of a VIP
// and SYNs to services, sent to the other's port on the wire, whoever holds the IIPs. It forwards them like
// any client's, and the answer comes back by itself from it (a ping) or from a server (a SYN), to our own
// port. What it asks goes round: the next VIP, the next services, the next source port, so that another
// worker and another server is asked each time. PathWatch judges the answers.
//
// Costs a peer three packets in each round. Belongs to the io_context's thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "control/announce/packet_socket.h"
#include "control/config/model.h"
#include "control/pool/path_frames.h"
#include "control/pool/path_watch.h"

namespace sluice::pool {

struct PathStats {
  std::uint64_t sent = 0, answered = 0;  // frames; an answer that comes twice counts once
  std::uint64_t rounds_missed = 0;
};

class PathProbes {
 public:
  struct Peer {
    std::string name;
    MacAddress mac;
    bool draining = false;  // waits for the traffic of its services to end: it is only pinged
  };
  struct Surroundings {
    MacAddress mac;                            // of our port
    std::function<std::vector<Peer>()> peers;  // to be asked in the next round
    std::function<void(const std::string& sentence)> log;
  };

  // By this port, which has a kernel_interface. Without interface or rights nobody is asked, and the log says
  // so.
  PathProbes(boost::asio::io_context& io, const config::Model& model, std::size_t port,
             Surroundings surroundings);
  ~PathProbes();
  PathProbes(const PathProbes&) = delete;
  PathProbes& operator=(const PathProbes&) = delete;

  // VIPs and services to ask for.
  void configure(const config::Model& model);

  [[nodiscard]] const PathWatch& watch() const { return watch_; }
  [[nodiscard]] PathStats stats() const;

 private:
  struct Asked {
    std::string member;
    Ends ends;
  };
  struct Service {
    IpAddress vip;
    std::uint16_t port = 0;
  };

  void open(boost::asio::io_context& io);
  void heard(std::span<const std::uint8_t> frame);
  void round();
  void ask(const Peer& peer);
  void ask_gateways();
  [[nodiscard]] std::optional<Ends> ends_of(const Peer& peer, const IpAddress& vip) const;
  // A number that no question of this round and the last one has.
  std::uint32_t number_for(const Peer& peer, const Ends& ends);
  void send(const Frame& frame);

  const config::Port port_;
  const std::chrono::milliseconds interval_;
  Surroundings around_;
  std::optional<announce::PacketSocket> socket_;
  boost::asio::steady_timer timer_;
  PathWatch watch_;
  std::vector<IpAddress> vips_;
  std::vector<Service> services_;
  std::size_t next_vip_ = 0, next_service_ = 0, next_port_ = 0;
  std::map<std::uint32_t, Asked> asked_;  // in this round, by number
  std::mt19937 random_;
  std::optional<TimePoint> last_round_;
  PathStats stats_;
};

}  // namespace sluice::pool
