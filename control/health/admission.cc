// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/admission.h"

#include <algorithm>

namespace sluice::health {

Clock::duration delay_of_walk(unsigned refusals) {
  Clock::duration delay = kFirstWalkAgain;
  for (unsigned i = 1; i < refusals && delay < kLongestWalkAgain; ++i) delay *= 2;
  return std::min<Clock::duration>(delay, kLongestWalkAgain);
}

std::weak_ptr<const void> Admission::begin() {
  ticket_ = std::make_shared<const int>(0);
  return ticket_;
}

bool Admission::refuse(const Finding& finding, TimePoint now) {
  ticket_.reset();
  next_ = now + delay_of_walk(++refusals_);
  if (examined_ && !finding.examined) return false;
  examined_ = finding.examined;
  if (finding.text == verdict_) return false;
  verdict_ = finding.text;
  return true;
}

void Admission::begin_anew() {
  ticket_.reset();
  next_ = {};
  refusals_ = 0;
}

}  // namespace sluice::health
