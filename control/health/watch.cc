// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/watch.h"

#include <utility>

namespace sluice::health {

Member::Member(Watch& its_watch, std::string name, const Policy& policy, State state, TimePoint now)
    : watch(its_watch), dip(std::move(name)), machine(policy, state, now), reported(state == State::kUp) {}

std::string Member::state() const {
  if (!machine.alive()) return watch.panic.keeps(dip) ? "panic" : std::string(to_word(machine.state()));
  const bool leaves = report && (report->life == Life::kDraining || report->life == Life::kLeaving);
  return leaves ? "draining" : "up";
}

std::string Member::why() const {
  std::string why = refused() ? "the doctor: " + admission.verdict() : machine.why();
  const bool kept = watch.panic.keeps(dip) && !machine.alive();
  return kept ? "kept, since all DIPs look dead at once; this one: " + why : why;
}

Row Member::row(TimePoint now) const {
  return {.service = watch.name,
          .address = dip,
          .state = state(),
          .why = why(),
          .probe = describe(spec),
          .since = std::chrono::duration_cast<std::chrono::milliseconds>(now - machine.since()),
          .healthy = reported,
          .refused = refused(),
          .last = {machine.last().begin(), machine.last().end()},
          .report = report};
}

std::vector<std::string> Watch::doubtful(TimePoint when) const {
  std::vector<std::string> names;
  for (const auto& [dip, member] : members) {
    const Machine& machine = member->machine;
    const bool died = machine.state() == State::kDown && machine.since() >= when;
    if (died || machine.suspect()) names.push_back(dip);
  }
  return names;
}

}  // namespace sluice::health
