// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Who of a pool holds which IIP (A9, A10, A20). Every member runs this machine on what the others say of
// themselves ("words", sent in adverts many times a second), and all come to the same answer without a
// leader. Pure: time comes in as an argument, orders come out. One thread at a time.
//
// A member that was not heard for three adverts and a half is dead. An IIP that no living member holds is
// claimed by the one that is designated: whom the former holder offered it to, else the member it is at home
// with, else the one that holds the fewest (a spare), then by priority, then by name. A claim is said aloud
// for as long as it takes to be sure that everybody has heard it; whoever hears a better claim meanwhile
// yields, and nobody takes an IIP while any living member claims or holds it. So two never hold one while
// adverts get through (no four in a row lost, none late by half an interval). When the link between them
// breaks, both sides may come to hold it; as soon as they hear each other again, one gives it up at once: the
// one whose claim is older, since that is the one that returns; then by priority, then by name.
//
// A member may live and carry nothing: its worker hangs, its cable is out, and its adverts come by another
// way. Who finds that (PathWatch) accuses it, in its adverts. The accused one hands its IIPs over to the
// designated spare and claims none while it is accused. If it does not, because it hears nobody, its claims
// count no more after ten adverts. Two that accuse each other are both believed no more than before: the
// fault is between them.
//
// Before an IIP is taken by claim, the wire is asked whether anybody defends it (announce::Announcer::ask):
// a member that only lost its adverts, but still answers for its IIPs, keeps them.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/wire/address.h"

namespace sluice::pool {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

struct Rank {  // of members, the better first
  unsigned priority = 100;
  std::string name;
};

struct PoolIip {
  IpAddress address;
  std::string home;  // the member that takes it when nobody has it; "" = any
  friend bool operator==(const PoolIip&, const PoolIip&) = default;
};

enum class Claim : std::uint8_t { kNone, kClaiming, kHolding };

struct IipWord {
  IpAddress address;
  Claim claim = Claim::kNone;
  std::uint32_t term = 0;  // grows with each claim; of kNone: the largest that was heard of
  bool offered = false;    // to Word::offer_to
  bool unable = false;     // not now: the wire defended it, or it is offered to somebody
  friend bool operator==(const IipWord&, const IipWord&) = default;
};

struct Word {  // what a member says of itself
  std::string member;
  bool ready = false;     // it has listened long enough to claim something
  bool draining = false;  // it holds nothing any more, and routers still send it packets
  bool leaving = false;   // its last word: it is dead from now on
  bool accuses = false;   // to the one that hears it: your data path is dead
  std::uint8_t busy_percent = 0;
  std::string offer_to = {};
  std::vector<IipWord> iips = {};  // all that it knows of
  friend bool operator==(const Word&, const Word&) = default;
};

struct Order {
  enum class What : std::uint8_t {
    kAsk,     // ask the wire whether anybody defends it, and tell wire_clear() or wire_defended()
    kTake,    // it is ours: answer for it and announce it
    kGiveUp,  // answer for it no more
  } what = What::kAsk;
  IpAddress address;
  friend bool operator==(const Order&, const Order&) = default;
};
using Orders = std::vector<Order>;

// What became of a member, for people.
struct MemberRow {
  std::string name = {}, role = {};  // active, spare, draining, listening, left, silent
  unsigned priority = 0;
  std::vector<IpAddress> holds = {};
  unsigned busy_percent = 0;
  std::optional<std::chrono::milliseconds> heard_ago = {};  // of others
};

class Election {
 public:
  // `self` is one of `members`, whose names differ.
  Election(std::string self, std::vector<Rank> members, std::chrono::milliseconds advert, TimePoint now);

  Orders set_iips(const std::vector<PoolIip>& iips);
  Orders heard(const Word& word, TimePoint now);
  // To be called twice in an advert's interval, after what has arrived was given to heard().
  Orders tick(TimePoint now);
  // Members whose data path is dead, and since when, as we found out by ourselves.
  void set_dead_paths(std::map<std::string, TimePoint> dead) { dead_paths_ = std::move(dead); }
  // The living members that find our own data path dead, and whose own we do not.
  [[nodiscard]] std::vector<std::string> accusers(TimePoint now) const;

