// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The choice of group and DIP against the definition (A2): slot = hash(fields) mod N, with the hashes by
// their reference twins and the remainder by division. And what a burst promises.
#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "dataplane/stage/stages.h"
#include "tests/packet/bytes.h"
#include "tests/packet/world.h"
#include "tests/unit/table/seed.h"

namespace sluice::test {
namespace {

World choosing_world() {
  World w;
  const HashFields fields[] = {HashFields::kFiveTuple, HashFields::kThreeTuple, HashFields::kSource};
  for (unsigned i = 0; i < 3; ++i) {
    const std::string digit = std::to_string(i);
    w.service("203.0.113." + digit, kTcp, 80)
        .group({"10.1.0.1", "10.1.0.2", "10.1.0.3"})
        .group({"10.1.0.4"})
        .group({"10.1.0.5", "10.1.0.6"})
        .hash(fields[i]);
    w.service("2001:db8:cb::" + digit, kUdp, 53)
        .group({"10.2.0.1", "10.2.0.2"})
        .group({"10.2.0.3"})
        .hash(fields[i]);
    w.service("203.0.114." + digit, kUdp, 53).group({"10.3.0.1", "10.3.0.2", "10.3.0.3"}).hash(fields[i]);
  }
  return w;
}

FlowKey random_key(std::mt19937& random) {
  const auto number = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  FlowKey key;
  const std::string digit = std::to_string(number(3));
  switch (number(3)) {
    case 0:
      key.destination = *parse_address("203.0.113." + digit);
      break;
    case 1:
      key.destination = *parse_address("203.0.114." + digit);
      break;
    default:
      key.destination = *parse_address("2001:db8:cb::" + digit);
  }
  const bool tcp = to_string(key.destination).starts_with("203.0.113");
  key.protocol = tcp ? kTcp : kUdp;
  key.destination_port = Big16(tcp ? 80 : 53);
  key.source_port = Big16(static_cast<std::uint16_t>(number(65536)));
  if (key.is_v4()) {
    key.source = IpAddress::v4(Big32(0x0a000000 + number(1u << 24)));
  } else {
    key.source = *parse_address("2001:db8:c::");
    for (unsigned i = 8; i < 16; ++i) key.source.byte[i] = static_cast<std::uint8_t>(number(256));
  }
  return key;
}

// The bytes that RSS hashes, in their order on the wire.
std::uint32_t toeplitz_by_definition(const Snapshot& tables, const FlowKey& key, HashFields fields) {
  Bytes input;
  const auto add = [&](const IpAddress& a) {
    input.insert(input.end(), a.byte.begin() + (a.is_v4() ? 12 : 0), a.byte.end());
  };
  add(key.source);
  if (fields != HashFields::kSource) add(key.destination);
  if (fields == HashFields::kFiveTuple) {
    for (const Big16 port : {key.source_port, key.destination_port}) {
      input.push_back(static_cast<std::uint8_t>(port.value() >> 8));
      input.push_back(static_cast<std::uint8_t>(port.value()));
    }
  }
  return toeplitz::reference(tables.toeplitz.bytes(), input);
}

std::uint32_t target_by_definition(const Snapshot& tables, const FlowKey& key) {
  const Service& service = tables.services.at(tables.service_table.lookup(key));
  std::uint32_t group = 0;
  if (service.group_count > 1) {
    const std::uint32_t hash = toeplitz_by_definition(tables, key, service.hash_fields);
    group = service.groups.slots[hash % kSlots];
  }
  const Group& chosen = tables.groups.at(service.first_group + group);
  const keyed_hash::Burst one{&key, &service.hash_fields, 0, 1};
  std::uint64_t hash = 0;
  keyed_hash::burst_software(tables.slot_hash, one, &hash);
  return chosen.first_target + chosen.dips.slots[static_cast<std::uint32_t>(hash) % kSlots];
}

TEST(Choice, IsTheSlotByDefinition) {
  const auto tables = choosing_world().build();
  std::mt19937 random(random_seed());
  auto burst = std::make_unique<Burst>();
  rte_mbuf m{};
  m.nb_segs = 1;
  for (unsigned round = 0; round < 500; ++round) {
    const unsigned count = 1 + static_cast<unsigned>(random() % kBurstPackets);
    burst->begin(count);
    for (unsigned i = 0; i < count; ++i) {
      burst->packet[i] = &m;
      burst->layout[i] = {};
      burst->key[i] = random_key(random);
    }
    find_service(*burst, *tables);
    select_group(*burst, *tables, false);
    hash_flows(*burst, *tables);
    select_dip(*burst, *tables);
    ASSERT_EQ(burst->live, count == 64 ? ~0ull : (1ull << count) - 1);
    for (unsigned i = 0; i < count; ++i) {
      EXPECT_EQ(burst->target[i], target_by_definition(*tables, burst->key[i]));
    }
  }
}

TEST(Burst, StartsOverWithNothingOfTheOneBefore) {
  auto burst = std::make_unique<Burst>();
  for (std::uint64_t* mask : {&burst->dropped, &burst->punted, &burst->fragments, &burst->echoes,
                              &burst->unrelated, &burst->decided, &burst->chained, &burst->ready}) {
    *mask = ~0ull;
  }
  burst->begin(3);
  EXPECT_EQ(burst->live, 7u);
  for (const std::uint64_t mask : {burst->dropped, burst->punted, burst->fragments, burst->echoes,
                                   burst->unrelated, burst->decided, burst->chained, burst->ready}) {
    EXPECT_EQ(mask, 0u);
  }
  burst->begin(kBurstPackets);
  EXPECT_EQ(burst->live, ~0ull);
  EXPECT_EQ(burst->append(nullptr), kBurstPackets) << "no room";
}

TEST(Burst, HasEachPacketInOneState) {
  auto burst = std::make_unique<Burst>();
  burst->begin(5);
  burst->drop(0, DropReason::kTooBig);
  burst->punt(1);
  burst->finish(2, 0);
  burst->take_out(3);
  EXPECT_EQ(burst->dropped, 1u);
  EXPECT_EQ(burst->punted, 2u);
  EXPECT_EQ(burst->ready, 4u);
  EXPECT_EQ(burst->live, 16u);
}

}  // namespace
}  // namespace sluice::test
