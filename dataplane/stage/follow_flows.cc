// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <rte_prefetch.h>

#include <algorithm>
#include <new>

#include "dataplane/stage/scheduler.h"
#include "dataplane/stage/stages.h"
#include "dataplane/table/group_state.h"
#include "dataplane/wire/headers.h"

namespace sluice {
namespace {

bool has_handshake(std::uint8_t protocol) {
  return protocol == kProtoTcp || protocol == kProtoSctp;
}

// Do flows of such packets begin by one that says so?
bool is_announced(const Service& service, const FlowKey& key) {
  if (service.has_subscribers() || has_handshake(key.protocol)) return true;
  return service.flow_start == FlowStart::kGtpC && key.protocol == kProtoUdp &&
         key.destination_port == service.control_port;
}

// Does this packet, whose flow is in no table, begin one? (B3, B4, B5)
bool opens(const Service& service, const Layout& layout, const FlowKey& key) {
  if (layout.is(Layout::kIcmpError)) return false;
  if (service.type1 && layout.is(Layout::kOpensFlow)) return true;
  return service.type2 && !(service.type1 && is_announced(service, key));
}

FlowPacket packet_of(const Layout& layout) {
  return {layout.ip_bytes, layout.is(Layout::kOpensFlow), layout.is(Layout::kCloses)};
}

// The packets of one group in one burst.
class Follower {
 public:
  Follower(Burst& burst, const Snapshot& tables, const FlowDesk& desk, std::uint32_t group)
      : burst_(burst),
        tables_(tables),
        desk_(desk),
        group_(tables.groups[group]),
        state_(*group_.state),
        now_(desk.elephants.flow_clock(desk.now_tsc)) {}

  // Every packet of `mask` is of this group.
  void follow(std::uint64_t mask) {
    const Service& service = service_of(static_cast<unsigned>(std::countr_zero(mask)));
    take_keys(service, mask);
    std::uint64_t found = desk_.dry ? peek(mask) : state_.flows.find(keys_, hashes_, mask, flow_, now_);
    // A new connection under the key of one that has ended here belongs to the newest map's group, and so
    // does a flow whose DIP is gone where nobody stands in.
    for_each(found & burst_.chained, [&](unsigned i) {
      const bool anew = burst_.layout[i].is(Layout::kOpensFlow) && flow_[i]->state() == FlowState::kClosing;
      if (!anew && !lost(i)) return;
      found &= ~(1ull << i);
      if (desk_.dry) return;
      if (!anew) count_broken(service, tables_.find_target(flow_[i]->target) == kNoTarget);
      erase_ |= 1ull << i;
    });
    for_each(found, [&](unsigned i) {
      const std::uint32_t target = tables_.find_target(flow_[i]->target);
      if (target != kNoTarget) [[likely]]
        rte_prefetch0(&tables_.targets[target]);
    });
    for_each(found, [&](unsigned i) { stay(i, service); });
    // From here on the pointers of `found` are no longer valid.
    for_each(erase_, [&](unsigned i) {
      if (flow_[i]->state() != FlowState::kFree) state_.flows.erase(*flow_[i]);  // two packets, one flow
    });
    const std::uint64_t looking = mask & ~found & burst_.chained;
    for_each(mask & ~found & ~looking, [&](unsigned i) { begin(i, service); });
    mask &= burst_.live & ~looking;
    for_each(mask & ~found, [&](unsigned i) { rte_prefetch0(&tables_.targets[burst_.target[i]]); });
    burst_.decided |= mask;
  }

 private:
  const Service& service_of(unsigned i) const { return tables_.services[burst_.service[i]]; }
  FlowEvents& events(const Service& service) const { return desk_.counters.events[service.counter]; }

  // Entries are told apart by what the service calls a flow, whatever it hashes to choose a slot.
  void take_keys(const Service& service, std::uint64_t mask) {
    keys_ = burst_.key.data();
    hashes_ = burst_.slot_hash.data();
    if (service.flow_key != HashFields::kFiveTuple) [[unlikely]] {
      for_each(mask,
               [&](unsigned i) { new (&own_keys_.key[i]) FlowKey(only(burst_.key[i], service.flow_key)); });
      keys_ = own_keys_.key;
    }
    if (service.hash_fields == service.flow_key) [[likely]]
      return;
    hash_burst(tables_.slot_hash, burst_.key.data(), service.flow_key, mask, own_hashes_);
    hashes_ = own_hashes_;
  }

  std::uint64_t peek(std::uint64_t mask) {
    std::uint64_t found = 0;
    for_each(mask, [&](unsigned i) {
      // A dry run only reads, though the bulk interface is not const.
      flow_[i] = const_cast<Flow*>(state_.flows.peek(keys_[i], hashes_[i], now_));
      found |= std::uint64_t{flow_[i] != nullptr} << i;
    });
    return found;
  }

