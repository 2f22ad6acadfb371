// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Makes a packet up and sends it through the very stages that every packet goes through, so that the answer
// cannot lie; it counts on the side and never leaves.
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <cstring>

#include "dataplane/table/group_state.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/headers.h"
#include "dataplane/worker/worker.h"

namespace sluice {
namespace {

constexpr std::uint8_t kTtl = 64;
constexpr unsigned kTransportBytes = 32;  // enough for each transport's header

void write_transport(std::uint8_t* at, const ExplainRequest& request) {
  const FlowKey& key = request.key;
  std::memset(at, 0, kTransportBytes);
  switch (key.protocol) {
    case kProtoTcp: {
      auto* tcp = reinterpret_cast<TcpHeader*>(at);
      tcp->source = key.source_port;
      tcp->destination = key.destination_port;
      tcp->data_offset = 5 << 4;
      tcp->flags = request.opens_flow ? TcpHeader::kSyn : TcpHeader::kAck;
      break;
    }
    case kProtoUdp: {
      auto* udp = reinterpret_cast<UdpHeader*>(at);
      udp->source = key.source_port;
      udp->destination = key.destination_port;
      udp->length.set(kTransportBytes);
      break;
    }
    case kProtoSctp: {
      auto* sctp = reinterpret_cast<SctpHeader*>(at);
      sctp->source = key.source_port;
      sctp->destination = key.destination_port;
      at[sizeof(SctpHeader)] = request.opens_flow ? 1 : 0;  // chunk INIT or DATA
      break;
    }
    case kProtoIcmp:
    case kProtoIcmpv6:
      at[0] = key.is_v4() ? IcmpHeader::kEchoRequest : IcmpHeader::kV6EchoRequest;
      break;
    default:
      break;
  }
}

bool write_packet(rte_mbuf* m, const ExplainRequest& request) {
  const FlowKey& key = request.key;
  const bool v4 = key.is_v4();
  const unsigned ip_bytes = v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
  const unsigned all_bytes = sizeof(EthernetHeader) + ip_bytes + kTransportBytes;
  auto* frame = reinterpret_cast<std::uint8_t*>(rte_pktmbuf_append(m, static_cast<std::uint16_t>(all_bytes)));
  if (!frame) return false;
  std::memset(frame, 0, all_bytes);
  reinterpret_cast<EthernetHeader*>(frame)->type = Big16(v4 ? kEtherIpv4 : kEtherIpv6);
  std::uint8_t* at = frame + sizeof(EthernetHeader);
  if (v4) {
    auto* ip = reinterpret_cast<Ipv4Header*>(at);
    ip->version_ihl = 0x45;
    ip->total_length.set(static_cast<std::uint16_t>(ip_bytes + kTransportBytes));
    ip->ttl = kTtl;
    ip->protocol = key.protocol;
    ip->source = key.source.v4();
    ip->destination = key.destination.v4();
    ip->checksum = ipv4_checksum(*ip);
  } else {
    auto* ip = reinterpret_cast<Ipv6Header*>(at);
    ip->version_class_flow.set(6u << 28);
    ip->payload_length.set(kTransportBytes);
    ip->next_header = key.protocol;
    ip->hop_limit = kTtl;
    ip->source = key.source.byte;
    ip->destination = key.destination.byte;
  }
  write_transport(at + ip_bytes, request);
  return true;
}

}  // namespace

namespace {

// Which table decides about this packet, found by looking where the stages look.
void find_table(Explanation& answer, const Burst& burst, const Snapshot& tables, std::uint32_t now) {
  const Group& group = tables.groups[answer.group];
  answer.in_transition = group.in_transition();
  if (!group.state) return;
  const FlowKey key = only(burst.key[0], tables.services[answer.service].flow_key);
  const std::uint64_t hash = tables.slot_hash(key, tables.services[answer.service].flow_key);
  const Flow* flow = group.state->flows.peek(key, hash, now);
  // A new connection under the key of one that ends is a new flow.
  if (flow && burst.layout[0].is(Layout::kOpensFlow) && flow->state() == FlowState::kClosing) flow = nullptr;
  if (flow) {
    answer.known_flow = true;
    answer.flow = *flow;
    answer.now = now;
    answer.table =
        tables.services[answer.service].sticky ? Explanation::Table::kFlow : Explanation::Table::kTransition;
  } else if (group.in_transition()) {
    answer.table = Explanation::Table::kTransition;
  }
}

void conclude(Explanation& answer, const Burst& burst) {
  if (burst.live) {
    answer.end = Explanation::End::kForwarded;
    answer.egress = burst.egress[0];
  } else if (burst.punted) {
    answer.end = Explanation::End::kPunted;
  } else if (burst.ready) {
    answer.end = Explanation::End::kAnswered;
  } else {
    answer.drop_reason = static_cast<std::uint8_t>(burst.reason[0]);
  }
}

}  // namespace

// Tier 2, group after group as tier 1's maps name them, from the `looked`-th on. False: the next one's table
// is another worker's, who is to be asked.
bool Worker::look_through_groups(Explanation& answer, Burst& burst, const Snapshot& tables) noexcept {
  const FlowDesk desk{now_tsc_, true, settings_.index, counters_, elephants_};
  for (;; ++answer.looked) {
    answer.group = burst.group[0];
    const Group& group = tables.groups[answer.group];
    answer.owner = static_cast<std::uint8_t>(keeper_of(group, tables, settings_.index));
    answer.elsewhere = group.state && answer.owner != settings_.index;
    if (answer.elsewhere) return false;
    find_table(answer, burst, tables, elephants_.flow_clock(now_tsc_));
    const std::uint64_t looking = follow_flows(burst, tables, desk);
    if (looking == 0) return true;
    next_group(burst, tables, looking);
  }
}

// Tier 1's own knowledge of big flows goes before all groups.
bool Worker::look_for_elephant(Explanation& answer, Burst& burst, const Snapshot& tables) noexcept {
  const std::uint64_t hash = tables.slot_hash(burst.key[0], HashFields::kFiveTuple);
  const Elephant* elephant = elephants_.table.find(burst.key[0], hash);
  if (!elephant || !elephant->active || tables.find_target(elephant->target) == kNoTarget) return false;
  answer.table = Explanation::Table::kElephant;
  burst.target[0] = tables.find_target(elephant->target);
  burst.decided = 1;
  return true;
}

void Worker::answer_to(ExplainRequest& request, const Snapshot& tables) noexcept {
  Explanation& answer = request.answer;
  answer = {};
  answer.generation = tables.generation;
  answer.drop_reason = static_cast<std::uint8_t>(DropReason::kNoBuffer);
  rte_mbuf* m = rte_pktmbuf_alloc(settings_.pool);
  if (!m) return;
  m->port = 0;
  if (write_packet(m, request)) explain(request, *m, tables);
  rte_pktmbuf_free(m);
}

void Worker::explain(ExplainRequest& request, rte_mbuf& packet, const Snapshot& tables) noexcept {
  Explanation& answer = request.answer;
  Burst& burst = burst_;  // between two bursts it is free
  burst.packet[0] = &packet;
  burst.begin(1);
  TokenBucket answers(1, 1, rte_get_tsc_hz());
  parse(burst);
  match_service(burst, tables, scratch_, answers);
  read_control(burst, tables);
  answer.matched = burst.live != 0;
  if (answer.matched) {
    answer.service = burst.service[0];
    answer.hash = tables.toeplitz.hash(burst.key[0], tables.services[answer.service].hash_fields);
  }
  select_group(burst, tables, false);
  answer.grouped = burst.live != 0;
  hash_flows(burst, tables);
  if (answer.grouped) {
    const Service& service = tables.services[answer.service];
    answer.group = burst.group[0];
    answer.slot_hash = burst.slot_hash[0];
    answer.slot = tables.groups[answer.group].dips.slot(static_cast<std::uint32_t>(answer.slot_hash));
    if (service.group_count > 1) answer.group_slot = service.groups.slot(answer.hash);
    for (; answer.looked < request.looked; ++answer.looked) next_group(burst, tables, 1);
    if (!look_for_elephant(answer, burst, tables) && !look_through_groups(answer, burst, tables)) return;
  }
  select_dip(burst, tables);
  answer.chosen = burst.live != 0;
  if (answer.chosen) answer.target = burst.target[0];
  static_cast<void>(next_hop(burst, tables, scratch_));  // too small to be split
  encapsulate(burst, tables, scratch_);
  conclude(answer, burst);
}

}  // namespace sluice
