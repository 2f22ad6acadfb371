// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/supervise/workers.h"

#include <spdlog/spdlog.h>

#include <cstdlib>
#include <utility>

namespace sluice::supervise {

Watchdog::Options watch_workers(const std::vector<rpc::WorkerFacts>& workers, const maps::Live& live,
                                std::function<void()> before_end) {
  Watchdog::Options options;
  options.turns = [&workers] {
    std::vector<std::uint64_t> turns;
    turns.reserve(workers.size());
    for (const rpc::WorkerFacts& worker : workers) turns.push_back(worker.counters->turns.get());
    return turns;
  };
  options.limit = [&live] { return std::chrono::seconds(live.model().control.stall_s); };
  options.on_stuck = [&workers, &live, before_end = std::move(before_end)](const TurnWatch::Stuck& stuck) {
    const config::OnStall action = live.model().control.on_stall;
    const bool ends = action != config::OnStall::kLog;
    spdlog::critical("worker lcore {} has not turned for {} ms{}", workers[stuck.worker].lcore,
                     stuck.silent.count(), ends ? ": sluiced ends, to be started afresh" : "");
    if (!ends) return;
    before_end();
    if (action == config::OnStall::kAbort) std::abort();
    std::_Exit(EXIT_FAILURE);
  };
  return options;
}

}  // namespace sluice::supervise
