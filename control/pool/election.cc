// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/pool/election.h"

#include <algorithm>
#include <tuple>

namespace sluice::pool {
namespace {

// What the wire defended is not claimed again for so long, and an offer that nobody took is void after it.
constexpr std::chrono::milliseconds kBlocked{1000}, kOffer{1000};
constexpr unsigned kTimeToYield = 10;  // adverts, for an accused member
constexpr unsigned kLongestClaim = 4;  // times the patience; then it begins anew, with a new question

}  // namespace

Election::Election(std::string self, std::vector<Rank> members, std::chrono::milliseconds advert,
                   TimePoint now)
    : self_(std::move(self)),
      advert_(advert),
      // Somebody who knows us not has to hear us, and we his answer to that.
      ready_at_(now + 2 * patience()),
      last_tick_(now) {
  for (Rank& member : members) {
    if (member.name == self_)
      priority_ = member.priority;
    else
      peers_[member.name].rank = std::move(member);
  }
}

bool Election::alive(const Peer& peer, TimePoint now) const {
  return peer.last && !peer.last->leaving && now - peer.heard < patience();
}

// Accused for so long that it should have heard of it: what it claims counts no more.
bool Election::overruled(const Peer& peer, TimePoint now) const {
  const auto at = dead_paths_.find(peer.rank.name);
  return at != dead_paths_.end() && now - at->second >= kTimeToYield * advert_;
}

std::vector<std::string> Election::accusers(TimePoint now) const {
  std::vector<std::string> names;
  for (const auto& [name, peer] : peers_) {
    const bool heard = alive(peer, now) && peer.last->ready && peer.last->accuses;
    if (heard && !dead_paths_.contains(name)) names.push_back(name);
  }
  return names;
}

const IipWord* Election::find(const Word& word, const IpAddress& address) {
  const auto at = std::ranges::find(word.iips, address, &IipWord::address);
  return at == word.iips.end() ? nullptr : &*at;
}

bool Election::better(const Standing& a, const Standing& b) const {
  return std::tie(a.term, a.priority, b.name) > std::tie(b.term, b.priority, a.name);
}

Orders Election::set_iips(const std::vector<PoolIip>& iips) {
  Orders orders;
  for (auto& [address, mine] : iips_) {
    const bool stays = std::ranges::find(iips, address, &PoolIip::address) != iips.end();
    if (!stays) give_up(address, mine, orders);
  }
  std::erase_if(iips_, [&](const auto& entry) {
    return std::ranges::find(iips, entry.first, &PoolIip::address) == iips.end();
  });
  for (const PoolIip& iip : iips) iips_[iip.address].home = iip.home;
  return orders;
}

void Election::give_up(const IpAddress& address, Mine& mine, Orders& orders) {
  if (mine.claim == Claim::kNone) return;
  mine.claim = Claim::kNone;
  orders.push_back({Order::What::kGiveUp, address});
}

Orders Election::heard(const Word& word, TimePoint now) {
  Orders orders;
  const auto at = peers_.find(word.member);
  if (at == peers_.end()) return orders;
  Peer& peer = at->second;
  peer.last = word;
  peer.heard = now;
  if (word.leaving) return orders;
  for (const IipWord& theirs : word.iips) {
    compare(peer, theirs, now, orders);
    const auto mine = iips_.find(theirs.address);
    if (mine != iips_.end() && theirs.claim == Claim::kHolding) {  // whatever was offered is taken
      mine->second.offered = false;
      mine->second.not_before = {};
    }
    // Whoever it is offered to may take it on the last word that says so, and be heard late.
    if (theirs.offered && word.offer_to != self_ && mine != iips_.end())
      mine->second.not_before = std::max(mine->second.not_before, now + 2 * patience());
  }
  return orders;
}

// Of two claims for one IIP the better stays; one that is held gives way only to a better that is held.
void Election::compare(const Peer& peer, const IipWord& theirs, TimePoint now, Orders& orders) {
  const auto at = iips_.find(theirs.address);
  if (at == iips_.end()) return;
  Mine& mine = at->second;
  mine.seen = std::max(mine.seen, theirs.term);
  if (mine.claim == Claim::kNone || theirs.claim == Claim::kNone) return;
  const bool theirs_is_better =
      better({theirs.term, peer.rank.priority, peer.rank.name}, {mine.term, priority_, self_});
  if (overruled(peer, now) && !theirs_is_better) return;
  const bool yield = mine.claim == Claim::kHolding ? theirs.claim == Claim::kHolding && theirs_is_better
                                                   : theirs.claim == Claim::kHolding || theirs_is_better;
  if (yield) give_up(at->first, mine, orders);
}

Orders Election::tick(TimePoint now) {
  Orders orders;
  // While this process was held up it said nothing, so that time does not count for its claims.
  const Clock::duration gap = now - last_tick_;
  const bool held_up = gap > advert_ * 3 / 2;
  last_tick_ = now;
  for (auto& [address, mine] : iips_) {
    if (now >= offer_until_) mine.offered = false;
    if (mine.claim == Claim::kClaiming)
      advance(address, mine, held_up ? gap : Clock::duration(0), now, orders);
  }
  yield_to_accusers(now, orders);
  if (ready(now) && !held_up) begin_claims(now, orders);
  return orders;
}

void Election::yield_to_accusers(TimePoint now, Orders& orders) {
  if (accusers(now).empty()) return;
  for (auto& [address, mine] : iips_)
    if (mine.claim == Claim::kClaiming) give_up(address, mine, orders);
  // With nobody to take them they stay; asked again at the next tick.
  if (holds_any()) hand_over("", now, orders);
}

void Election::advance(const IpAddress& address, Mine& mine, Clock::duration held_up, TimePoint now,
                       Orders& orders) {
  mine.since += held_up;
  const auto stood = now - mine.since;
  if (mine.clear && stood >= patience() && !claimed_elsewhere(address, now)) {
    mine.claim = Claim::kHolding;
    orders.push_back({Order::What::kTake, address});
  } else if (stood > kLongestClaim * patience()) {
    give_up(address, mine, orders);
  }
}

bool Election::claimed_elsewhere(const IpAddress& address, TimePoint now) const {
  return std::ranges::any_of(peers_, [&](const auto& entry) {
    if (!alive(entry.second, now) || overruled(entry.second, now)) return false;
    const IipWord* theirs = find(*entry.second.last, address);
    return theirs && theirs->claim != Claim::kNone;
  });
}

bool Election::offered_to_us(const IpAddress& address, TimePoint now) const {
  return std::ranges::any_of(peers_, [&](const auto& entry) {
    const bool fresh = now - entry.second.heard < advert_;
    if (!alive(entry.second, now) || !fresh || entry.second.last->offer_to != self_) return false;
    const IipWord* theirs = find(*entry.second.last, address);
    return theirs && theirs->offered;
  });
}

std::map<std::string, unsigned> Election::loads(TimePoint now) const {
  std::map<std::string, unsigned> load;
  if (ready(now) && accusers(now).empty()) {
    load[self_] = static_cast<unsigned>(
        std::ranges::count_if(iips_, [](const auto& entry) { return entry.second.claim != Claim::kNone; }));
  }
  for (const auto& [name, peer] : peers_) {
    if (!alive(peer, now) || !peer.last->ready || dead_paths_.contains(name)) continue;
    load[name] = static_cast<unsigned>(std::ranges::count_if(
        peer.last->iips, [](const IipWord& word) { return word.claim != Claim::kNone; }));
  }
  return load;
}

bool Election::knows(const std::string& member, const IpAddress& address, TimePoint now) const {
  if (member == self_) return now >= iips_.at(address).not_before;
  const IipWord* theirs = find(*peers_.at(member).last, address);
  return theirs && !theirs->unable;
}

// `load`: of the living members that are ready.
std::string Election::choose(const IpAddress& address, const std::string& home,
                             const std::map<std::string, unsigned>& load, TimePoint now) const {
  const Mine& mine = iips_.at(address);
  if (mine.offered && load.contains(offer_to_)) return offer_to_;
  for (const auto& [name, peer] : peers_) {
    if (!alive(peer, now) || !load.contains(peer.last->offer_to)) continue;
    const IipWord* theirs = find(*peer.last, address);
    if (theirs && theirs->offered) return peer.last->offer_to;
  }
  if (load.contains(home) && knows(home, address, now)) return home;
  std::string best;
  std::tuple<unsigned, unsigned> best_rank;
  for (const auto& [name, holds] : load) {  // by name, so that the first of equals stays
    if (!knows(name, address, now)) continue;
    const unsigned priority = name == self_ ? priority_ : peers_.at(name).rank.priority;
    const std::tuple<unsigned, unsigned> rank{holds, ~priority};
    if (best.empty() || rank < best_rank) {
      best = name;
      best_rank = rank;
    }
  }
  return best;
}

void Election::begin_claims(TimePoint now, Orders& orders) {
  std::map<std::string, unsigned> load = loads(now);
  for (auto& [address, mine] : iips_) {
    if (mine.claim != Claim::kNone || claimed_elsewhere(address, now)) continue;
    const std::string chosen = choose(address, mine.home, load, now);
    if (chosen.empty()) continue;
    ++load[chosen];
    const bool offered = offered_to_us(address, now);
    if (chosen != self_ || (now < mine.not_before && !offered)) continue;
    mine.term = mine.seen = mine.seen + 1;
    mine.since = now;
    mine.clear = false;
    mine.claim = offered ? Claim::kHolding : Claim::kClaiming;
    orders.push_back({offered ? Order::What::kTake : Order::What::kAsk, address});
  }
}

void Election::wire_clear(const IpAddress& address) {
  const auto at = iips_.find(address);
  if (at != iips_.end() && at->second.claim == Claim::kClaiming) at->second.clear = true;
}

void Election::wire_defended(const IpAddress& address, TimePoint now) {
  const auto at = iips_.find(address);
  if (at == iips_.end() || at->second.claim != Claim::kClaiming) return;
  at->second.claim = Claim::kNone;
  at->second.not_before = now + kBlocked;
}

bool Election::can_take_ours(const std::string& member, TimePoint now) const {
  return std::ranges::all_of(iips_, [&](const auto& entry) {
    return entry.second.claim != Claim::kHolding || knows(member, entry.first, now);
  });
}

std::string Election::successor(TimePoint now) const {
  std::string best;
  std::tuple<unsigned, unsigned> best_rank;
  for (const auto& [name, holds] : loads(now)) {
    if (name == self_ || !can_take_ours(name, now)) continue;
    const std::tuple<unsigned, unsigned> rank{holds, ~peers_.at(name).rank.priority};
    if (best.empty() || rank < best_rank) {
      best = name;
      best_rank = rank;
    }
  }
  return best;
}

std::optional<std::string> Election::hand_over(const std::string& to, TimePoint now, Orders& orders) {
  if (!holds_any()) return "this member holds no IIP: there is nothing to hand over";
  const std::string heir = to.empty() ? successor(now) : to;
  if (heir.empty()) return "no other member of the pool is alive and ready; see mux list";
  if (heir == self_) return heir + " is this member itself; name another";
  const auto peer = peers_.find(heir);
  if (peer == peers_.end()) {
    std::string known;
    for (const auto& [name, other] : peers_) (known += known.empty() ? "" : ", ") += name;
    return "no member named \"" + heir + "\" in the pool; others are: " + known;
  }
  if (!alive(peer->second, now)) return heir + " is silent; name a member that is alive, see mux list";
  if (dead_paths_.contains(heir)) return "the data path of " + heir + " is dead; name another, see mux list";
  if (!peer->second.last->ready) return heir + " has only just begun to listen; try again in a second";
  for (const auto& [address, mine] : iips_) {
    if (mine.claim == Claim::kHolding && !knows(heir, address, now))
      return heir + " cannot take " + to_string(address) +
             ": it does not know it, or may not yet; try again in a second";
  }
  offer_to_ = heir;
  offer_until_ = now + kOffer;
  for (auto& [address, mine] : iips_) {
    mine.offered = mine.claim == Claim::kHolding;
    if (!mine.offered) continue;
    mine.not_before = offer_until_ + 2 * patience();
    give_up(address, mine, orders);
  }
  return {};
}

Word Election::word(TimePoint now) const {
  const bool accused = !accusers(now).empty();
  Word word{.member = self_, .ready = ready(now), .draining = draining_, .busy_percent = busy_percent_};
  for (const auto& [address, mine] : iips_) {
    if (mine.offered) word.offer_to = offer_to_;
    word.iips.push_back({.address = address,
                         .claim = mine.claim,
                         .term = mine.claim == Claim::kNone ? mine.seen : mine.term,
                         .offered = mine.offered,
                         .unable = accused || now < mine.not_before});
  }
  return word;
}

bool Election::holds(const IpAddress& address) const {
  const auto at = iips_.find(address);
  return at != iips_.end() && at->second.claim == Claim::kHolding;
}

bool Election::holds_any() const {
  return std::ranges::any_of(iips_, [](const auto& entry) { return entry.second.claim == Claim::kHolding; });
}

std::string Election::holder(const IpAddress& address, TimePoint now) const {
  if (holds(address)) return self_;
  for (const auto& [name, peer] : peers_) {
    const IipWord* theirs = alive(peer, now) ? find(*peer.last, address) : nullptr;
    if (theirs && theirs->claim == Claim::kHolding) return name;
  }
  return {};
}

const Word* Election::word_of(const std::string& member, TimePoint now) const {
  const auto at = peers_.find(member);
  return at != peers_.end() && alive(at->second, now) ? &*at->second.last : nullptr;
}

std::vector<MemberRow> Election::rows(TimePoint now) const {
  const auto row_of = [](const Word& word, unsigned priority) {
    MemberRow row{.name = word.member, .role = {}, .priority = priority, .busy_percent = word.busy_percent};
    for (const IipWord& iip : word.iips)
      if (iip.claim == Claim::kHolding) row.holds.push_back(iip.address);
    row.role = !row.holds.empty() ? "active"
               : word.draining    ? "draining"
               : word.ready       ? "spare"
                                  : "listening";
    return row;
  };
  std::vector<MemberRow> rows = {row_of(word(now), priority_)};
  for (const auto& [name, peer] : peers_) {
    if (alive(peer, now)) {
      rows.push_back(row_of(*peer.last, peer.rank.priority));
    } else {
      rows.push_back({.name = name, .role = peer.last && peer.last->leaving ? "left" : "silent"});
      rows.back().priority = peer.rank.priority;
    }
    if (peer.last)
      rows.back().heard_ago = std::chrono::duration_cast<std::chrono::milliseconds>(now - peer.heard);
  }
  std::ranges::sort(rows, {}, &MemberRow::name);
  return rows;
}

}  // namespace sluice::pool