  void wire_clear(const IpAddress& address);
  void wire_defended(const IpAddress& address, TimePoint now);

  // Offers all that is held here to `to`, or to the designated member when "" is given; it is given up at
  // once. A sentence when that cannot be.
  std::optional<std::string> hand_over(const std::string& to, TimePoint now, Orders& orders);
  // Whom hand_over("") would choose: who can take all that is held here; "" when there is nobody.
  [[nodiscard]] std::string successor(TimePoint now) const;

  [[nodiscard]] Word word(TimePoint now) const;
  [[nodiscard]] bool holds(const IpAddress& address) const;
  [[nodiscard]] bool holds_any() const;
  [[nodiscard]] std::vector<MemberRow> rows(TimePoint now) const;
  // The living member that holds it; "" when nobody does.
  [[nodiscard]] std::string holder(const IpAddress& address, TimePoint now) const;
  [[nodiscard]] const Word* word_of(const std::string& member, TimePoint now) const;
  [[nodiscard]] const std::string& self() const { return self_; }

  // Silence for so long is death, and a claim that stood for so long was heard by all.
  [[nodiscard]] Clock::duration patience() const { return advert_ * 7 / 2; }

  void set_busy(std::uint8_t percent) { busy_percent_ = percent; }
  void set_draining(bool draining) { draining_ = draining; }

 private:
  struct Mine {
    std::string home;
    Claim claim = Claim::kNone;
    std::uint32_t term = 0;  // of our claim
    std::uint32_t seen = 0;  // the largest of anybody's
    TimePoint since{};       // of the claim
    TimePoint not_before{};  // no new claim until then: the wire defended it
    bool clear = false;      // the wire was asked
    bool offered = false;
  };
  struct Peer {
    Rank rank;
    std::optional<Word> last;
    TimePoint heard{};
  };
  struct Standing {  // of a claim, to be compared
    std::uint32_t term = 0;
    unsigned priority = 0;
    std::string_view name;
  };

  [[nodiscard]] bool alive(const Peer& peer, TimePoint now) const;
  [[nodiscard]] bool overruled(const Peer& peer, TimePoint now) const;
  [[nodiscard]] bool ready(TimePoint now) const { return now >= ready_at_; }
  [[nodiscard]] static const IipWord* find(const Word& word, const IpAddress& address);
  [[nodiscard]] bool better(const Standing& a, const Standing& b) const;
  [[nodiscard]] std::map<std::string, unsigned> loads(TimePoint now) const;
  [[nodiscard]] std::string choose(const IpAddress& address, const std::string& home,
                                   const std::map<std::string, unsigned>& load, TimePoint now) const;
  [[nodiscard]] bool knows(const std::string& member, const IpAddress& address, TimePoint now) const;
  [[nodiscard]] bool can_take_ours(const std::string& member, TimePoint now) const;
  [[nodiscard]] bool claimed_elsewhere(const IpAddress& address, TimePoint now) const;
  [[nodiscard]] bool offered_to_us(const IpAddress& address, TimePoint now) const;
  void compare(const Peer& peer, const IipWord& theirs, TimePoint now, Orders& orders);
  void advance(const IpAddress& address, Mine& mine, Clock::duration held_up, TimePoint now, Orders& orders);
  void begin_claims(TimePoint now, Orders& orders);
  void yield_to_accusers(TimePoint now, Orders& orders);
  void give_up(const IpAddress& address, Mine& mine, Orders& orders);

  const std::string self_;
  unsigned priority_ = 0;
  const Clock::duration advert_;
  const TimePoint ready_at_;
  TimePoint last_tick_;
  std::map<std::string, Peer> peers_;
  std::map<IpAddress, Mine> iips_;
  std::map<std::string, TimePoint> dead_paths_;
  std::string offer_to_;
  TimePoint offer_until_{};
  std::uint8_t busy_percent_ = 0;
  bool draining_ = false;
};

}  // namespace sluice::pool
