// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The probe doctor: walks the whole way to one DIP once and gathers what can be seen, for diagnosis.h to
// judge. It pings the server, asks its agent, asks the service's question at the server's own address and
// then through the tunnel, small and in full-size packets, and looks at what the kernel's interface carries
// meanwhile. Belongs to the io_context's thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "control/config/model.h"
#include "control/health/data_path.h"
#include "control/health/diagnosis.h"
#include "control/maps/paths.h"

namespace sluice::health {

struct DoctorOptions {
  std::shared_ptr<DataPath> data_path = nullptr;  // null: no port has a kernel interface
  maps::PathTo path_to;
  std::function<std::string(const IpAddress&)> describe_path;  // in words of the kernel's tables
};

class Doctor {
 public:
  static constexpr unsigned kMostAtOnce = 4;

  Doctor(boost::asio::io_context& io, DoctorOptions options);

  // Examines a DIP of a service; `done` is called once, later, after 20 seconds at most. False: busy with
  // kMostAtOnce others.
  using Done = std::function<void(const Diagnosis&)>;
  bool check(const config::Service& service, const config::Dip& dip, Done done);

 private:
  class Checkup;
  struct Practice;  // what all checkups share, for as long as the last of them
  std::shared_ptr<Practice> practice_;
};

}  // namespace sluice::health
