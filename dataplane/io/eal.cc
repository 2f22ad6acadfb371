// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/io/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace sluice::io {
namespace {

bool names_cores(const std::string& argument) {
  return argument.starts_with("-l") || argument.starts_with("-c") || argument.starts_with("--lcores") ||
         argument.starts_with("-s");
}

std::vector<unsigned> own_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<unsigned> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return {0};
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

long free_hugepages() {
  std::ifstream meminfo("/proc/meminfo");
  for (std::string word; meminfo >> word;) {
    long pages = 0;
    if (word == "HugePages_Free:" && meminfo >> pages) return pages;
  }
  return 0;
}

std::string remedy(std::span<const std::string> arguments) {
  const bool wants_huge = std::ranges::find(arguments, "--no-huge") == arguments.end();
  if (wants_huge && free_hugepages() == 0) {
    return "no hugepages are free: run `sysctl vm.nr_hugepages=512`, or put \"--no-huge\", \"-m\", \"512\" "
           "into "
           "dataplane.eal";
  }
  if (rte_errno == EACCES || rte_errno == EPERM) {
    return "permission was denied: start sluiced as root or with CAP_NET_ADMIN, CAP_NET_RAW and access to "
           "the "
           "hugepages";
  }
  if (rte_errno == EALREADY || rte_errno == EBUSY) {
    return "another DPDK process holds its files: give each its own --file-prefix, or use --in-memory";
  }
  return "see EAL's own lines above, and check dataplane.eal";
}

}  // namespace

std::string lcore_layout(std::span<const unsigned> worker_lcores, std::span<const unsigned> cpus) {
  unsigned main_lcore = 0;
  while (std::ranges::find(worker_lcores, main_lcore) != worker_lcores.end()) ++main_lcore;
  const auto at = [&](unsigned lcore) {
    // Its own cpu where the machine has it, else shared with others.
    const bool own = std::ranges::find(cpus, lcore) != cpus.end();
    return std::to_string(lcore) + '@' + std::to_string(own ? lcore : cpus[lcore % cpus.size()]);
  };
  std::string layout = at(main_lcore);
  for (const unsigned lcore : worker_lcores) layout += ',' + at(lcore);
  return layout;
}

void start_eal(std::span<const std::string> arguments, std::span<const unsigned> worker_lcores) {
  std::vector<std::string> all = {"sluiced"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  if (std::ranges::none_of(arguments, names_cores)) {
    all.emplace_back("--lcores");
    all.push_back(lcore_layout(worker_lcores, own_cpus()));
    unsigned main_lcore = 0;
    while (std::ranges::find(worker_lcores, main_lcore) != worker_lcores.end()) ++main_lcore;
    all.emplace_back("--main-lcore");
    all.push_back(std::to_string(main_lcore));
  }
  std::vector<char*> argv;
  argv.reserve(all.size());
  for (std::string& argument : all) argv.push_back(argument.data());
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) {
    throw std::runtime_error(std::string("DPDK's EAL did not start (") + rte_strerror(rte_errno) +
                             "): " + remedy(arguments));
  }
  for (const unsigned lcore : worker_lcores) {
    if (rte_lcore_is_enabled(lcore) && lcore != rte_get_main_lcore()) continue;
    throw std::runtime_error("worker lcore " + std::to_string(lcore) +
                             (lcore == rte_get_main_lcore()
                                  ? " is EAL's main lcore, which control uses: give the worker another lcore"
                                  : " is not among EAL's cores: name it in --lcores of dataplane.eal"));
  }
}

void stop_eal() {
  rte_eal_cleanup();
}

}  // namespace sluice::io
