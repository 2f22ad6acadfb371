// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// sluice-bench-flows: the flow table beside rte_hash, with the same keys in the same order, in one process.
// Prints one JSON object of ns per key: medians over bursts of 64 whose keys and hashes lie ready, so what is
// measured is the table. "rte_hash, with state" also reads and writes 16 bytes of state at the position
// found, which is what a flow table is for; the flow table has its state beside the key.
#include <rte_hash.h>
#include <rte_prefetch.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>

#include "dataplane/io/eal.h"
#include "dataplane/table/flow_table.h"
#include "dataplane/table/pages.h"
#include "dataplane/wire/headers.h"
#include "dataplane/wire/keyed_hash.h"
#include "tests/bench/measure.h"

namespace sluice::bench {
namespace {

constexpr unsigned kBurst = 64;
constexpr unsigned kRounds = 20'000;
constexpr std::uint64_t kAll = ~0ull;

struct Options {
  std::uint32_t flows = 1'000'000;
  bool v6 = false, no_huge = false;
};

IpAddress address(bool v6, std::uint32_t number) {
  IpAddress a = IpAddress::v4(Big32(number));
  if (v6) a.byte[0] = 0x20;
  return a;
}

// Flow number -> key: any two differ, and neighbours have nothing in common.
class Keys {
 public:
  explicit Keys(bool v6) : v6_(v6) {}

  [[nodiscard]] FlowKey key(std::uint32_t number) const {
    const std::uint32_t mixed = number * 0x9e3779b1u;
    FlowKey key;
    key.source = address(v6_, mixed);
    key.destination = address(v6_, 0xc6336401);
    key.source_port.set(static_cast<std::uint16_t>(mixed >> 7 ^ number));
    key.destination_port.set(80);
    key.protocol = kProtoTcp;
    return key;
  }
  void hashes(const FlowKey* keys, std::uint64_t* out) const {
    hash_burst(hash_, keys, HashFields::kFiveTuple, kAll, out);
  }

 private:
  bool v6_;
  KeyedHash hash_{std::array<std::uint8_t, 16>{4, 7, 1, 1}};
};

struct Burst64 {
  FlowKey key[kBurst];
  std::uint64_t hash[kBurst];
};

class Samples {
 public:
  template <typename Work>
  void take(Work&& work) {
    const std::uint64_t before = stamp();
    work();
    cycles_.push_back(static_cast<std::uint32_t>(stamp() - before));
  }
  [[nodiscard]] double ns_per_key() { return ns_of(std::max(0.0, median(cycles_) - overhead_)) / kBurst; }

