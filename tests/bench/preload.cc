// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The port of null_traffic.h for programs that are not ours: loaded into testpmd by LD_PRELOAD, it sets the
// callback when the port is started. SLUICE_BENCH_TRAFFIC="ORDER FLOWS FAMILY SERVICES" says what comes:
// "zipf 1000000 4 1".
#include <dlfcn.h>
#include <rte_ethdev.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <sstream>

#include "tests/bench/null_traffic.h"

namespace {

using namespace sluice::bench;

std::unique_ptr<NullTraffic> traffic_of(std::uint16_t port) {
  const char* wanted = std::getenv("SLUICE_BENCH_TRAFFIC");
  std::istringstream words(wanted ? wanted : "");
  std::string order;
  std::uint32_t flows = 0, family = 0, services = 0;
  const std::map<std::string, Order> orders = {
      {"random", Order::kRandom}, {"local", Order::kLocal}, {"zipf", Order::kZipf}, {"new", Order::kNew}};
  words >> order >> flows >> family >> services;
  if (!words || !orders.contains(order) || flows == 0 || services == 0)
    throw std::runtime_error("SLUICE_BENCH_TRAFFIC is wrong; right would be: zipf 1000000 4 1");
  return std::make_unique<NullTraffic>(port, orders.at(order), flows, family == 6, services);
}

}  // namespace

// Stands before DPDK's own for whoever calls it.
extern "C" int rte_eth_dev_start(std::uint16_t port) {
  static const auto start = reinterpret_cast<int (*)(std::uint16_t)>(dlsym(RTLD_NEXT, "rte_eth_dev_start"));
  const int result = start(port);
  static NullTraffic* traffic = nullptr;  // until the process ends: the port calls it
  try {
    if (result == 0 && !traffic) {
      traffic = traffic_of(port).release();
      std::fprintf(stderr, "traffic: ready\n");
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "traffic: %s\n", error.what());
    return -1;
  }
  return result;
}
