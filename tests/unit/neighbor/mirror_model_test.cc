// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The mirror against a model that keeps plain lists and compares bit by bit: random events, lost and
// reordered ones put right by dumps, and the same facts in any order.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "tests/unit/neighbor/facts.h"

namespace sluice::neighbor::test {
namespace {

// What a kernel holds. One route for each table, prefix and priority.
struct Model {
  using RouteKey = std::tuple<std::uint32_t, Prefix, std::uint32_t>;
  std::map<int, Link> links;
  std::map<RouteKey, Route> routes;
  std::map<NextHop, Neighbor> neighbors;

  static RouteKey key(const Route& r) { return {r.table, r.prefix, r.priority}; }

  void apply(const Event& event) {
    if (const auto* l = std::get_if<Link>(&event.what)) {
      links.erase(l->ifindex);
      if (!event.removed) {
        links[l->ifindex] = *l;
        return;
      }
      std::erase_if(neighbors, [&](const auto& n) { return n.first.ifindex == l->ifindex; });
      for (auto& [key, r] : routes)
        std::erase_if(r.hops, [&](const Hop& hop) { return hop.ifindex == l->ifindex; });
      std::erase_if(routes, [](const auto& r) {
        return r.second.type == RouteType::kUnicast && r.second.hops.empty();
      });
    } else if (const auto* r = std::get_if<Route>(&event.what)) {
      routes.erase(key(*r));
      if (!event.removed) routes[key(*r)] = *r;
    } else if (const auto* n = std::get_if<Neighbor>(&event.what)) {
      neighbors.erase({n->ifindex, n->ip});
      if (!event.removed) neighbors[{n->ifindex, n->ip}] = *n;
    }
  }

  static bool covers(const Prefix& prefix, const IpAddress& a) {
    if (prefix.address.is_v4() != a.is_v4()) return false;
    const unsigned bits = prefix.length + (a.is_v4() ? 96u : 0u);
    for (unsigned i = 0; i < bits; ++i)
      if (((prefix.address.byte[i / 8] ^ a.byte[i / 8]) >> (7 - i % 8)) & 1) return false;
    return true;
  }
  bool usable(int ifindex) const {
    const auto at = links.find(ifindex);
    return at != links.end() && at->second.up && at->second.carrier &&
           (at->second.name == "sluice0" || at->second.name == "sluice1");
  }
  const Neighbor* known(const Hop& hop, const IpAddress& to) const {
    const auto at = neighbors.find({hop.ifindex, hop.gateway.value_or(to)});
    return at == neighbors.end() ? nullptr : &at->second;
  }

  Answer lookup(const IpAddress& to) const {
    for (const std::uint32_t table : {kTableLocal, kTableMain}) {
      const Route* best = nullptr;
      for (const auto& [key, r] : routes) {
        const bool leads = r.type != RouteType::kUnicast ||
                           std::ranges::any_of(r.hops, [&](const Hop& h) { return usable(h.ifindex); });
        if (r.table != table || !leads || !covers(r.prefix, to)) continue;
        if (!best || std::pair(-int(r.prefix.length), r.priority) <
                         std::pair(-int(best->prefix.length), best->priority))
          best = &r;
      }
      if (!best || best->type == RouteType::kThrow) continue;
      if (best->type == RouteType::kLocal) return Local{};
      if (best->type == RouteType::kProhibited) return NoRoute{NoRoute::Why::kProhibited};
      return answer(*best, to);
    }
    return NoRoute{};
  }
  Answer answer(const Route& r, const IpAddress& to) const {
    const Hop* taken = nullptr;
    int rank = 0;  // 3 resolved, 2 not failed, 1 failed
    for (const Hop& hop : r.hops) {
      if (!usable(hop.ifindex)) continue;
      const Neighbor* n = known(hop, to);
      const int now = n && counts_as_resolved(n->state) ? 3 : n && n->state == NeighborState::kFailed ? 1 : 2;
      if (now > rank) {
        rank = now;
        taken = &hop;
      }
    }
    const Link& way = links.at(taken->ifindex);
    const std::size_t port = way.name == "sluice0" ? 0 : 1;
    const IpAddress next = taken->gateway.value_or(to);
    if (rank == 3) return Resolved{taken->ifindex, next, *known(*taken, to)->mac, port, way.mtu, {}};
    return Unresolved{taken->ifindex, next, port, way.mtu, {}};
  }
};

// A small world, so that everything meets everything.
class World {
 public:
  explicit World(unsigned seed) : random_(seed) {}
  unsigned below(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random_); }
  std::mt19937& random() { return random_; }

