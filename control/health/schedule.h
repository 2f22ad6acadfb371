// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// When probes start. Pure: time is an argument.
//
// Each probe has a phase within its interval and starts at the same phase of every interval, so that
// thousands of them make an even stream, whenever they were added. The phases follow the golden ratio (Weyl's
// sequence frac(n / phi)): any first n of them lie nearly even, whatever n is (three-distance theorem).
//
// A probe that ran into its timeout is followed by the next one a little earlier, so that the verdict still
// falls within `failures` intervals of the death, and not a timeout later.
#pragma once

#include <cstdint>

#include "control/health/machine.h"

namespace sluice::health {

// Where in its interval the n-th probe starts: 0 <= phase < interval.
Clock::duration phase_of(std::uint64_t n, Clock::duration interval);

// The first time at or after `earliest` that has this phase.
TimePoint at_phase(TimePoint earliest, Clock::duration phase, Clock::duration interval);

// The start after the one at `started`, which is over at `now`; always at or after `now`.
TimePoint next_start(TimePoint started, TimePoint now, Clock::duration phase, Clock::duration interval);

// The same when the probe failed and its DIP still counts as up, to be declared dead after `failures`.
TimePoint next_start_of_suspect(TimePoint started, TimePoint now, unsigned failures,
                                Clock::duration interval);

// The first probe of the n-th DIP that waits for it to get its first packet: at once for a few, and
// no denser than one a millisecond.
Clock::duration delay_of_joining(std::uint64_t n);

}  // namespace sluice::health
