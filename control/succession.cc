// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/succession.h"

#include <spdlog/spdlog.h>
#include <sys/random.h>

#include <algorithm>
#include <stdexcept>

#include "control/restart/take_over.h"

namespace sluice {
namespace {

HashKey hash_key_of(const config::Dataplane& dataplane, const std::optional<HashKey>& before) {
  HashKey key;
  if (dataplane.hash_key.size() == key.size()) {
    std::ranges::copy(dataplane.hash_key, key.begin());
  } else if (before) {
    key = *before;
  } else if (getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) {
    throw std::runtime_error("the kernel gives no random numbers for the hash key; set dataplane.hash_key");
  }
  return key;
}

}  // namespace

HashKey Succession::receive(const config::Model& model, bool take_over) {
  if (take_over && !restart::ask_to_leave(model.control.socket))
    spdlog::warn("nobody is there to take over from");
  predecessor_ = restart::Predecessor(restart::state_path(model), model);
  return key_ = hash_key_of(model.dataplane, predecessor_.key());
}

std::unique_ptr<const Snapshot> Succession::go_on(maps::Live& live, Machine& machine) {
  predecessor_.resume(live);
  std::unique_ptr<const Snapshot> first = live.first_snapshot();
  predecessor_.restore_flows(live, *first, key_, Machine::flow_clock(),
                             [&machine](unsigned worker, std::uint32_t target, std::uint64_t flows) {
                               machine.count_flows(worker, target, flows);
                             });
  const bool whole = outcome().kind != restart::Outcome::Kind::kRefused && outcome().tables_refused == 0;
  if (const std::string what = predecessor_.sentence(); !what.empty()) {
    spdlog::log(whole && outcome().why.empty() ? spdlog::level::info : spdlog::level::warn, "{}", what);
  }
  return first;
}

void Succession::leave(const maps::Live& live) const {
  const std::string path = restart::state_path(live.model());
  if (path.empty()) return;
  try {
    const restart::Left left = restart::leave(path, live, key_, Machine::flow_clock());
    if (!left.why.empty()) spdlog::error("no flow table is left to the next process: {}", left.why);
    spdlog::info("left {} flows to the next process: {} bytes in {} ms", left.flows, left.bytes,
                 left.took.count());
  } catch (const restart::Refused& refused) {
    spdlog::error("nothing is left to the next process: {}", refused.what());
  }
}

void Succession::keep(Machine& machine) const {
  if (const auto refused = machine.keep_interfaces()) spdlog::error("{}", *refused);
}

}  // namespace sluice
