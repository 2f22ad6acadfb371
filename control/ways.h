// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The ways out of this machine: by a port's gateway_mac, or as the kernel's addresses, routes and neighbours
// have it (docs/next-hop.md). Maps, probes and `explain` ask here; the kernel interfaces of the ports get
// their addresses here. Control thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/config/model.h"
#include "control/maps/paths.h"
#include "control/neighbor/kernel.h"
#include "control/rpc/appliance.h"

namespace sluice {

class Ways {
 public:
  // `changed` is called whenever a way may have changed. Throws std::runtime_error with one sentence when the
  // kernel's tables cannot be had.
  Ways(boost::asio::io_context& io, const config::Dataplane& dataplane, std::function<void()> changed);

  [[nodiscard]] maps::Path path_to(const IpAddress& destination) const;
  // The same in words.
  [[nodiscard]] std::string describe(const IpAddress& destination) const;
  // Every address of ours on every port: configured or given by others.
  [[nodiscard]] std::vector<IpAddress> own_addresses() const;

  // Gives the kernel interfaces MAC (of the port, by index), MTU, addresses, gateways. Throws
  // std::runtime_error.
  void configure_interfaces(const std::vector<MacAddress>& macs);
  // The kernel keeps the ways to these services' DIPs resolved for us.
  void watch(const std::vector<config::Service>& services);
  // Is all known that the kernel knew when we began to ask?
  [[nodiscard]] bool known() const { return !kernel_ || kernel_->synced(); }
  // What went wrong between us and the kernel, and was mended.
  [[nodiscard]] rpc::KernelFigures figures() const;
  // Null without any kernel interface.
  [[nodiscard]] neighbor::KernelTables* kernel() const { return kernel_.get(); }

 private:
  const config::Dataplane dataplane_;  // ports change by a restart only
  std::unique_ptr<neighbor::KernelTables> kernel_;
};

}  // namespace sluice
