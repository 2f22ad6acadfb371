// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/ways.h"

#include <optional>

namespace sluice::health {
namespace {

std::string key_of(const std::string& service, const std::string& dip) {
  return service + '\0' + dip;
}

// The port's first address of that family, when the kernel can send by it.
std::optional<IpAddress> source_on(const config::Port& port, bool v4) {
  if (port.kernel_interface.empty()) return {};
  for (const config::InterfaceAddress& own : port.addresses)
    if (own.address.is_v4() == v4) return own.address;
  return {};
}

}  // namespace

void Ways::index() {
  generation_ = live_.generation();
  entries_.clear();
  std::unordered_map<std::string, bool> is_v4;
  for (const config::Service& service : live_.model().services)
    is_v4[service.name] = service.vip.address.is_v4();
  const maps::Directory& directory = live_.directory();
  for (const maps::Directory::Target& target : directory.targets) {
    if (target.dip.gone) continue;
    const std::string& service = directory.services[target.service].name;
    entries_.try_emplace(key_of(service, target.dip.name),
                         Entry{target.id, target.dip.dip.address, is_v4[service]});
  }
}

std::variant<Way, std::string> Ways::operator()(const std::string& service, const std::string& dip) {
  if (generation_ != live_.generation()) index();
  const auto at = entries_.find(key_of(service, dip));
  if (at == entries_.end()) return "service " + service + " has no DIP " + dip;
  const Entry& entry = at->second;
  const auto& ports = live_.model().dataplane.ports;
  const unsigned leads_there = path_to_(entry.address).port;
  const auto way_by = [&](const config::Port& port) -> std::optional<Way> {
    const auto source = source_on(port, entry.vip_is_v4);
    return source ? std::optional(Way{*source, port.kernel_interface, entry.target}) : std::nullopt;
  };
  // Where the kernel sends it does not matter to the dataplane; the port itself is the natural place.
  if (leads_there < ports.size()) {
    if (const auto way = way_by(ports[leads_there])) return *way;
  }
  for (const config::Port& port : ports) {
    if (const auto way = way_by(port)) return *way;
  }
  return std::string("no port with a kernel_interface has an IPv") + (entry.vip_is_v4 ? "4" : "6") +
         " address to send from";
}

}  // namespace sluice::health
