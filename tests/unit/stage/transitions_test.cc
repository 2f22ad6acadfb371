// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A7 against the real stages, over random histories: whatever operators, servers and clocks do, a flow leaves
// its DIP only when that DIP died, was taken out at once, or a deadline came that the flow was subject to.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/stage/control.h"

namespace sluice::test {
namespace {

using std::chrono::seconds;

// The whole rule.
struct Change {
  Time started, deadline;
};
struct Flow {
  FlowKey key;
  bool handshake = false;  // began with a SYN that Sluice saw
  bool closed = false;
  bool stranger = false;  // nobody promises it anything any more
  std::string on;         // the DIP; "" = dropped
  Time born, last;
};
// A change ends at its deadline, but not before those ended that began earlier in the same map: then at the
// deadline of one of them.
bool deadline_came(const Flow& flow, bool on_leaving_dip, const std::vector<Change>& changes, Time now) {
  const auto freed = [&](Time end) { return flow.last < end && end <= now; };
  for (std::size_t n = 0; n < changes.size(); ++n) {
    const Change& change = changes[n];
    if (flow.handshake && !on_leaving_dip && change.started < flow.born)
      continue;  // it was born under what that change made
    for (std::size_t earlier = 0; earlier <= n; ++earlier) {
      if (freed(std::max(change.deadline, changes[earlier].deadline))) return true;
    }
  }
  return false;
}

class History {
 public:
  // `all`: the story has every packet.
  History(std::uint64_t seed, bool several_groups, bool all = false)
      : random_(seed), all_(all), several_groups_(several_groups) {
    sticky_ = pick(2);
    const unsigned groups = several_groups_ ? 2 + pick(2) : 1;
    config::Service& service = control_.service();
    service.stickiness = sticky_ ? config::Stickiness::kFlow : config::Stickiness::kNone;
    if (sticky_ && pick(3) == 0) service.scheduler = config::Scheduler::kRoundRobin;
    by_map_ = service.scheduler == config::Scheduler::kHash;
    for (unsigned g = 0; g < groups; ++g) add_group(service);
    control_.rebuild();
    tell(std::string(sticky_ ? "flow table" : "maps only") + (by_map_ ? ", " : ", round robin, ") +
         std::to_string(groups) + " groups");
  }

  // False when the rule was broken; `story` says how it came to that.
  bool run(unsigned steps, std::string& story) {
    for (unsigned n = 0; n < steps && !wrong_; ++n) {
      step();
      if (pick(3) != 0 && !wrong_) packets();
    }
    story = story_;
    return !wrong_;
  }

 private:
  unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }
  void tell(const std::string& what) { story_ += std::to_string(control_.now_s()) + " s: " + what + "\n"; }

  void add_group(config::Service& service) {
    config::Group group;
    group.name = "g" + std::to_string(++groups_made_);
    if (pick(2)) group.weight = 1 + pick(3);
    for (unsigned d = 0; d < 1 + pick(4); ++d) add_dip(service, group);
    service.groups.push_back(group);
  }
  void add_dip(const config::Service& service, config::Group& group) {
    // Often one that was here before, in whatever group.
    IpAddress address = make_address(0x0a010001u + pick(dips_made_ + 1));
    const auto has = [&](const config::Group& g) {
      return std::ranges::find(g.dips, address, &config::Dip::address) != g.dips.end();
    };
    if (has(group) || std::ranges::any_of(service.groups, has))
      address = make_address(0x0a010001u + dips_made_);
    dips_made_ += address == make_address(0x0a010001u + dips_made_);
    group.dips.push_back({.address = address, .port = 0, .weight = 1 + pick(3), .line = 0});
  }

  // A changed model comes into force, unless it leaves nobody or tier 1 has no room for one more change.
  void change(config::Service next, const maps::ChangeOptions& options, const std::string& what) {
    const bool takers = std::ranges::any_of(next.groups, [&](const config::Group& g) {
      return std::ranges::any_of(
          g.dips, [&](const config::Dip& d) { return d.weight > 0 && control_.healthy(maps::dip_name(d)); });
    });
    if (!takers || control_.older_maps() >= kMostOlderMaps) return;
    changes_.push_back({control_.now(), control_.now() + options.deadline.value_or(seconds(300))});
    tell(what + ", until " + std::to_string(control_.seconds_at(changes_.back().deadline)) + " s");
    control_.replace(std::move(next), options);
  }

