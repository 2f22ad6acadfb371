// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The probe doctor: walks the whole way to one DIP once and says what is wrong (checkup.h, diagnosis.h). On
// demand, and for every DIP that is to get its first packet. Belongs to the io_context's thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>

#include "control/health/admission.h"
#include "control/health/checkup.h"

namespace sluice::health {

class Doctor {
 public:
  static constexpr unsigned kMostAtOnce = 4;  // whole examinations, of either kind

  Doctor(boost::asio::io_context& io, DoctorOptions options);

  // Examines a DIP of a service; `done` is called once, later, after 30 seconds at most. False: busy with
  // kMostAtOnce others.
  using Done = std::function<void(const Diagnosis&)>;
  bool check(const config::Service& service, const config::Dip& dip, Done done);

  // A Walk (admission.h): tries the clients' way, and examines the DIP only where that fails. What cannot be
  // seen refuses nobody. Any number may wait; kMostWalksAtOnce walk, so that a thousand DIPs that are well
  // take a second or two, and a thousand that are silent half a minute; and kMostAtOnce are examined. Who
  // fails while all of those are busy hears at once where, and not why.
  static constexpr unsigned kMostWalksAtOnce = 64;
  void admit(const config::Service& service, const config::Dip& dip, Walked done);

 private:
  struct Practice;
  std::shared_ptr<Practice> practice_;
};

}  // namespace sluice::health
