// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// One walk of the doctor's, there and back: asks what there is to ask, one question after the other, and
// gathers what can be seen, for diagnosis.h to judge. The whole of it pings the server, asks its agent, asks
// the service's question at the server's own address and then through the tunnel, small and in full-size
// packets, and looks at what the kernel's interface carries meanwhile. Its second half alone, the clients'
// way, takes three connections and a few milliseconds where all is well, and tells no causes. Belongs to the
// io_context's thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "control/config/model.h"
#include "control/health/data_path.h"
#include "control/health/diagnosis.h"
#include "control/health/prober.h"
#include "control/maps/paths.h"

namespace sluice::health {

struct DoctorOptions {
  std::shared_ptr<DataPath> data_path = nullptr;  // null: no port has a kernel interface
  maps::PathTo path_to;
  std::function<std::string(const IpAddress&)> describe_path;  // in words of the kernel's tables
};

// What all checkups share, for as long as the last of them.
struct CheckupMeans {
  CheckupMeans(DoctorOptions its_options, boost::asio::io_context& io)
      : options(std::move(its_options)),
        around{.io = io, .pinger = nullptr, .tls = nullptr, .data_path = options.data_path} {}
  DoctorOptions options;
  Surroundings around;
};

enum class Extent : std::uint8_t { kWhole, kClientsWay };

// `done` is called once, at the latest after 30 seconds (the questions' patience, one after the other); it
// may be called from within.
void check_up(std::shared_ptr<CheckupMeans> means, Extent extent, const config::Service& service,
              const config::Dip& dip, std::function<void(const Diagnosis&)> done);

// Why nothing of the clients' way to a new DIP can be tried, or what was tried would say nothing of what
// clients meet; "" when it can.
std::string why_no_walk(const CheckupMeans& means, const config::Service& service, const config::Dip& dip);

}  // namespace sluice::health