  void go_to(unsigned i, std::uint32_t target) {
    if (target == kNoTarget) return burst_.drop(i, DropReason::kNoLiveDip);
    burst_.target[i] = target;
  }
  std::uint32_t by_map(unsigned i, const std::uint16_t* slots) const {
    const std::uint16_t member = slots[group_.dips.slot(static_cast<std::uint32_t>(burst_.slot_hash[i]))];
    return member == kNoMember ? kNoTarget : group_.first_target + member;
  }
  std::uint32_t newest(unsigned i) const { return by_map(i, group_.dips.slots); }
  std::uint32_t base(unsigned i) const { return by_map(i, group_.base_slots); }
  // Where a flow that no table knows has always been: the base map of the group that tier 1's oldest map
  // names. Where none of that lives, the newest map.
  std::uint32_t oldest(unsigned i, const Service& service) const {
    const std::uint32_t target = by_oldest_maps(i, service);
    return target == kNoTarget ? newest(i) : target;
  }
  // A group in which nobody is left has handed its flows to where the next map had them.
  std::uint32_t by_oldest_maps(unsigned i, const Service& service) const {
    for (unsigned n = 0; n < service.older_count; ++n) {
      const std::uint16_t member = service.older_groups[n][service.groups.slot(burst_.hash[i])];
      if (member == kNoMember) continue;
      const Group& group = tables_.groups[service.first_group + member];
      const std::uint16_t dip =
          group.base_slots[group.dips.slot(static_cast<std::uint32_t>(burst_.slot_hash[i]))];
      if (dip != kNoMember) return group.first_target + dip;
    }
    return base(i);
  }
  std::uint32_t scheduled(unsigned i) const {
    if (group_.scheduler == Scheduler::kMap) return newest(i);
    return schedule(group_, tables_, desk_.counters, state_, desk_.dry);
  }

  bool lost(unsigned i) const {
    const std::uint32_t target = tables_.find_target(flow_[i]->target);
    return (target == kNoTarget || !tables_.targets[target].usable) && newest(i) == kNoTarget;
  }

  // A known flow stays where it is, for as long as its DIP can take it.
  void stay(unsigned i, const Service& service) {
    Flow& flow = *flow_[i];
    const Layout& layout = burst_.layout[i];
    const std::uint32_t target = tables_.find_target(flow.target);
    if (target == kNoTarget || !tables_.targets[target].usable) [[unlikely]] {
      return leave(i, service, flow, target == kNoTarget);
    }
    burst_.target[i] = target;
    if (layout.is(Layout::kIcmpError)) return;
    if (desk_.dry) {
      const bool anew = layout.is(Layout::kOpensFlow) && flow.state() == FlowState::kClosing;
      if (anew) go_to(i, service.sticky ? scheduled(i) : newest(i));
      return;
    }
    const FlowEvent event = state_.flows.touch(flow, packet_of(layout), now_);
    if (event == FlowEvent::kReopened) [[unlikely]] {
      // A new connection under an old key is a new flow (A7: to V').
      const std::uint32_t fresh = service.sticky ? scheduled(i) : newest(i);
      if (fresh != kNoTarget) move(flow, fresh, i);
      return;
    }
    if (wants_promotion(service, flow)) [[unlikely]] {
      flow.flags |= kPromoted *
                    desk_.elephants.promote(desk_.tier1, burst_.key[i], flow.target, tables_, desk_.now_tsc);
    }
  }

  static constexpr std::uint8_t kPromoted = 1;
  static bool wants_promotion(const Service& service, const Flow& flow) {
    return !(flow.flags & kPromoted) && flow.state() == FlowState::kEstablished &&
           ((service.elephant_window_bytes && flow.window_bytes() >= service.elephant_window_bytes) ||
            (service.elephant_window_packets && flow.window_packets() >= service.elephant_window_packets));
  }

  void count_broken(const Service& service, bool deadline) const {
    FlowEvents& happened = events(service);
    (deadline ? happened.broken_deadline : happened.broken_dip_down).add(1);
  }

  void move(Flow& flow, std::uint32_t target, unsigned i) {
    const std::uint32_t id = tables_.targets[target].counter;
    if (id != flow.target) {
      desk_.counters.target_flows[flow.target].subtract(1);
      desk_.counters.target_flows[id].add(1);
      flow.target = id;
    }
    flow.flags = 0;
    burst_.target[i] = target;
  }

  // The flow's DIP died, or its transition came to the deadline: it breaks, at once and visibly.
  void leave(unsigned i, const Service& service, Flow& flow, bool deadline) {
    const std::uint32_t fresh = newest(i);
    if (desk_.dry) return go_to(i, fresh);
    count_broken(service, deadline);
    if (deadline && service.reset_at_deadline && burst_.key[i].protocol == kProtoTcp) {
      events(service).reset.add(1);
      erase_ |= 1ull << i;
      return burst_.drop(i, DropReason::kFlowReset);
    }
    // That it moves does not hide what the packet says: a FIN closes it.
    if (!burst_.layout[i].is(Layout::kIcmpError)) state_.flows.touch(flow, packet_of(burst_.layout[i]), now_);
    if (fresh == kNoTarget) return burst_.drop(i, DropReason::kNoLiveDip);
    move(flow, fresh, i);
  }