 private:
  std::vector<std::uint32_t> cycles_;
  double overhead_ = stamp_cycles();
};

// Calls work(burst) for `rounds` bursts of flows chosen by `number()`.
template <typename Number, typename Work>
double over_bursts(const Keys& keys, unsigned rounds, Number&& number, Work&& work) {
  Samples samples;
  Burst64 burst;
  for (unsigned round = 0; round < rounds; ++round) {
    for (FlowKey& key : burst.key) key = keys.key(number());
    keys.hashes(burst.key, burst.hash);
    samples.take([&] { work(burst); });
  }
  return samples.ns_per_key();
}

void expect(std::uint64_t found, std::uint64_t wanted) {
  if (found != wanted) throw std::runtime_error("a lookup did not find what is there, or found what is not");
}

nlohmann::json measure_ours(const Options& options, const Keys& keys, std::uint32_t spare) {
  FlowTable::Limits limits;
  limits.flows_v4 = limits.flows_v6 = 0;
  (options.v6 ? limits.flows_v6 : limits.flows_v4) = options.flows + spare;
  FlowTable table(limits);
  std::uint32_t now = 1000;
  std::mt19937 random(1);
  Flow* flow[kBurst];
  const auto open_all = [&](const Burst64& burst) {
    expect(table.find(burst.key, burst.hash, kAll, flow, now), 0);
    for (unsigned i = 0; i < kBurst; ++i) flow[i] = table.insert(burst.key[i], burst.hash[i], i, now).flow;
  };
  std::uint32_t next = 0;
  nlohmann::json out;
  out["fill: find and insert"] = over_bursts(
      keys, options.flows / kBurst, [&] { return next++; },
      [&](auto& burst) {
        open_all(burst);
        for (Flow* f : flow) table.touch(*f, {.bytes = 60}, now);
      });
  const std::uint32_t there = next;
  const auto known = [&] { return static_cast<std::uint32_t>(random() % there); };
  const auto unknown = [&] { return there + static_cast<std::uint32_t>(random() % 1'000'000'000); };
  out["hit"] = over_bursts(keys, kRounds, known, [&](auto& burst) {
    expect(table.find(burst.key, burst.hash, kAll, flow, now), kAll);
  });
  out["hit and touch"] = over_bursts(keys, kRounds, known, [&](auto& burst) {
    expect(table.find(burst.key, burst.hash, kAll, flow, now), kAll);
    for (Flow* f : flow) table.touch(*f, {.bytes = 60}, now);
  });
  out["miss"] = over_bursts(keys, kRounds, unknown,
                            [&](auto& burst) { keep(table.find(burst.key, burst.hash, kAll, flow, now)); });
  out["bytes per flow"] = static_cast<double>(table.bytes()) / static_cast<double>(table.size());
  // Probation is full of flows whose time is over, so each new one pays for the going of an old one.
  const auto in_probation = static_cast<std::uint32_t>(limits.probation_share * (options.flows + spare) / 2);
  const unsigned rounds = std::min(kRounds, in_probation / kBurst);
  over_bursts(
      keys, in_probation / kBurst, [&] { return next++; }, open_all);
  now += limits.timeouts.syn_s * FlowClock::kTicksPerSecond + 1;
  out["new flow: find, insert, remove an old one"] = over_bursts(
      keys, rounds, [&] { return next++; }, open_all);
  now += limits.timeouts.syn_s * FlowClock::kTicksPerSecond + 1;
  Samples age;
  const std::uint64_t slices = table.span() / kBurst;
  for (std::uint64_t slice = 0; slice < slices; ++slice) age.take([&] { table.age(now, kBurst); });
  out["age, per entry looked at"] = age.ns_per_key();
  out["untracked"] = table.counters().untracked();
  return out;
}

class RteHash {
  struct State {
    std::uint32_t target, seen, bytes, packets;
  };

 public:
  RteHash(const Options& options, std::uint32_t entries)
      : v6_(options.v6), state_pages_((std::size_t{entries} + entries / 8 + 64) * sizeof(State)) {
    rte_hash_parameters parameters{};
    parameters.name = "beside";
    parameters.entries = entries;
    parameters.key_len = v6_ ? sizeof(FlowKey) : 16;
    parameters.extra_flag = RTE_HASH_EXTRA_FLAGS_EXT_TABLE;
    hash_.reset(rte_hash_create(&parameters));
    if (!hash_) throw std::runtime_error("rte_hash cannot be created: too little memory in EAL?");
  }
  void load(const Burst64& burst) {
    for (unsigned i = 0; i < kBurst; ++i) {
      signature_[i] = static_cast<hash_sig_t>(burst.hash[i] >> 32);
      if (v6_) {
        std::memcpy(bytes_[i], &burst.key[i], sizeof(FlowKey));
      } else {
        std::memcpy(bytes_[i], &burst.key[i].source.byte[12], 4);
        std::memcpy(bytes_[i] + 4, &burst.key[i].destination.byte[12], 4);
        std::memcpy(bytes_[i] + 8, &burst.key[i].source_port, 8);
      }
      pointer_[i] = bytes_[i];
    }
  }
  void add() {
    for (unsigned i = 0; i < kBurst; ++i) {
      if (rte_hash_add_key_with_hash(hash_.get(), pointer_[i], signature_[i]) < 0)
        throw std::runtime_error("rte_hash is full");
    }
  }
  void remove() {
    for (unsigned i = 0; i < kBurst; ++i) rte_hash_del_key_with_hash(hash_.get(), pointer_[i], signature_[i]);
  }
  void lookup() {
    rte_hash_lookup_with_hash_bulk(hash_.get(), pointer_, signature_, kBurst, position_);
    keep(position_);
  }
  void touch() {
    for (const std::int32_t position : position_)
      rte_prefetch0(&state_[static_cast<std::uint32_t>(position)]);
    for (const std::int32_t position : position_) {
      State& state = state_[static_cast<std::uint32_t>(position)];
      state.seen = 1;
      state.bytes += 60;
    }
  }
  [[nodiscard]] bool all_found() const {
    return std::ranges::all_of(position_, [](std::int32_t position) { return position >= 0; });
  }

 private:
  struct Free {
    void operator()(rte_hash* hash) const { rte_hash_free(hash); }
  };
  bool v6_;
  std::unique_ptr<rte_hash, Free> hash_;
  Pages state_pages_;  // huge pages, if the kernel has some, as the flow table
  State* state_ = state_pages_.as<State>();
  alignas(8) char bytes_[kBurst][sizeof(FlowKey)];
  hash_sig_t signature_[kBurst];
  const void* pointer_[kBurst];
  std::int32_t position_[kBurst];
};

// Like over_bursts, with the keys as rte_hash wants them.
template <typename Number, typename Work>
double over_rte_bursts(const Keys& keys, RteHash& table, unsigned rounds, Number&& number, Work&& work) {
  Samples samples;
  Burst64 burst;
  for (unsigned round = 0; round < rounds; ++round) {
    for (FlowKey& key : burst.key) key = keys.key(number());
    keys.hashes(burst.key, burst.hash);
    table.load(burst);
    samples.take(work);
  }
  return samples.ns_per_key();
}

nlohmann::json measure_rte(const Options& options, const Keys& keys, std::uint32_t spare) {
  RteHash table(options, options.flows + spare);
  std::mt19937 random(1);
  std::uint32_t next = 0;
  nlohmann::json out;
  out["fill: find and insert"] = over_rte_bursts(
      keys, table, options.flows / kBurst, [&] { return next++; },
      [&] {
        table.lookup();
        table.add();
      });
  const std::uint32_t there = next;
  const auto known = [&] { return static_cast<std::uint32_t>(random() % there); };
  const auto unknown = [&] { return there + static_cast<std::uint32_t>(random() % 1'000'000'000); };
  out["hit"] = over_rte_bursts(keys, table, kRounds, known, [&] { table.lookup(); });
  expect(table.all_found(), true);
  out["hit and touch"] = over_rte_bursts(keys, table, kRounds, known, [&] {
    table.lookup();
    table.touch();
  });
  out["miss"] = over_rte_bursts(keys, table, kRounds, unknown, [&] { table.lookup(); });
  std::uint32_t oldest = 0;
  const unsigned churn = std::min(kRounds, there / kBurst);
  out["remove"] = over_rte_bursts(
      keys, table, churn, [&] { return oldest++; }, [&] { table.remove(); });
  return out;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  using namespace sluice::bench;
  Options options;
  CLI::App app{"Measures the flow table beside rte_hash and prints JSON, ns per key."};
  app.add_option("--flows", options.flows, "flows that are there")->check(CLI::Range(1'000, 50'000'000));
  app.add_flag("--v6", options.v6, "IPv6");
  app.add_flag("--no-huge", options.no_huge, "rte_hash in small pages, where no huge ones are reserved");
  CLI11_PARSE(app, argc, argv);
  try {
    std::vector<std::string> eal = {"--no-pci", "--log-level=error"};
    if (options.no_huge) {
      eal.insert(eal.end(), {"--no-huge", "--no-shconf", "-m", std::to_string(64 + options.flows / 4000)});
    } else {
      eal.push_back("--in-memory");
    }
    const unsigned lcores[] = {0u};
    sluice::io::start_eal(eal, {lcores, 0});
    const Keys keys(options.v6);
    const std::uint32_t spare = options.flows / 4;
    nlohmann::json figures;
    figures["flow table"] = measure_ours(options, keys, spare);
    figures["rte_hash"] = measure_rte(options, keys, spare);
    sluice::io::stop_eal();
    std::printf("%s\n", figures.dump(2).c_str());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sluice-bench-flows: %s\n", error.what());
    return 1;
  }
}
