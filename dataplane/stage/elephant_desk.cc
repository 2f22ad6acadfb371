// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/stage/elephant_desk.h"

#include <algorithm>

#include "dataplane/table/group_state.h"

namespace sluice {
namespace {

// Half of what made it an elephant, so that a flow near the threshold does not go to and fro.
bool still_big(const Service& service, double packets, double bytes, double seconds) {
  const double windows = seconds * Flow::kWindowsPerSecond / 2;
  return (service.elephant_window_bytes && bytes >= windows * service.elephant_window_bytes) ||
         (service.elephant_window_packets && packets >= windows * service.elephant_window_packets);
}

// The worker that owns the flow's group by now.
unsigned owner_of(const Elephant& elephant, const Snapshot& tables) {
  const std::uint32_t target = tables.find_target(elephant.target);
  const std::uint32_t index = tables.service_table.lookup(elephant.key);
  if (target == kNoTarget || index == kNoService) return elephant.owner;
  const Service& service = tables.services[index];
  for (std::uint32_t g = service.first_group; g < service.first_group + service.group_count; ++g) {
    const Group& group = tables.groups[g];
    if (target - group.first_target < group.members) return group.owner;
  }
  return elephant.owner;
}

}  // namespace

bool ElephantDesk::promote(unsigned tier1, const FlowKey& key, std::uint32_t target, const Snapshot& tables,
                           std::uint64_t now_tsc) {
  const std::uint32_t service = tables.service_table.lookup(key);
  if (service == kNoService) return false;
  const Note note{.kind = Note::Kind::kPromote,
                  .from = static_cast<std::uint8_t>(self),
                  .key = key,
                  .target = target,
                  .service = tables.services[service].counter};
  if (tier1 != self) return to[tier1]->put(note);
  take_in(note, tables, now_tsc);
  return true;
}

void ElephantDesk::take_in(const Note& note, const Snapshot& tables, std::uint64_t now_tsc) {
  Elephant elephant;
  elephant.key = note.key;
  elephant.target = note.target;
  elephant.service = note.service;
  elephant.owner = note.from;
  elephant.hash = tables.slot_hash(note.key, HashFields::kFiveTuple);
  elephant.since_tsc = elephant.reported_tsc = now_tsc;
  elephant.active = note.from == self;
  if (!elephant.active) elephant.last_handed = handed[note.from]->sent();
  // No room: the owner learns that the flow is still its own. For its own flows it asks again when they have
  // been quiet for once.
  if (!table.insert(elephant) && note.from != self) report(elephant, Note::Kind::kDemoted, tables, now_tsc);
}

void ElephantDesk::report(const Elephant& elephant, Note::Kind kind, const Snapshot& tables,
                          std::uint64_t now_tsc) {
  const Note note{.kind = kind,
                  .from = static_cast<std::uint8_t>(self),
                  .key = elephant.key,
                  .target = elephant.target,
                  .service = elephant.service};
  const unsigned owner = owner_of(elephant, tables);
  if (owner == self) return settle(note, tables, now_tsc);
  // A full ring: the entry ages as if the flow were silent; its packets find their way by the map's policy.
  to[owner]->put(note);
}

void ElephantDesk::settle(const Note& note, const Snapshot& tables, std::uint64_t now_tsc) {
  const std::uint32_t index = tables.service_table.lookup(note.key);
  if (index == kNoService) return;
  const Service& service = tables.services[index];
  const std::uint64_t hash = tables.slot_hash(note.key, HashFields::kFiveTuple);
  const std::uint32_t now = flow_clock(now_tsc);
  // During a transition of tier 1 the flow's group is not the one that the newest map names. Notes are rare.
  for (std::uint32_t g = service.first_group; g < service.first_group + service.group_count; ++g) {
    const Group& group = tables.groups[g];
    Flow* flow = nullptr;
    if (!group.state || group.owner != self) continue;
    if (const unsigned keeper = keeper_of(group, tables, self); keeper != self) {
      to[keeper]->put(note);  // the group is on its way here
      continue;
    }
    if (!group.state->flows.find(&note.key, &hash, 1, &flow, now)) continue;
    if (note.kind == Note::Kind::kDemoted) flow->flags = 0;
    group.state->flows.touch(*flow, {}, now);
    return;
  }
}

void ElephantDesk::demote(const Elephant& elephant, const Snapshot& tables, std::uint64_t now_tsc) {
  const Elephant last = elephant;
  table.erase(last.key, last.hash);
  report(last, Note::Kind::kDemoted, tables, now_tsc);
}

void ElephantDesk::read_notes(const Snapshot& tables, std::uint64_t now_tsc, unsigned budget) {
  for (NoteRing* ring : from) {
    Note note;
    for (unsigned n = 0; ring && n < budget && ring->take(note); ++n) {
      note.kind == Note::Kind::kPromote ? take_in(note, tables, now_tsc) : settle(note, tables, now_tsc);
    }
  }
}

void ElephantDesk::review(const Snapshot& tables, std::uint64_t now_tsc, unsigned budget) {
  for (unsigned n = 0; n < budget && !table.empty(); ++n) {
    next_review = (next_review + 1) % table.size();
    Elephant& e = table.at(next_review);
    const std::uint32_t target = tables.find_target(e.target);
    const std::uint32_t service = tables.service_table.lookup(e.key);
    if (target == kNoTarget || !tables.targets[target].usable || service == kNoService) {
      demote(e, tables, now_tsc);
      continue;
    }
    const double seconds = static_cast<double>(now_tsc - e.reported_tsc) / static_cast<double>(tsc_hz);
    if (seconds < 1) continue;
    if (!still_big(tables.services[service], static_cast<double>(e.packets - e.reported_packets),
                   static_cast<double>(e.bytes - e.reported_bytes), seconds)) {
      demote(e, tables, now_tsc);
      continue;
    }
    e.reported_tsc = now_tsc;
    e.reported_packets = e.packets;
    e.reported_bytes = e.bytes;
    report(e, Note::Kind::kAlive, tables, now_tsc);
  }
}

void ElephantDesk::forget_service(std::uint32_t service) {
  for (std::uint32_t i = 0; i < table.size();) {
    const Elephant e = table.at(i);
    if (e.service == service) {
      table.erase(e.key, e.hash);
    } else {
      ++i;
    }
  }
}

}  // namespace sluice
