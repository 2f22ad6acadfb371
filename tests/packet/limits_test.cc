// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Full queues, spent rates and missing buffers: what is lost is lost by name, and the rest goes on.
#include <gtest/gtest.h>
#include <rte_cycles.h>
#include <rte_mempool.h>

#include <bit>
#include <cstring>

#include "dataplane/stage/stages.h"
#include "tests/packet/fixture.h"

namespace sluice::test {
namespace {

Packet syn(unsigned port) {
  return packet().ipv4(kClient, kWeb).tcp(port, 80).syn();
}
Packet ping() {
  return packet().ipv4(kClient, kWeb).echo(1, 1).payload(std::size_t{8});
}
Packet arp() {
  return packet().ether_type(0x0806).payload(std::size_t{28});
}

TEST(Limits, APortThatIsFullTakesNoMore) {
  Sluice sluice(town());
  sluice.let_port_fill_up(0, 5);
  for (unsigned i = 0; i < 12; ++i) sluice.receive(syn(1000 + i));
  Outcome out = sluice.turn();
  EXPECT_EQ(out.sent.size(), 5u);
  EXPECT_EQ(out.drops(DropReason::kTxFull), 7u);
  sluice.receive(syn(1));
  EXPECT_EQ(sluice.turn().sent.size(), 1u) << "the port is empty again";
}

TEST(Limits, APortThatIsFullDoesNotHarmAnother) {
  World w = town();
  w.way("10.1.0.20/32", {.port = 1}).way("10.1.0.21/32", {.port = 1});
  Sluice sluice(w, {.ports = 2});
  sluice.let_port_fill_up(0, 0);
  for (unsigned i = 0; i < 10; ++i) sluice.receive(syn(1000 + i));
  for (unsigned i = 0; i < 10; ++i) sluice.receive(packet().ipv4(kClient, kAnyPortVip).tcp(1000 + i, 22));
  const Outcome out = sluice.turn();
  EXPECT_EQ(out.sent.size(), 10u);
  EXPECT_EQ(out.drops(DropReason::kTxFull), 10u);
  for (const Sent& sent : out.sent) EXPECT_EQ(sent.port, 1u);
}

TEST(Limits, PingsBeyondTheRateAreDroppedByName) {
  Sluice sluice(town());
  Outcome out;
  std::uint64_t answered = 0, dropped = 0;
  for (unsigned i = 0; i < 15; ++i) {
    sluice.receive(std::vector<Bytes>(100, ping()));
    out = sluice.turn();
    answered += out.sent.size();
    dropped += out.drops(DropReason::kAnswerRate);
  }
  EXPECT_EQ(answered, 1000u);
  EXPECT_EQ(dropped, 500u);
  sluice.receive(syn(7));
  EXPECT_EQ(sluice.turn().sent.size(), 1u) << "a flood of pings harms no flow";
  sluice.pass_ms(10);
  sluice.turn();
  sluice.receive(std::vector<Bytes>(150, ping()));
  EXPECT_EQ(sluice.turn().sent.size(), 100u) << "10,000 a second";
}

TEST(Limits, ErrorsBeyondTheRateAreNotSent) {
  Sluice sluice(town());
  std::uint64_t told = 0, expired = 0;
  for (unsigned i = 0; i < 15; ++i) {
    sluice.receive(std::vector<Bytes>(100, syn(1).ttl(1)));
    const Outcome out = sluice.turn();
    told += out.sent.size();
    expired += out.drops(DropReason::kTtlExpired);
  }
  EXPECT_EQ(told, 1000u);
  EXPECT_EQ(expired, 1500u);
}

TEST(Limits, AnErrorWithoutABufferIsNotSent) {
  Sluice sluice(town());
  sluice.receive(syn(1).ttl(1));
  sluice.let_buffers_run_out(0);
  const Outcome out = sluice.turn();
  EXPECT_TRUE(out.sent.empty());
  EXPECT_EQ(out.created, 0u);
  EXPECT_EQ(out.drops(DropReason::kTtlExpired), 1u);
}

TEST(Limits, PacketsToTheKernelBeyondTheRateAreDroppedByName) {
  Sluice sluice(town(), {.kernel_rate_pps = 1000, .kernel_burst = 10});
  sluice.receive(std::vector<Bytes>(30, arp()));
  Outcome out = sluice.turn();
  EXPECT_EQ(out.punted.size(), 10u);
  EXPECT_EQ(out.drops(DropReason::kKernelRate), 20u);
  sluice.pass_ms(5);
  sluice.receive(std::vector<Bytes>(30, arp()));
  out = sluice.turn();
  EXPECT_EQ(out.punted.size(), 5u);
  EXPECT_EQ(out.drops(DropReason::kKernelRate), 25u);
}

// Who asks whom by ARP: 28 bytes with the sender's address at 14.
Packet arp_of(std::string_view sender) {
  Bytes body(28);
  const Bytes address = address_bytes(sender);
  std::copy(address.begin(), address.end(), body.begin() + 14);
  return packet().to_mac("ff:ff:ff:ff:ff:ff").ether_type(0x0806).payload(body);
}

std::uint64_t punted(Sluice& sluice, const Bytes& frame, unsigned count) {
  sluice.receive(std::vector<Bytes>(count, frame));
  return sluice.turn().punted.size();
}

TEST(Limits, AStormOfQuestionsLeavesTheWayToTheKernelOpen) {
  World w = town();
  w.known_host("10.0.0.1").known_host("10.1.0.11").own_subnet("10.0.0.0/24");
  Sluice sluice(w, {.kernel_rate_pps = 1000, .kernel_burst = 40});
  EXPECT_EQ(punted(sluice, arp_of("10.0.0.99"), 30), 4u) << "a tenth for questions to all";
  EXPECT_EQ(punted(sluice,
                   packet().ipv6("fe80::9", "ff02::1:ff00:10").to_mac("33:33:ff:00:00:10").icmp(135, 0), 30),
            0u);
  EXPECT_EQ(punted(sluice, packet().ipv4(kClient, kMuxV4).udp(1, 2), 30), 10u) << "a quarter for strangers";
  EXPECT_EQ(punted(sluice, arp_of("10.0.0.1"), 10), 10u) << "the gateway asks";
  EXPECT_EQ(punted(sluice, packet().ipv4("10.0.0.7", kMuxV4).tcp(1, 179), 10), 10u) << "a neighbour's BGP";
  EXPECT_EQ(punted(sluice, packet().ipv4("10.1.0.11", kMuxV4).tcp(80, 9), 10), 10u)
      << "a DIP answers a probe";
  EXPECT_EQ(punted(sluice, packet().vlan(7).ipv4("10.0.0.1", kMuxV4).tcp(1, 179), 10), 10u) << "with a tag";
  EXPECT_EQ(punted(sluice, arp_of("10.0.0.1"), 10), 0u) << "the known have a limit too";
}

TEST(Limits, PacketsBeyondTheQueueToTheKernelAreDroppedByName) {
  Sluice sluice(town(), {.kernel_queue = 8});
  sluice.receive(std::vector<Bytes>(20, arp()));
  const Outcome out = sluice.turn();
  EXPECT_EQ(out.punted.size(), 8u);
  EXPECT_EQ(out.drops(DropReason::kKernelQueueFull), 12u);
}

TEST(Limits, ABurstOfEverythingComesApartRightly) {
  Sluice sluice(town());
  for (unsigned i = 0; i < 16; ++i) {
    sluice.receive({syn(1000 + i), ping(), arp(), syn(i).ttl(1)});
  }
  for (unsigned i = 0; i < 16; ++i) {
    sluice.receive({packet().ipv4(kClient, kDns).udp(i, 53).payload(std::size_t{1460}),
                    syn(9).ip_checksum_wrong(), packet().ipv4(kClient, kMuxV4).tcp(i, 179),
                    packet().ipv4(kClient, kDeadVip).tcp(i, 80)});
  }
  const Outcome out = sluice.turn();
  EXPECT_EQ(out.rx, 128u);
  EXPECT_EQ(out.created, 32u);  // 16 errors, 16 second pieces
  EXPECT_EQ(out.sent.size(), 16u + 16 + 16 + 32);
  EXPECT_EQ(out.punted.size(), 32u);
  EXPECT_EQ(out.drops(DropReason::kTtlExpired), 16u);
  EXPECT_EQ(out.drops(DropReason::kBadIpChecksum), 16u);
  EXPECT_EQ(out.drops(DropReason::kNoLiveDip), 16u);
}

TEST(Limits, CountersOfServicesAndDipsCountWhatWasForwarded) {
  const World world = town();
  Sluice sluice(world);
  for (unsigned i = 0; i < 100; ++i) sluice.receive(syn(1000 + i));
  const Outcome out = sluice.turn();
  ASSERT_EQ(out.service.size(), 1u);
  EXPECT_EQ(out.service.begin()->second, 100u);
  std::map<std::string, std::uint64_t> sent;
  for (const Sent& s : out.sent) ++sent[dip_of(s)];
  const std::vector<std::string> dips = world.all_dips();
  std::map<std::string, std::uint64_t> counted;
  for (const auto& [target, packets] : out.target) counted[dips.at(target)] += packets;
  EXPECT_EQ(counted, sent);
}

TEST(Limits, ARingToTheOtherWorkerThatIsFullTakesNoMore) {
  constexpr unsigned kBuffers = 127, kRoom = 2, kPackets = 5;
  rte_mempool* pool = rte_pktmbuf_pool_create("handed", kBuffers, 0, kHandOverBytes,
                                              RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  ASSERT_NE(pool, nullptr);
  World w;
  w.service(kWeb, kTcp, 80).group({"10.1.0.11"}).remembers_flows();
  const auto tables = w.build();
  tables->groups[0].owner = 1;
  const auto counters = std::make_unique<WorkerCounters>();
  {
    HandOverRing ring("full");
    rte_mbuf* filler = rte_pktmbuf_alloc(pool);
    while (ring.room() > kRoom) {
      rte_pktmbuf_refcnt_update(filler, 1);
      ring.put(&filler, 1);
    }
    rte_pktmbuf_free(filler);
    const auto burst = std::make_unique<Burst>();
    for (unsigned i = 0; i < kPackets; ++i) {
      const Bytes frame = syn(1000 + i);
      rte_mbuf* m = rte_pktmbuf_alloc(pool);
      std::memcpy(rte_pktmbuf_append(m, static_cast<std::uint16_t>(frame.size())), frame.data(),
                  frame.size());
      m->port = 0;
      burst->packet[i] = m;
    }
    burst->begin(kPackets);
    TokenBucket answers(1, 1, rte_get_tsc_hz());
    HandOverRing* const rings[] = {nullptr, &ring};
    parse(*burst);
    match_service(*burst, *tables, *counters, answers);
    select_group(*burst, *tables, false);
    hand_over(*burst, *tables, 0, rings);
    EXPECT_EQ(ring.room(), 0u);
    EXPECT_EQ(burst->live, 0u);
    ASSERT_EQ(std::popcount(burst->dropped), static_cast<int>(kPackets - kRoom));
    for_each(burst->dropped, [&](unsigned i) {
      EXPECT_EQ(burst->reason[i], DropReason::kHandoverFull);
      saw(burst->reason[i]);
    });
    release(*burst, *counters);
    EXPECT_EQ(ring.sent() - ring.done(), HandOverRing::kDepth - 1);
  }
  EXPECT_EQ(rte_mempool_avail_count(pool), kBuffers) << "what was in the ring is freed with it";
  rte_mempool_free(pool);
}

}  // namespace
}  // namespace sluice::test
