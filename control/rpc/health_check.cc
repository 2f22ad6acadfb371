// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <utility>

#include "control/config/address_port.h"
#include "control/rpc/appliance.h"
#include "control/rpc/health.h"

namespace sluice::rpc {

using nlohmann::json;

namespace {

const config::Dip& find_dip(const config::Service& service, const std::string& text) {
  const auto wanted = config::parse_address_port(text);
  std::string names;
  for (const config::Group& group : service.groups) {
    for (const config::Dip& dip : group.dips) {
      const config::AddressPort named{dip.address, dip.port};
      if (wanted && *wanted == named) return dip;
      (names += names.empty() ? "" : ", ") += config::to_string(named);
    }
  }
  throw Error(kNotFound, "service " + service.name + " has no DIP " + shown(text) +
                             (names.empty() ? "; it has none" : "; its DIPs: " + names));
}

json shape_of(const std::string& service, const std::string& address, const health::Diagnosis& diagnosis) {
  json steps = json::array();
  for (const health::Step& step : diagnosis.steps) {
    steps.push_back({{"step", step.name}, {"text", step.text}});
    steps.back()["ok"] = step.ok ? json(*step.ok) : json();
  }
  return {{"service", service},
          {"address", address},
          {"ok", diagnosis.well},
          {"verdict", diagnosis.verdict},
          {"steps", std::move(steps)}};
}

}  // namespace

void add_health_check(Router& router, const Appliance& appliance, HealthCheck check) {
  router.add({.name = "health.check",
              .parameters = {{.name = "service", .required = true, .help = "the service's name"},
                             {.name = "address",
                              .required = true,
                              .help = "the DIP, with :port where it has its own"}},
              .help = "Walks the whole way to a DIP once and names what is wrong.",
              .later = [&appliance, check = std::move(check)](const json& params, const Reply& reply) {
                const std::string name = params.at("service"), address = params.at("address");
                const config::Service& service = find_service(appliance, name);
                const auto done = [reply, name, address](const health::Diagnosis& diagnosis) {
                  reply.result(shape_of(name, address, diagnosis));
                };
                if (!check(service, find_dip(service, address), done))
                  throw Error(kBusy, "the doctor has too many patients; ask again in a few seconds");
              }});
}

}  // namespace sluice::rpc