  void step() {
    config::Service next = control_.service();
    config::Group& group = next.groups[pick(static_cast<unsigned>(next.groups.size()))];
    const maps::ChangeOptions options{.deadline = seconds(5 + pick(60)), .now = false};
    const unsigned at = group.dips.empty() ? 0 : pick(static_cast<unsigned>(group.dips.size()));
    const std::string name = group.dips.empty() ? "" : maps::dip_name(group.dips[at]);
    switch (pick(12)) {
      case 0:
      case 1:
        add_dip(next, group);
        return change(std::move(next), options,
                      "add " + maps::dip_name(group.dips.back()) + " to " + group.name);
      case 2:
      case 3:
        if (group.dips.size() < 2) return;
        group.dips.erase(group.dips.begin() + at);
        return change(std::move(next), options, "drain " + name);
      case 4: {
        if (group.dips.size() < 2) return;
        group.dips.erase(group.dips.begin() + at);
        maps::ChangeOptions at_once = options;
        at_once.now = true;
        const auto before = changes_.size();
        change(std::move(next), at_once, "remove " + name + " at once");
        if (changes_.size() > before) left(name);
        return;
      }
      case 5:
        if (group.dips.empty()) return;
        group.dips[at].weight = pick(4);
        return change(std::move(next), options, "weight of " + name);
      case 6:
        if (name.empty() || !control_.healthy(name) || control_.older_maps() >= kMostOlderMaps) return;
        tell(name + " dies");
        control_.set_health(name, false);
        return left(name);
      case 7:
        for (const std::string& dip : control_.dips()) {
          if (control_.healthy(dip) || control_.older_maps() >= kMostOlderMaps) continue;
          tell(dip + " returns");
          changes_.push_back({control_.now(), control_.now() + seconds(300)});
          control_.set_health(dip, true);
        }
        return;
      case 8:
        if (const auto before = control_.before()) return change(*before, options, "abort");
        return;
      case 9:
        if (several_groups_ && next.groups.size() < 4) {
          add_group(next);
          return change(std::move(next), options, "add a group");
        }
        if (several_groups_ && next.groups.size() > 2) {
          next.groups.pop_back();
          return change(std::move(next), options, "remove a group");
        }
        return;
      default:
        control_.pass(seconds(1 + pick(25)));
        tell("time passes");
        // The deadline of a drained DIP frees its flows, though it may come back before they notice.
        for (Flow& flow : flows_) {
          if (control_.in_model(flow.on) || !deadline_came(flow, true, changes_, control_.now())) continue;
          flow.on = "";
          flow.stranger = flow.stranger || several_groups_;
        }
        return;
    }
  }

  // The DIP takes nobody any more.
  void left(const std::string& dip) {
    for (Flow& flow : flows_) {
      if (flow.on != dip) continue;
      flow.on = "";
      // The maps place it as if it were old, so every deadline concerns it.
      if (!sticky_) flow.handshake = false;
    }
    // Flows of a group in which nobody is left are strangers to the groups that they go to.
    if (several_groups_) std::erase_if(flows_, [](const Flow& flow) { return flow.on.empty(); });
  }

  void packets() {
    std::vector<Arrival> arrivals;
    std::vector<std::size_t> whose;
    std::vector<bool> begins;
    const auto send = [&](std::size_t flow, std::uint8_t flags, bool begin = false) {
      arrivals.push_back({flows_[flow].key, flags});
      whose.push_back(flow);
      begins.push_back(begin);
    };
    for (unsigned n = 0; n < 4; ++n) {
      Flow flow;
      flow.key = make_key(++flows_made_, pick(3) == 0 ? 17 : 6);
      flow.born = control_.now();
      flow.handshake = flow.key.protocol == 6 && pick(4) != 0;
      flows_.push_back(flow);
      send(flows_.size() - 1, flow.handshake ? Layout::kOpensFlow : 0, true);
      if (pick(3) == 0) send(flows_.size() - 1, 0);
    }
    const std::size_t old = flows_.size() - 4;
    for (unsigned n = 0; n < 12 && old > 0; ++n) {
      const std::size_t f = pick(static_cast<unsigned>(old));
      Flow& flow = flows_[f];
      if (flow.closed) {
        if (several_groups_ || !flow.handshake) continue;
        flow.closed = false;  // a new connection under the old key
        send(f, Layout::kOpensFlow, true);
      } else if (flow.key.protocol == 6 && pick(8) == 0) {
        flow.closed = true;
        send(f, Layout::kCloses);
      } else if (sticky_ && flow.handshake && pick(8) == 0) {
        send(f, Layout::kOpensFlow);  // its first one, sent again
      } else {
        send(f, 0);
      }
    }
    const std::vector<std::string> went = control_.carry(arrivals);
    for (std::size_t n = 0; n < went.size(); ++n) {
      judge(flows_[whose[n]], arrivals[n], begins[n], went[n]);
    }
  }

