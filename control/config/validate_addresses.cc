// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The rules about addresses that a MUX takes beside its ports' own.
#include "control/config/iip.h"
#include "control/config/judging.h"
#include "control/config/key.h"

namespace sluice::config {

using namespace judging;

namespace {

// One that is a port's own would be defended against ourselves; one that is a VIP would never reach a stage.
void judge_iip(Report& report, const std::string& path, const Iip& iip, const Model& model) {
  const IpAddress& address = iip.address.address;
  const std::string what = "the IIP " + to_string(address);
  for (std::size_t p = 0; p < model.dataplane.ports.size(); ++p) {
    const std::string list = at("dataplane.ports", p) + ".address";
    for (const InterfaceAddress& own : model.dataplane.ports[p].addresses)
      if (own.address == address)
        report.broken(path,
                      what + " is the own address of port " + model.dataplane.ports[p].name +
                          ", which it has without more; write another",
                      {path + ".address", list});
  }
  for (std::size_t s = 0; s < model.services.size(); ++s) {
    const Service& service = model.services[s];
    if (service.vip.address.is_unspecified() || !service.vip.contains(address)) continue;
    report.broken(path,
                  what + " is a VIP, of service " + service.name +
                      "; write an address of the subnet between routers and MUXes",
                  {path + ".address", at("services", s) + ".vip"});
    break;
  }
  std::string why;
  if (!place_of(model.dataplane, iip, why))
    report.broken(path, std::move(why), {path + ".address", path + ".port", "dataplane.ports"});
}

}  // namespace

void judge_addresses(Report& report, const Model& model) {
  const std::string list = "iips";
  all_differ(
      report, list, model.iips, {"address"},
      [](const Iip& iip) {
        const IpAddress& address = iip.address.address;
        return address.is_unspecified() ? std::string() : "the IIP " + to_string(address);
      },
      "keep one");
  for (std::size_t i = 0; i < model.iips.size(); ++i)
    if (!model.iips[i].address.address.is_unspecified()) judge_iip(report, at(list, i), model.iips[i], model);
}

}  // namespace sluice::config
