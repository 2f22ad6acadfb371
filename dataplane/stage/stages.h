// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A packet's way through Sluice: each stage is one function over a burst, in one file of its name. They run
// in the order of this page; the worker's loop calls them so and does nothing else.
//
//   tier 1: receive -> parse -> join_fragments -> match_service -> read_control -> find_elephants ->
//           select_group -> hand_over
//   tier 2: take_over -> hash_flows -> follow_flows -> select_dip -> next_hop -> split -> encapsulate ->
//           transmit
//   beside: answer, punt, release
//   probes of control: parse -> find_probes -> find_service -> hash_flows -> next_hop -> split ->
//           encapsulate -> transmit
//
// No stage blocks, allocates from the heap, throws, logs, or makes a system call. Worker threads only, but
// for `explain`, which runs them on a burst of its own.
#pragma once

#include <cstdint>

#include "dataplane/door/counters.h"
#include "dataplane/door/hand_over.h"
#include "dataplane/door/probe_ports.h"
#include "dataplane/stage/burst.h"
#include "dataplane/stage/elephant_desk.h"
#include "dataplane/stage/kernel_rates.h"
#include "dataplane/stage/token_bucket.h"
#include "dataplane/table/fragment_table.h"
#include "dataplane/table/snapshot.h"

struct rte_ring;

namespace sluice {

// One port as one worker sees it.
struct PortLane {
  std::uint16_t dpdk_port = 0;
  std::uint16_t tx_queue = 0;
  bool owns_queue = false;  // else what leaves goes through the outbox
  rte_ring* outbox =
      nullptr;  // finished frames for the worker that owns queue 0: from the kernel, from others
  rte_ring* to_kernel = nullptr;  // single consumer: the thread of the kernel path; null = no exception path
  KernelRates kernel_rates;
};

// Reads the frame. Writes layout and key. Punts what is not IP or is multicast; drops what is malformed:
// every length is checked against the frame, and no port is read behind what is not a first fragment.
void parse(Burst& burst) noexcept;

// Reads layout, key. Gives later fragments the ports of their datagram's first one; holds those that came
// before it (the table keeps them). Only datagrams to VIPs are looked at.
void join_fragments(Burst& burst, const Snapshot& tables, FragmentTable& fragments, std::uint64_t now_tsc,
                    WorkerCounters& counters) noexcept;

// Reads layout, key. Writes service. Answers echo requests to a VIP in place (ready); punts what is for the
// MUX's own addresses; drops what no service wants.
void match_service(Burst& burst, const Snapshot& tables, WorkerCounters& counters,
                   TokenBucket& answer_rate) noexcept;

// Reads layout, key, service. For services whose flows are not 5-tuples that begin by a handshake: writes the
// flags kOpensFlow and kCloses of layout, by what RADIUS, DHCP or GTP-C messages say, and key.source where
// that is a subscriber's. From here on key.source is whose flow it is, not who sent the packet.
void read_control(Burst& burst, const Snapshot& tables) noexcept;

// Reads key, service. Writes target and decided for flows that tier 1 itself knows (B11): they skip tier 2.
// An entry that must end (the flow closes or opens anew, its DIP is no longer usable) is taken out, and a
// note for its owner goes to `notes`.
void find_elephants(Burst& burst, const Snapshot& tables, ElephantDesk& desk, std::uint64_t now_tsc) noexcept;

// Reads key, service. Writes group, and hash where a service has more than one group. Tier 1: no state (B1).
// `rss_trusted`: the packets' RSS values were found equal to the software hash on this port.
void select_group(Burst& burst, const Snapshot& tables, bool rss_trusted) noexcept;

// Reads group, live, decided. Packets whose group keeps its state on another worker leave for it, with what
// was found out (HandOver); a full ring drops them. `rings`: by worker, null for `self`.
void hand_over(Burst& burst, const Snapshot& tables, unsigned self, HandOverRing* const* rings) noexcept;

// Tier 2's way in: writes key, layout, service, group, hash from the notes beside the packets.
void take_over(Burst& burst, const Snapshot& tables) noexcept;
// Part of take_over: writes service for live packets, without counting them a second time.
void find_service(Burst& burst, const Snapshot& tables) noexcept;

// Reads key, service. Writes slot_hash.
void hash_flows(Burst& burst, const Snapshot& tables) noexcept;

// Reads layout, key, group, slot_hash. Writes target and decided for packets of groups with state: known
// flows stay where they are, new ones are placed by the scheduler and remembered, unknown ones follow the
// service's policy (A7, B2 to B6). In a dry run nothing is remembered, touched or counted.
struct FlowDesk {
  std::uint64_t now_tsc = 0;
  bool dry = false;
  unsigned tier1 = 0;  // the worker that received these packets
  WorkerCounters& counters;
  ElephantDesk& elephants;
};
// Returns the packets that look for their flow in another group: give them to next_group, and ask again.
[[nodiscard]] std::uint64_t follow_flows(Burst& burst, const Snapshot& tables, const FlowDesk& desk) noexcept;
// Writes group, chained, chain: the next group in question, in the end the newest map's.
void next_group(Burst& burst, const Snapshot& tables, std::uint64_t looking) noexcept;

// Reads group, slot_hash of packets that are not decided. Writes target, by the map alone. Drops when the
// group has no DIP that is up.
void select_dip(Burst& burst, const Snapshot& tables) noexcept;

// Reads layout, target. Writes egress. Drops packets whose TTL runs out, those that cannot be made to fit the
// path to the DIP, and those whose next hop is not resolved; returns the mask of live IPv4 packets that must
// be split.
[[nodiscard]] std::uint64_t next_hop(Burst& burst, const Snapshot& tables,
                                     const WorkerCounters& counters) noexcept;

// Splits the packets of `oversized` (RFC 791); what follows a first piece is appended to `further`, ready for
// encapsulate, and counted as created.
void split(Burst& burst, std::uint64_t oversized, Burst& further, const Snapshot& tables,
           WorkerCounters& counters) noexcept;

// Reads layout, key, slot_hash, target. Decrements the TTL and puts the outer header in front (RFC 2003,
// 2473, 4213, 6040; GUE variant 1), and the next hop's Ethernet header. Counts per DIP.
void encapsulate(Burst& burst, const Snapshot& tables, WorkerCounters& counters) noexcept;

// Reads dropped, reason. For packets dropped as too big or out of TTL, appends an ICMP error to the client to
// `further`, ready to leave, and counts it as created (RFC 792, 1191, 4443, 8201; rate limited).
void answer(const Burst& burst, Burst& further, const Snapshot& tables, TokenBucket& answer_rate,
            WorkerCounters& counters) noexcept;

// Of frames that the kernel sent from a port of the reserved range: reads layout, key. Writes target of
// probes that control sends through the data path (A9), and counts them; a probe for a DIP that is gone is
// dropped. What is no probe is ready, to leave as it is.
void find_probes(Burst& burst, const Snapshot& tables, const ProbePorts& ports,
                 WorkerCounters& counters) noexcept;

// Sends live and ready packets by their egress ports; what a port does not take is dropped as tx-full.
void transmit(Burst& burst, PortLane* lanes, unsigned lane_count, WorkerCounters& counters) noexcept;

// Hands punted packets to the kernel path of the port they came in by, bounded, and rate limited by who
// sends.
void punt(Burst& burst, const Snapshot& tables, PortLane* lanes, std::uint64_t now_tsc) noexcept;

// Counts and frees what was dropped. The end of every burst: afterwards it holds nothing.
void release(Burst& burst, WorkerCounters& counters) noexcept;

}  // namespace sluice