  // A packet of a flow that is not in the table.
  void begin(unsigned i, const Service& service) {
    if (service.sticky)
      return opens(service, burst_.layout[i], burst_.key[i]) ? place(i, service) : unknown(i, service);
    if (inserted_ && known_by_now(i)) return;
    // Stateless: only what a transition moved is remembered, and only flows that say that they are new (A7).
    const bool moved = group_.composed || newest(i) != by_oldest_maps(i, service);
    if (moved && burst_.layout[i].is(Layout::kOpensFlow)) {
      remember(i, newest(i), service);
    } else {
      go_to(i, oldest(i, service));
    }
  }

  void place(unsigned i, const Service& service) { remember(i, scheduled(i), service); }

  void remember(unsigned i, std::uint32_t target, const Service& service) {
    if (target == kNoTarget || desk_.dry) return go_to(i, target);
    const std::uint32_t id = tables_.targets[target].counter;
    const auto opened = state_.flows.insert(keys_[i], hashes_[i], id, now_);
    if (!opened.flow) {
      // Later packets of this flow will be unknown, and follow the base map: so does its first.
      events(service).untracked.add(1);
      return go_to(i, oldest(i, service));
    }
    if (opened.fresh) {
      inserted_ = true;
      desk_.counters.target_flows[id].add(1);
      return go_to(i, target);
    }
    // An earlier packet of this burst opened it.
    state_.flows.touch(*opened.flow, packet_of(burst_.layout[i]), now_);
    const std::uint32_t known = tables_.find_target(opened.flow->target);
    go_to(i, known == kNoTarget ? target : known);
  }

  // An earlier packet of this burst may have opened the flow just now.
  bool known_by_now(unsigned i) {
    const Flow* flow = state_.flows.peek(keys_[i], hashes_[i], now_);
    if (!flow) return false;
    const std::uint32_t target = tables_.find_target(flow->target);
    if (target == kNoTarget) return false;
    if (!burst_.layout[i].is(Layout::kIcmpError)) {
      state_.flows.touch(*const_cast<Flow*>(flow), packet_of(burst_.layout[i]), now_);
    }
    go_to(i, target);
    return true;
  }

  void unknown(unsigned i, const Service& service) {
    if (!desk_.dry) {
      if (inserted_ && known_by_now(i)) return;
      events(service).unknown.add(1);
    }
    const bool error = burst_.layout[i].is(Layout::kIcmpError);
    if (error || service.unknown_flow == UnknownFlow::kMap) return go_to(i, oldest(i, service));
    burst_.drop(i, service.unknown_flow == UnknownFlow::kReset && burst_.key[i].protocol == kProtoTcp
                       ? DropReason::kFlowReset
                       : DropReason::kUnknownFlow);
  }

  Burst& burst_;
  const Snapshot& tables_;
  const FlowDesk& desk_;
  const Group& group_;
  GroupState& state_;
  const std::uint32_t now_;
  const FlowKey* keys_ = nullptr;
  const std::uint64_t* hashes_ = nullptr;
  union Keys {  // written where they are needed only
    Keys() {}
    FlowKey key[kBurstPackets];
  } own_keys_;
  std::uint64_t own_hashes_[kBurstPackets];
  Flow* flow_[kBurstPackets];
  std::uint64_t erase_ = 0;
  bool inserted_ = false;
};

}  // namespace

void hash_flows(Burst& burst, const Snapshot& tables) noexcept {
  HashFields fields[kBurstPackets];
  const std::uint64_t wanted = burst.live & ~burst.decided;
  for_each(wanted, [&](unsigned i) { fields[i] = tables.services[burst.service[i]].hash_fields; });
  hash_burst(tables.slot_hash, burst.key.data(), fields, wanted, burst.slot_hash.data());
}

std::uint64_t follow_flows(Burst& burst, const Snapshot& tables, const FlowDesk& desk) noexcept {
  std::uint64_t stateful = 0;
  for_each(burst.live & ~burst.decided, [&](unsigned i) {
    stateful |= std::uint64_t{tables.groups[burst.group[i]].state != nullptr} << i;
  });
  while (stateful) {
    const std::uint32_t group = burst.group[static_cast<unsigned>(std::countr_zero(stateful))];
    std::uint64_t mask = 0;
    for_each(stateful, [&](unsigned i) { mask |= std::uint64_t{burst.group[i] == group} << i; });
    Follower(burst, tables, desk, group).follow(mask);
    stateful &= ~mask;
  }
  // A group without state knows no flows.
  return burst.chained & burst.live & ~burst.decided;
}

}  // namespace sluice