  IpAddress address() {
    if (below(3) == 0) {
      IpAddress six = ip("2001:db8::");
      six.byte[15] = static_cast<std::uint8_t>(below(8));
      six.byte[7] = static_cast<std::uint8_t>(below(2));
      return six;
    }
    return IpAddress::v4(Big32(0x0a000000u + (below(4) << 16) + below(8)));
  }
  Event event() {
    const bool removed = below(3) == 0;
    const unsigned what = below(10);
    if (what == 0) {
      const int ifindex = 1 + static_cast<int>(below(4));
      const char* names[] = {"", "sluice0", "sluice1", "eth0", "eth1"};
      Link l = link(ifindex, names[ifindex], below(4) != 0);
      l.mtu = 1500 + below(2);
      return {removed && below(3) == 0, l, RoutePlace::kFirst};
    }
    if (what < 5) return {removed, some_route(), RoutePlace::kReplace};
    const IpAddress at = address();
    Neighbor n{1 + static_cast<int>(below(4)), at, {}, static_cast<NeighborState>(below(9))};
    if (counts_as_resolved(n.state)) n.mac = mac(below(3));
    return {removed, n, RoutePlace::kFirst};
  }
  Route some_route() {
    const IpAddress at = address();
    const unsigned longest = at.is_v4() ? 32 : 128;
    const unsigned lengths[] = {0, longest / 2, longest - 3, longest - 1, longest};
    Route r;
    r.prefix.length = static_cast<std::uint8_t>(lengths[below(5)]);
    r.prefix.address = mask(at, r.prefix.length);
    r.priority = below(3);
    r.table = below(6) == 0 ? kTableLocal : kTableMain;
    if (below(5) == 0) {
      const RouteType types[] = {RouteType::kLocal, RouteType::kProhibited, RouteType::kThrow};
      r.type = types[below(3)];
      return r;
    }
    for (unsigned i = 0, hops = 1 + below(3); i < hops; ++i) {
      // Different gateways, as the kernel demands of one route.
      const std::string base = at.is_v4() ? "10.0.0." : "fe80::";
      r.hops.push_back(via(1 + static_cast<int>(below(4)), base + std::to_string(i * 2 + below(2))));
    }
    if (r.hops.size() == 1 && below(2)) r.hops[0].gateway.reset();
    return r;
  }

 private:
  std::mt19937 random_;
};

std::vector<IpAddress> destinations() {
  std::vector<IpAddress> all{ip("0.0.0.0"), ip("::"), ip("192.0.2.1"), ip("2001:db8:ff::1")};
  for (unsigned i = 0; i < 4; ++i)
    for (unsigned j = 0; j < 8; ++j) all.push_back(IpAddress::v4(Big32(0x0a000000u + (i << 16) + j)));
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 8; ++j) all.push_back(ip((i ? "2001:db8:0:1::" : "2001:db8::") + std::to_string(j)));
  return all;
}

void expect_same(const Mirror& mirror, const Model& model) {
  for (const IpAddress& to : destinations())
    ASSERT_EQ(mirror.lookup(to) == model.lookup(to), true) << to_string(to) << ": " << mirror.describe(to);
}

std::vector<Event> facts(const Model& model) {
  std::vector<Event> all;
  for (const auto& [key, l] : model.links) all.push_back(is(l));
  for (const auto& [key, r] : model.routes) all.push_back(is(r));
  for (const auto& [key, n] : model.neighbors) all.push_back(is(n));
  return all;
}

// Dumps all kinds of the model, each in random order.
void dump(const Model& model, Mirror& mirror, World& world) {
  std::vector<Event> all = facts(model);
  std::shuffle(all.begin(), all.end(), world.random());
  for (const Kind kind : {Kind::kLink, Kind::kAddress, Kind::kRoute, Kind::kNeighbor}) {
    mirror.begin_dump(kind);
    for (const Event& event : all)
      if (event.what.index() == static_cast<std::size_t>(kind)) mirror.apply_dumped(event);
    mirror.end_dump(kind);
  }
}

