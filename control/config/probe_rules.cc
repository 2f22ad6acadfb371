// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/probe_rules.h"

#include "control/config/key.h"
#include "control/config/words.h"

namespace sluice::config {
namespace {

bool has_kernel_way(const Model& model, bool v4) {
  for (const Port& port : model.dataplane.ports) {
    if (port.kernel_interface.empty()) continue;
    for (const InterfaceAddress& own : port.addresses)
      if (own.address.is_v4() == v4) return true;
  }
  return false;
}

}  // namespace

bool lacks_probe_port(const Service& service) {
  const HealthType type = service.health.type;
  const bool needs = type == HealthType::kTcp || type == HealthType::kHttp || type == HealthType::kHttps ||
                     type == HealthType::kUdp || type == HealthType::kAgentCheck;
  if (!needs || service.health.port != 0 || service.port != 0) return false;
  for (const Group& group : service.groups)
    for (const Dip& dip : group.dips)
      if (dip.port == 0) return true;
  return false;
}

// A probe through the data path is a packet of the service that the kernel sends by a port's interface.
std::string wrong_with_way(const Service& service, const Model& model) {
  const Health& health = service.health;
  if (health.through != ProbeWay::kVip || health.type == HealthType::kNone) return {};
  const std::string said = "through = \"vip\" ";
  const bool udp = health.type == HealthType::kUdp;
  if (!udp && health.type != HealthType::kTcp && health.type != HealthType::kHttp &&
      health.type != HealthType::kHttps)
    return said + "does not go with type = " + quote(to_word(health.type)) +
           "; write type = \"tcp\", \"http\", \"https\" or \"udp\", or through = \"dip\"";
  const Protocol needed = udp ? Protocol::kUdp : Protocol::kTcp;
  if (service.protocol != needed && service.protocol != Protocol::kAny)
    return said + "sends packets of protocol " + std::string(to_word(needed)) +
           ", which the service does not take; write another type, or through = \"dip\"";
  if (health.port != 0 && service.port != 0 && health.port != service.port)
    return said + "asks the service's port, not " + std::to_string(health.port) +
           "; leave port out, or write through = \"dip\"";
  const bool v4 = service.vip.address.is_v4();
  if (!has_kernel_way(model, v4))
    return said + "needs a port with a kernel_interface and an IPv" + (v4 ? "4" : "6") +
           " address to send from; add them, or write through = \"dip\"";
  return {};
}

}  // namespace sluice::config