  void judge(Flow& flow, const Arrival& arrival, bool begins, const std::string& went) {
    const bool opens = begins && arrival.flags == Layout::kOpensFlow;
    if (begins) {
      flow.on = "";
      flow.born = control_.now();
    }
    if (all_) {
      tell("  " + std::to_string(flow.key.source_port.value()) + " -> " + went +
           (opens                              ? " SYN"
            : arrival.flags == Layout::kCloses ? " FIN"
                                               : "") +
           control_.maps_of(flow.key));
    }
    if (!flow.on.empty() && went != flow.on && !flow.stranger && !excused(flow)) {
      wrong_ = true;
      tell((flow.handshake           ? "TCP flow "
            : flow.key.protocol == 6 ? "TCP flow known to nobody, "
                                     : "UDP flow ") +
           std::to_string(flow.key.source_port.value()) + " born at " +
           std::to_string(control_.seconds_at(flow.born)) + " s moved from " + flow.on + " to " + went);
    }
    if (opens && by_map_ && control_.has_takers() && went != control_.by_newest_map(flow.key)) {
      wrong_ = true;
      tell("a new flow went to " + went + " and not to " + control_.by_newest_map(flow.key));
    }
    if (opens && went.empty() && control_.has_takers()) {
      wrong_ = true;
      tell("a new flow was dropped");
    }
    const bool moved = !flow.on.empty() && went != flow.on;
    flow.on = went;
    flow.last = control_.now();
    if (begins) flow.stranger = false;
    if (opens && went.empty()) flow.handshake = false;
    // A flow that had to go to another group may meet its old entry when it comes back there.
    if (moved && several_groups_) flow.stranger = true;
    if (!sticky_) return;
    // The flow table did not see it begin.
    if (flow.key.protocol == 6 && !flow.handshake) flow.stranger = true;
  }

  // With a flow table, only the deadline of its own DIP, or in tier 1, concerns a flow.
  bool excused(const Flow& flow) const {
    const bool leaving = !control_.in_model(flow.on);
    return (!sticky_ || several_groups_ || leaving) && deadline_came(flow, leaving, changes_, control_.now());
  }

  std::mt19937_64 random_;
  Control control_;
  bool all_;
  bool several_groups_, sticky_ = false, by_map_ = true, wrong_ = false;
  unsigned groups_made_ = 0, dips_made_ = 0;
  std::uint32_t flows_made_ = 0;
  std::vector<Flow> flows_;
  std::vector<Change> changes_;
  std::string story_;
};

// The same histories each time; SLUICE_SEED=N looks at others, and repeats what one run printed.
std::uint64_t first_seed() {
  const char* given = std::getenv("SLUICE_SEED");
  return given ? std::strtoull(given, nullptr, 10) : 1;
}

void try_histories(std::uint64_t seed, unsigned most, bool several_groups) {
  std::cout << "SLUICE_SEED=" << seed << "\n";
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  unsigned done = 0;
  for (; done < most && std::chrono::steady_clock::now() < end; ++done) {
    std::string story;
    if (History(seed + done, several_groups).run(12, story)) continue;
    History(seed + done, several_groups, true).run(12, story);
    FAIL() << "SLUICE_SEED=" << seed + done << "\n" << story;
  }
  std::cout << done << " histories\n";
  EXPECT_GT(done, 100u);
}

TEST(Transitions, NoFlowLeavesItsDipButByDeathOrDeadline) {
  try_histories(first_seed(), 50'000, false);
}

TEST(Transitions, NorDoesItWithSeveralGroups) {
  try_histories(first_seed(), 20'000, true);
}

}  // namespace
}  // namespace sluice::test