class MirrorModelTest : public testing::TestWithParam<unsigned> {
 protected:
  MirrorModelTest() { mirror.set_interfaces({"sluice0", "sluice1"}); }
  World world{GetParam()};
  Model model;
  Mirror mirror;
};

TEST_P(MirrorModelTest, AnswersAsTheModelAfterEveryEvent) {
  for (int step = 0; step < 3000; ++step) {
    const Event event = world.event();
    // A removal names a route by its hops: take those that are there.
    Event exact = event;
    if (auto* r = std::get_if<Route>(&exact.what); r && event.removed) {
      const auto at = model.routes.find(Model::key(*r));
      if (at != model.routes.end()) *r = at->second;
    }
    mirror.apply(exact);
    model.apply(exact);
    if (step % 10 == 0) expect_same(mirror, model);
    ASSERT_EQ(mirror.routes(), model.routes.size()) << "seed " << GetParam() << " step " << step;
    ASSERT_FALSE(HasFatalFailure()) << "seed " << GetParam() << " step " << step;
  }
}

TEST_P(MirrorModelTest, TheGenerationMovesExactlyWhenAWatchedAnswerOrAPortDoes) {
  const std::vector<IpAddress> watched = {ip("10.0.0.1"), ip("10.1.0.3"), ip("2001:db8::5")};
  mirror.watch(watched);
  const auto picture = [&] {
    std::vector<Answer> answers;
    for (const IpAddress& to : watched) answers.push_back(model.lookup(to));
    std::vector<Link> ports;
    for (const auto& [key, l] : model.links)
      if (l.name == "sluice0" || l.name == "sluice1") ports.push_back(l);
    return std::pair(answers, ports);
  };
  mirror.settle();
  auto before = picture();
  int moves = 0;
  for (int step = 0; step < 3000; ++step) {
    Event event = world.event();
    if (auto* r = std::get_if<Route>(&event.what); r && event.removed) {
      const auto at = model.routes.find(Model::key(*r));
      if (at != model.routes.end()) *r = at->second;
    }
    mirror.apply(event);
    model.apply(event);
    const auto now = picture();
    ASSERT_EQ(mirror.settle(), now != before) << "seed " << GetParam() << " step " << step;
    moves += now != before;
    before = now;
  }
  EXPECT_GT(moves, 50);
  EXPECT_LT(moves, 2000);
}

TEST_P(MirrorModelTest, ADumpPutsLostAndReorderedEventsRight) {
  std::vector<Event> late;
  for (int step = 0; step < 1500; ++step) {
    const Event event = world.event();
    model.apply(event);
    if (world.below(5) == 0) {
      late.push_back(event);  // arrives after others, or never
    } else {
      mirror.apply(event);
    }
    if (!late.empty() && world.below(3) == 0) {
      const std::size_t at = world.below(static_cast<unsigned>(late.size()));
      mirror.apply(late[at]);
      late.erase(late.begin() + static_cast<std::ptrdiff_t>(at));
    }
    if (step % 50 == 0) {
      dump(model, mirror, world);
      expect_same(mirror, model);
      ASSERT_EQ(mirror.routes(), model.routes.size());
      ASSERT_EQ(mirror.neighbors(), model.neighbors.size());
    }
    ASSERT_FALSE(HasFatalFailure()) << "seed " << GetParam() << " step " << step;
  }
}

TEST_P(MirrorModelTest, TheSameFactsGiveTheSameAnswersInAnyOrder) {
  for (int step = 0; step < 300; ++step) model.apply(world.event());
  std::vector<Event> all = facts(model);
  for (int order = 0; order < 20; ++order) {
    std::shuffle(all.begin(), all.end(), world.random());
    Mirror fresh;
    fresh.set_interfaces({"sluice0", "sluice1"});
    for (const Event& event : all) fresh.apply(event);
    expect_same(fresh, model);
    for (const Event& event : all) EXPECT_FALSE(fresh.apply(event)) << "a repetition is no change";
    ASSERT_FALSE(HasFatalFailure()) << "seed " << GetParam();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, MirrorModelTest, testing::Range(1u, 9u));

}  // namespace
}  // namespace sluice::neighbor::test
