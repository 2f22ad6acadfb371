// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/ways.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <stdexcept>
#include <variant>

namespace sluice {
namespace {

constexpr const char* kNoWay = "no port has a gateway_mac or a kernel_interface";

// The kernel's device below a port: "lb0" of "net_af_packet0,iface=lb0,framesz=2048"; "" where the kernel has
// none.
std::string device_below(const std::string& device) {
  constexpr std::string_view kMark = ",iface=";
  const auto at = device.find(kMark);
  if (!device.starts_with("net_af_") || at == std::string::npos) return {};
  const std::string rest = device.substr(at + kMark.size());
  return rest.substr(0, rest.find(','));
}

// One kernel interface is enough to need the kernel's tables.
std::unique_ptr<neighbor::KernelTables> kernel_tables(boost::asio::io_context& io,
                                                      const config::Dataplane& dataplane,
                                                      std::function<void()> changed) {
  neighbor::KernelOptions options;
  for (const config::Port& port : dataplane.ports) {
    options.interfaces.push_back(port.kernel_interface);
    options.devices.push_back(device_below(port.device));
  }
  if (std::ranges::all_of(options.interfaces, &std::string::empty)) return nullptr;
  options.log = [](const std::string& sentence) { spdlog::warn("{}", sentence); };
  return std::make_unique<neighbor::KernelTables>(io, std::move(options), std::move(changed));
}

}  // namespace

Ways::Ways(boost::asio::io_context& io, const config::Dataplane& dataplane, std::function<void()> changed)
    : dataplane_(dataplane), kernel_(kernel_tables(io, dataplane, std::move(changed))) {}

maps::Path Ways::path_to(const IpAddress& destination) const {
  if (const auto fixed = maps::static_path(dataplane_, destination)) return *fixed;
  maps::Path path;
  if (!kernel_) {
    path.why = kNoWay;
    return path;
  }
  const neighbor::Answer answer = kernel_->lookup(destination);
  if (const auto* resolved = std::get_if<neighbor::Resolved>(&answer)) {
    path.resolved = true;
    path.port = static_cast<unsigned>(resolved->port);
    path.next_hop = resolved->mac;
    path.mtu =
        static_cast<std::uint16_t>(std::min<std::uint32_t>(resolved->mtu, dataplane_.ports[path.port].mtu));
    return path;
  }
  if (const auto* unresolved = std::get_if<neighbor::Unresolved>(&answer))
    path.port = static_cast<unsigned>(unresolved->port);
  path.why = kernel_->mirror().describe(destination);
  return path;
}

std::string Ways::describe(const IpAddress& destination) const {
  if (maps::static_path(dataplane_, destination)) return "by the port's gateway_mac";
  return kernel_ ? kernel_->mirror().describe(destination) : kNoWay;
}

std::vector<IpAddress> Ways::own_addresses() const {
  std::vector<IpAddress> own;
  for (const config::Port& port : dataplane_.ports) {
    for (const config::InterfaceAddress& address : port.addresses) own.push_back(address.address);
    const neighbor::Link* link =
        kernel_ && !port.kernel_interface.empty() ? kernel_->mirror().link(port.kernel_interface) : nullptr;
    if (!link) continue;
    for (const neighbor::Address& address : kernel_->mirror().addresses(link->ifindex))
      own.push_back(address.address);
  }
  return own;
}

rpc::KernelFigures Ways::figures() const {
  if (!kernel_) return {};
  const neighbor::KernelStatistics& all = kernel_->statistics();
  return {all.losses, all.renewals};
}

void Ways::configure_interfaces(const std::vector<MacAddress>& macs) {
  std::uint32_t priority = neighbor::kDefaultRoutePriority;
  for (std::size_t i = 0; i < dataplane_.ports.size(); ++i) {
    const config::Port& port = dataplane_.ports[i];
    if (port.kernel_interface.empty()) continue;
    neighbor::InterfaceSettings settings;
    settings.name = port.kernel_interface;
    settings.mac = macs[i];
    settings.mtu = port.mtu;
    settings.addresses = port.addresses;
    settings.gateway = port.gateway;
    settings.gateway6 = port.gateway6;
    settings.priority = priority++;
    settings.was_kept = true;
    if (const auto problem = kernel_->configure_interface(settings)) throw std::runtime_error(*problem);
  }
}

void Ways::watch(const std::vector<config::Service>& services) {
  if (!kernel_) return;
  std::vector<IpAddress> destinations;
  for (const config::Service& service : services) {
    for (const config::Group& group : service.groups) {
      for (const config::Dip& dip : group.dips) destinations.push_back(dip.address);
    }
  }
  kernel_->watch(std::move(destinations));
}

}  // namespace sluice
