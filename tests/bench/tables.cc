// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "dataplane/table/service_table.h"
#include "dataplane/wire/headers.h"
#include "tests/bench/measure.h"
#include "tests/bench/parts.h"

namespace sluice::bench {
namespace {

constexpr unsigned kBurst = 64;
constexpr unsigned kSlower = 10;  // so many times fewer rounds

// Keys of random clients to random services of the first `services`, in whole bursts.
std::vector<FlowKey> make_keys(const WorldShape& shape, unsigned services, unsigned count) {
  std::mt19937 random(shape.seed);
  std::vector<FlowKey> keys(count / kBurst * kBurst);
  for (FlowKey& key : keys) {
    key.source = service_vip(shape.v6, random());
    key.destination = service_vip(shape.v6, random() % services);
    key.source_port.set(static_cast<std::uint16_t>(random()));
    key.destination_port.set(kServicePort);
    key.protocol = kProtoTcp;
  }
  return keys;
}

template <typename Work>
double ns_per_key(const std::vector<FlowKey>& keys, unsigned rounds, Work&& work) {
  const std::size_t bursts = keys.size() / kBurst;
  return ns_per_item(rounds, kBurst, [&](unsigned round) { work(&keys[round % bursts * kBurst]); });
}

nlohmann::json measure_hashes(const WorldShape& shape) {
  const std::vector<FlowKey> keys = make_keys(shape, 1, shape.flows);
  const ToeplitzKey toeplitz = make_toeplitz_key(shape.seed);
  const KeyedHash keyed = make_keyed_hash(shape.seed);
  std::uint32_t short_hash[kBurst];
  std::uint64_t long_hash[kBurst];
  nlohmann::json out;
  out["toeplitz burst"] = ns_per_key(keys, shape.rounds, [&](const FlowKey* burst) {
    hash_burst(toeplitz, burst, HashFields::kFiveTuple, ~0ull, short_hash);
    keep(short_hash);
  });
  out["toeplitz scalar twin"] =
      ns_per_key(keys, std::max(1u, shape.rounds / kSlower), [&](const FlowKey* burst) {
        for (unsigned i = 0; i < kBurst; ++i)
          short_hash[i] = toeplitz::scalar(toeplitz, burst[i], toeplitz::kTakePorts);
        keep(short_hash);
      });
  out["keyed hash burst"] = ns_per_key(keys, shape.rounds, [&](const FlowKey* burst) {
    hash_burst(keyed, burst, HashFields::kFiveTuple, ~0ull, long_hash);
    keep(long_hash);
  });
  const HashFields fields = HashFields::kFiveTuple;
  out["keyed hash portable twin"] =
      ns_per_key(keys, std::max(1u, shape.rounds / kSlower), [&](const FlowKey* burst) {
        keyed_hash::burst_software(keyed, {burst, &fields, 0, ~0ull}, long_hash);
        keep(long_hash);
      });
  return out;
}

double measure_lookup(const WorldShape& shape, unsigned services) {
  std::vector<ServiceTable::Entry> entries;
  for (std::uint32_t i = 0; i < services; ++i) {
    entries.push_back({Prefix::host(service_vip(shape.v6, i)), kProtoTcp, kServicePort, i});
  }
  const ServiceTable table(entries);
  const std::vector<FlowKey> keys = make_keys(shape, services, shape.flows);
  std::uint32_t found[kBurst];
  const double ns = ns_per_key(keys, shape.rounds, [&](const FlowKey* burst) {
    table.lookup(burst, ~0ull, found);
    keep(found);
  });
  for (const std::uint32_t service : found) {
    if (service == kNoService) throw std::runtime_error("a service was not found");
  }
  return ns;
}

}  // namespace

nlohmann::json measure_tables(const WorldShape& shape) {
  nlohmann::json out = measure_hashes(shape);
  for (const unsigned services : {1u, 100u, 10'000u}) {
    out["service lookup, " + std::to_string(services)] = measure_lookup(shape, services);
  }
  return out;
}

}  // namespace sluice::bench
