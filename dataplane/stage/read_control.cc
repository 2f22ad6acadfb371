// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <rte_mbuf.h>

#include "dataplane/stage/stages.h"
#include "dataplane/wire/headers.h"
#include "dataplane/wire/reader.h"
#include "dataplane/wire/session_message.h"

namespace sluice {
namespace {

// A whole datagram to the port of the service's control protocol. A first fragment is none: what follows it
// could not be read, and all of a datagram belongs together.
bool is_control(const Burst& burst, unsigned i, const Service& service) {
  const FlowKey& key = burst.key[i];
  constexpr std::uint8_t kOther = Layout::kFragment | Layout::kIcmpError;
  return key.protocol == kProtoUdp && key.destination_port == service.control_port &&
         !(burst.layout[i].flags & kOther);
}

// parse has found the UDP length to lie inside the packet.
Reader payload_of(const Burst& burst, unsigned i) {
  const auto* udp = burst.at<UdpHeader>(i, burst.layout[i].l4);
  return {reinterpret_cast<const std::uint8_t*>(udp + 1), udp->length.value() - sizeof(UdpHeader)};
}

SessionMessage read_message(const Burst& burst, unsigned i, const Service& service) {
  const Reader payload = payload_of(burst, i);
  switch (service.flow_start) {
    case FlowStart::kHandshake:
      break;
    case FlowStart::kGtpC:
      return read_gtp_c(payload);
    case FlowStart::kRadius:
      return read_radius(payload, burst.layout[i].is(Layout::kV6));
    case FlowStart::kDhcp:
      return read_dhcp(payload);
  }
  return {};
}

void read_one(Burst& burst, unsigned i, const Service& service) {
  std::uint8_t& flags = burst.layout[i].flags;
  FlowKey& key = burst.key[i];
  // The end of one connection is not that of a flow that holds others.
  if (service.flow_key != HashFields::kFiveTuple) flags &= static_cast<std::uint8_t>(~Layout::kCloses);
  if (service.has_subscribers()) {
    flags &= static_cast<std::uint8_t>(~Layout::kOpensFlow);
    key.source = subscriber_of(key.source);
  }
  if (service.flow_start == FlowStart::kHandshake || !is_control(burst, i, service)) return;
  const SessionMessage message = read_message(burst, i, service);
  if (message.opens) flags |= Layout::kOpensFlow;
  if (message.closes) flags |= Layout::kCloses;
  if (message.subscriber) key.source = *message.subscriber;
}

}  // namespace

void read_control(Burst& burst, const Snapshot& tables) noexcept {
  if (!tables.has_special_services) [[likely]]
    return;
  for_each(burst.live, [&](unsigned i) {
    const Service& service = tables.services[burst.service[i]];
    if (service.is_special()) read_one(burst, i, service);
  });
}

}  // namespace sluice
