// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What the owner of a group keeps from packet to packet: its flow table and the place of its wheel. Made and
// freed by control, touched by the owning worker alone. A group whose map alone decides has none; a stateless
// service's group has one while a transition is under way (table S of A7).
#pragma once

#include <cstdint>

#include "dataplane/table/flow_table.h"

namespace sluice {

struct GroupState {
  GroupState(const FlowTable::Limits& limits, FlowObserver observer) : flows(limits, observer) {}

  FlowTable flows;
  std::uint64_t turn = 0;    // how many flows the wheel has placed
  std::uint64_t random = 1;  // state of the random schedulers
};

}  // namespace sluice
