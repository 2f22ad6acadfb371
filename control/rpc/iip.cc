// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/rpc/iip.h"

#include "control/config/address_port.h"
#include "control/config/edit.h"
#include "control/config/forms.h"

namespace sluice::rpc {

using nlohmann::json;

namespace {

json row_of(const announce::Row& row) {
  json out = {{"address", to_string(row.address.address)},
              {"prefix_length", row.address.prefix_length},
              {"port", row.port},
              {"state", row.state},
              {"since_s", static_cast<double>(row.since.count()) / 1000.0},
              {"conflicts", row.conflicts},
              {"announcements", row.announcements},
              {"why", row.why}};
  if (row.mac) out["mac"] = to_string(*row.mac);
  return out;
}

config::InterfaceAddress address_of(const json& params) {
  const std::string text = params.at("address");
  if (const auto address = config::form::kIip.parse(text)) return *address;
  throw Error(kInvalidParams, shown(text) + " is no address; right would be 10.0.0.100 or 10.0.0.100/24");
}

config::Model must(config::Edit edit) {
  if (!edit) throw Error(edit.error);
  return *std::move(edit.model);
}

// Takes the address first: what somebody defends never enters the configuration that runs.
void add(Appliance& appliance, announce::Announcer& announcer, const json& params, const Reply& reply) {
  config::Iip iip;
  iip.address = address_of(params);
  iip.port = params.value("port", "");
  must(config::add_iip(appliance.live.model(), iip));
  const auto ended = [&appliance, &announcer, iip, reply](const std::optional<std::string>& refused) {
    if (refused) return reply.error(Error(*refused));
    try {
      reply.result({{"done", appliance.apply(must(config::add_iip(appliance.live.model(), iip)), {})}});
    } catch (const Error& error) {
      announcer.configure(appliance.live.model());
      reply.error(error);
    }
  };
  if (const auto refused = announcer.add(appliance.live.model(), iip, ended)) throw Error(*refused);
}

const Parameter kAddress = {.name = "address", .required = true, .help = "the IIP"};

}  // namespace

void add_iip(Router& router, Appliance& appliance, announce::Announcer& announcer) {
  router.add({.name = "iip.list",
              .help = "IIPs: whether they are held, since when, and who else claims them.",
              .handler = [&announcer](const json&) -> json {
                json list = json::array();
                for (const announce::Row& row : announcer.rows()) list.push_back(row_of(row));
                return list;
              }});
  router.add({.name = "iip.add",
              .access = Access::kChange,
              .parameters = {{.name = "address", .required = true, .help = "as 10.0.0.100 or 10.0.0.100/24"},
                             {.name = "port", .help = "the port it is on, when several could be meant"}},
              .help = "Takes an address after asking whether anybody defends it.",
              .later = [&appliance, &announcer](const json& params, const Reply& reply) {
                add(appliance, announcer, params, reply);
              }});
  router.add(
      {.name = "iip.remove",
       .access = Access::kChange,
       .parameters = {kAddress},
       .help = "Gives an address up.",
       .handler = [&appliance](const json& params) -> json {
         const IpAddress address = address_of(params).address;
         return {{"done", appliance.apply(must(config::remove_iip(appliance.live.model(), address)), {})}};
       }});
  router.add({.name = "iip.announce",
              .access = Access::kChange,
              .parameters = {kAddress},
              .help = "Tells the neighbours again who holds it.",
              .handler = [&announcer](const json& params) -> json {
                const IpAddress address = address_of(params).address;
                if (!announcer.announce(address))
                  throw Error(kNotFound, "IIP " + to_string(address) + " is not held here; see iip list");
                return {{"done", {"announced IIP " + to_string(address)}}};
              }});
}

}  // namespace sluice::rpc
