// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/maps/policy.h"

#include <algorithm>

#include "dataplane/table/flow.h"
#include "dataplane/wire/session_message.h"

namespace sluice::maps {
namespace {

FlowStart flow_start(config::FlowStart start) {
  switch (start) {
    case config::FlowStart::kHandshake:
      break;
    case config::FlowStart::kGtpC:
      return FlowStart::kGtpC;
    case config::FlowStart::kRadius:
      return FlowStart::kRadius;
    case config::FlowStart::kDhcp:
      return FlowStart::kDhcp;
  }
  return FlowStart::kHandshake;
}

// Where the protocol's messages come to when the service takes every port.
std::uint16_t control_port(config::FlowStart start) {
  switch (start) {
    case config::FlowStart::kHandshake:
      break;
    case config::FlowStart::kGtpC:
      return kPortGtpC;
    case config::FlowStart::kRadius:
      return kPortRadiusAccounting;
    case config::FlowStart::kDhcp:
      return kPortDhcp;
  }
  return 0;
}

}  // namespace

void set_policy(Service& out, const config::Service& service) {
  out.hash_fields = service.hash_fields;
  out.protocol = static_cast<std::uint8_t>(service.protocol);
  out.sticky = service.stickiness == config::Stickiness::kFlow;
  out.type1 = service.flow_types != config::FlowTypes::kType2;
  out.type2 = service.flow_types != config::FlowTypes::kType1;
  out.reset_at_deadline = service.transition.at_deadline == config::AtDeadline::kReset;
  out.unknown_flow = service.unknown_flow == config::UnknownFlow::kDrop    ? UnknownFlow::kDrop
                     : service.unknown_flow == config::UnknownFlow::kReset ? UnknownFlow::kReset
                                                                           : UnknownFlow::kMap;
  out.flow_key = service.flow_key;
  out.flow_start = flow_start(service.flow_start);
  out.control_port.set(service.port ? service.port : control_port(service.flow_start));
  // Elephants are 5-tuples: the table that promotes one must know it as such.
  if (!out.sticky || out.flow_key != HashFields::kFiveTuple) return;
  out.elephant_window_bytes = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(service.elephant.bytes_per_s / Flow::kWindowsPerSecond, ~0u));
  // The table counts to 65,535 packets a window.
  out.elephant_window_packets = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(service.elephant.packets_per_s / Flow::kWindowsPerSecond, 65'535));
}

}  // namespace sluice::maps
