// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Bursts, lost messages and everything at once: what KernelTables knows must end as a fresh look would.
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <sstream>
#include <vector>

#include "control/neighbor/kernel.h"
#include "tests/unit/neighbor/mux.h"

namespace sluice::neighbor::test {
namespace {

// The events and dumps of `mux` end in the same as a fresh look at the kernel.
void expect_as_fresh(Mux& mux) {
  Mux fresh;
  ASSERT_TRUE(fresh.until([&] { return fresh.tables.quiet(); }));
  const std::size_t routes = fresh.tables.mirror().routes();
  EXPECT_TRUE(mux.until([&] { return mux.tables.mirror().routes() == routes; }))
      << mux.tables.mirror().routes() << " of " << routes;
  for (int i = 0; i < 8; ++i) {
    const std::string to = "2001:db8:2:" + std::to_string(i) + "::1";
    EXPECT_EQ(mux.way(to), fresh.way(to));
  }
  for (int i = 0; i < 256; ++i)
    for (int j : {1, 129}) {
      const std::string to = "10.2." + std::to_string(i) + '.' + std::to_string(j);
      EXPECT_EQ(mux.way(to), fresh.way(to));
    }
}

TEST(KernelTables, LostMessagesLeadToAFullResynchronisation) {
  in_fresh_namespace([] {
    const Cabled cable;
    KernelOptions options;
    options.receive_buffer_bytes = 4096;            // the kernel makes it a few KiB: a dozen messages
    options.confirm_delay = std::chrono::hours(1);  // so that nothing but the loss leads to a dump
    std::vector<std::string> log;
    options.log = [&log](const std::string& sentence) { log.push_back(sentence); };
    Mux mux(options);
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    EXPECT_TRUE(mux.until_all_addresses(2));
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.2.7.1", "10.0.0.1"); }));
    std::ostringstream batch;
    for (int i = 0; i < 4000; ++i)
      batch << "route add 10.2." << i % 256 << '.' << i / 256 * 16 << "/28 via 10.0.0.2 metric 1\n";
    for (int i = 0; i < 256; i += 2) batch << "route del 10.2." << i << ".0/28\n";
    run_batch(batch.str());
    EXPECT_TRUE(mux.until([&] { return mux.tables.statistics().losses > 0; }));
    expect_as_fresh(mux);
    EXPECT_EQ(log.size(), 1u);
  });
}

TEST(KernelTables, ABurstOfChangesIsToldOfAFewTimesOnly) {
  in_fresh_namespace([] {
    const Cabled cable;
    KernelOptions options;
    options.debounce = milliseconds(50);
    Mux mux(options);
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    EXPECT_TRUE(mux.until([&] { return mux.tables.synced(); }));
    mux.tables.watch({ip("10.1.0.11")});
    const int before = mux.changes;
    std::ostringstream batch;
    for (int i = 0; i < 1000; ++i) batch << "route replace 10.1.0.0/24 via 10.0.0." << 20 + i % 2 << '\n';
    run_batch(batch.str());
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.1.0.11", "10.0.0.21"); }));
    EXPECT_TRUE(mux.until([&] { return mux.changes > before; }));
    EXPECT_TRUE(mux.until_quiet());
    EXPECT_LE(mux.changes, before + 20) << "of 1,000";
    EXPECT_EQ(mux.tables.statistics().losses, 0u);
  });
}

class RandomChanges : public testing::TestWithParam<unsigned> {};

TEST_P(RandomChanges, EndAsAFreshLookAtTheKernelWould) {
  in_fresh_namespace([] {
    const Cabled cable;
    Mux mux;
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    std::mt19937 random(GetParam());
    const auto below = [&](unsigned n) { return std::to_string(random() % n); };
    const std::array verbs = {"add", "replace", "append", "prepend", "del", "del"};
    for (int round = 0; round < 5; ++round) {
      std::ostringstream batch;
      for (int i = 0; i < 200; ++i) {
        batch << "route " << verbs[random() % verbs.size()] << " 10.2." << below(6) << ".0/"
              << 24 + random() % 3 << " via 10.0.0." << below(9) << " metric " << below(3) << '\n';
        batch << "route " << verbs[random() % verbs.size()] << " 2001:db8:2:" << below(4) << "::/"
              << 62 + random() % 3 << " via 2001:db8::" << 2 + random() % 9 << " metric " << 1 + random() % 3
              << '\n';
        if (i % 60 == 30) batch << "link set sluice0 down\nlink set sluice0 up\n";
        if (i % 40 == 20) batch << "addr add 10.0.1." << i << "/24 dev sluice0\n";
        if (i % 40 == 39) batch << "addr del 10.0.1." << i - 19 << "/24 dev sluice0\n";
      }
      constexpr bool kMayRefuse = true;  // a route that is there, or is not: part of the noise
      run_batch(batch.str(), kMayRefuse);
      // No resync by hand: what the events asked for must be enough.
      const std::uint64_t dumps = mux.tables.statistics().dumps;
      EXPECT_TRUE(mux.until([&] { return mux.tables.statistics().dumps > dumps && mux.tables.quiet(); }));
      expect_as_fresh(mux);
      if (testing::Test::HasFailure()) {
        std::printf("seed %u round %d\n", GetParam(), round);
        return;
      }
    }
  });
}
INSTANTIATE_TEST_SUITE_P(Seeds, RandomChanges, testing::Range(1u, 4u));

TEST(KernelTables, MayBeDestroyedWhileDumpsAndTimersArePending) {
  in_fresh_namespace([] {
    boost::asio::io_context io;
    int changes = 0;
    {
      KernelTables tables(io, {}, [&] { ++changes; });
      tables.watch({ip("10.0.0.1")});
      io.poll_one();
    }
    io.run_for(seconds(1));
    EXPECT_EQ(changes, 0);
    EXPECT_TRUE(io.stopped()) << "nothing keeps the loop alive";
  });
}

}  // namespace
}  // namespace sluice::neighbor::test
