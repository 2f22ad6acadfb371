// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// This MUX as a member of its pool (A9, A10, A20): sends adverts to the others and hears theirs, runs the
// Election on them, and has the Announcer ask for, take and give up IIPs as it orders. Adverts go by UDP from
// the member's address to those of the others, so they travel the same way as what the kernel's own gets:
// port, worker, exception path, and prove that way at each.
//
// Belongs to the io_context's thread.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control/announce/announcer.h"
#include "control/config/model.h"
#include "control/pool/election.h"
#include "control/pool/exchange.h"
#include "control/pool/guard.h"
#include "control/pool/path_probes.h"

namespace sluice::pool {

struct Hooks {
  std::function<unsigned()> busy_percent;         // of the busiest worker
  std::function<double()> service_packets_per_s;  // what routers still send here
  std::function<void(const std::string& sentence)> log;
};

// Since the start.
struct Stats {
  std::uint64_t adverts_sent = 0, adverts_heard = 0;
  std::uint64_t adverts_forged = 0;          // not of this pool, not for us, or broken
  std::uint64_t adverts_old = 0;             // played back, or of a life that has not proved itself yet
  std::uint64_t taken_over = 0;              // IIPs that nobody living had
  std::uint64_t taken_by_offer = 0;          // that a member handed over to this one
  std::uint64_t given_up = 0, defended = 0;  // that we held; that the wire defended when we asked
  std::uint64_t handovers = 0, handovers_failed = 0, exchanges = 0;  // away from here
  std::uint64_t accused = 0;  // times that others found our data path dead
  PathStats path;             // probes of theirs
};

struct Row : MemberRow {
  IpAddress address;
  bool self = false;
  std::string data_path = {};  // ok, dead, "" = not known; of this member: dead when others find it so
};

class Pool {
 public:
  // The model has a pool, and is valid. Throws std::runtime_error with one sentence when adverts cannot be
  // sent.
  Pool(boost::asio::io_context& io, const config::Model& model, announce::Announcer& announcer, Hooks hooks);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // IIPs that came or went.
  void configure(const config::Model& model);
  // The last word: the others need not wait for our silence. Gives all up.
  void leave();

  // Gives all that is held here to `to`, or to the best spare when "". `done` is called later: nothing when
  // it is held there, else a sentence.
  using Done = std::function<void(const std::optional<std::string>& refused)>;
  void hand_over(const std::string& to, Done done);

  [[nodiscard]] std::vector<Row> rows() const;
  // The living member that holds it; "" when nobody does.
  [[nodiscard]] std::string holder(const IpAddress& address) const;
  [[nodiscard]] const std::string& self() const { return self_; }
  [[nodiscard]] std::string role() const;
  [[nodiscard]] const std::string& name() const { return pool_.name; }
  [[nodiscard]] Stats stats() const;

 private:
  using Udp = boost::asio::ip::udp;
  struct HandOver {
    std::string to;
    std::vector<IpAddress> iips;
    TimePoint until;
    Done done;
  };

  void wait();
  void read();
  void take_in(std::span<const std::uint8_t> datagram);
  void tick();
  void each_second(TimePoint now);
  void obey(const Orders& orders);
  void ask(const IpAddress& address);
  void asked(const IpAddress& address, TimePoint began, const std::optional<std::string>& refused);
  void take(const IpAddress& address);
  void speak(bool leaving);
  void look_at_hand_over(TimePoint now);
  void note_changes(TimePoint now);
  void note_accusers(TimePoint now);
  void start_probes(boost::asio::io_context& io);
  std::vector<PathProbes::Peer> peers_to_probe() const;
  std::string data_path_of(const std::string& member) const;
  const config::Iip* find(const IpAddress& address) const;

  config::Pool pool_;
  const std::string self_;
  config::Model model_;
  announce::Announcer& announcer_;
  Hooks hooks_;
  Election election_;
  Guard guard_;
  ExchangePolicy exchange_;
  Udp::socket socket_;
  boost::asio::steady_timer timer_;
  TimePoint next_advert_, next_second_;
  std::optional<HandOver> hand_over_;
  std::set<IpAddress> asked_;                 // the wire, before they are taken
  std::map<std::string, std::string> roles_;  // of the members, as they were last logged
  bool draining_ = false;                     // it held something, and routers still send it packets
  std::set<std::string> accusers_;            // as they were last logged
  std::map<std::string, MacAddress> macs_;    // of the others' ports, from their adverts
  MacAddress mac_;                            // of ours; 0 while nobody is to probe it
  std::optional<PathProbes> paths_;
  Stats stats_;
};

}  // namespace sluice::pool
