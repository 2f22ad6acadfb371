// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What an attacker gains who wants his flows in one place and does not know the key: flows that would collide
// under hashes that everybody knows, and flows in a row, are put through tier 1's hash, tier 2's and the flow
// table's index, under several keys. One JSON line each: how full the fullest place is, in units of the mean,
// and the same for flows at random. scripts/test --floods reads them.
#include <rte_hash_crc.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "dataplane/table/flow_index.h"
#include "dataplane/wire/fast_mod.h"
#include "dataplane/wire/keyed_hash.h"
#include "dataplane/wire/toeplitz.h"

namespace sluice {
namespace {

constexpr unsigned kFlows = 40'000, kKeys = 5;
constexpr std::uint32_t kSlots = 1021;  // few, so that each has enough flows to compare
constexpr std::uint32_t kKnownPlaces = 512;

using Flows = std::vector<FlowKey>;
using Random = std::mt19937_64;

FlowKey flow(std::uint32_t source, std::uint16_t port) {
  FlowKey key;
  key.source = IpAddress::v4(Big32(source));
  key.destination = IpAddress::v4(Big32(0xcb00710a));
  key.source_port = Big16(port);
  key.destination_port = Big16(80);
  key.protocol = kProtoTcp;
  return key;
}

FlowKey any_flow(Random& random) {
  const std::uint64_t bits = random();
  return flow(static_cast<std::uint32_t>(bits >> 16) | 0x01000000u, static_cast<std::uint16_t>(bits));
}

Flows at_random() {
  Random random(1);
  Flows flows;
  while (flows.size() < kFlows) flows.push_back(any_flow(random));
  return flows;
}

Flows in_a_row(std::uint32_t sources, std::uint32_t step) {
  Flows flows;
  for (unsigned n = 0; n < kFlows; ++n)
    flows.push_back(flow(0x0a000001u + n % sources * step, static_cast<std::uint16_t>(1024 + n / sources)));
  return flows;
}

// All in one of kKnownPlaces places of a hash that needs no secret.
template <typename Hash>
Flows colliding(Hash hash) {
  Random random(2);
  Flows flows;
  while (flows.size() < kFlows) {
    const FlowKey key = any_flow(random);
    if (hash(key) % kKnownPlaces == 7) flows.push_back(key);
  }
  return flows;
}

// The key that network cards come with (Microsoft, "Verifying the RSS hash calculation").
constexpr std::array<std::uint8_t, 40> kUsualKey = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

double fullest(const std::vector<unsigned>& places) {
  const unsigned most = *std::ranges::max_element(places);
  return most * static_cast<double>(places.size()) / kFlows;
}

struct Figures {
  double tier1 = 0, tier2 = 0, buckets = 0;
  unsigned without_room = 0;
};

// The worst of all keys.
Figures measure(const Flows& flows) {
  Figures worst;
  Random random(3);
  for (unsigned k = 0; k < kKeys; ++k) {
    std::array<std::uint8_t, 40> bytes;
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    const ToeplitzKey toeplitz(bytes);
    const KeyedHash keyed(derive_secret(bytes, "tier-2 slots"));
    const FastMod slot(kSlots);
    FlowIndex index(kFlows);
    std::vector<unsigned> tier1(kSlots), tier2(kSlots), buckets(index.buckets());
    unsigned without_room = 0;
    for (std::uint32_t n = 0; n < flows.size(); ++n) {
      const std::uint64_t hash = keyed(flows[n], HashFields::kFiveTuple);
      ++tier1[slot(toeplitz.hash(flows[n], HashFields::kFiveTuple))];
      ++tier2[slot(static_cast<std::uint32_t>(hash))];
      ++buckets[index.spot(hash).first];
      without_room += !index.add(index.spot(hash), n).done;
    }
    worst.tier1 = std::max(worst.tier1, fullest(tier1));
    worst.tier2 = std::max(worst.tier2, fullest(tier2));
    worst.buckets = std::max(worst.buckets, fullest(buckets));
    worst.without_room += without_room;
  }
  return worst;
}

void show(const std::string& attack, const Figures& f) {
  std::printf(
      "{\"attack\": \"%s\", \"tier1\": %.2f, \"tier2\": %.2f, \"buckets\": %.2f, \"without_room\": %u}\n",
      attack.c_str(), f.tier1, f.tier2, f.buckets, f.without_room);
}

void run() {
  const ToeplitzKey usual(kUsualKey);
  show("at random", measure(at_random()));
  show("one source, ports in a row", measure(in_a_row(1, 1)));
  show("sources in a row, one port", measure(in_a_row(kFlows, 1)));
  show("a source of each /24", measure(in_a_row(kFlows, 256)));
  show("colliding under the usual RSS key", measure(colliding([&](const FlowKey& key) {
         return FastMod(65537)(usual.hash(key, HashFields::kFiveTuple));
       })));
  show("colliding under CRC-32C",
       measure(colliding([](const FlowKey& key) { return rte_hash_crc(&key, sizeof key, 0); })));
}

}  // namespace
}  // namespace sluice

int main() {
  sluice::run();
  return 0;
}
