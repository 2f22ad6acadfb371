// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/rpc/iip.h"

#include <set>

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

config::Iip iip_of(const json& params) {
  config::Iip iip;
  iip.address = address_of(params);
  iip.port = params.value("port", "");
  return iip;
}

config::Model must(config::Edit edit) {
  if (!edit) throw Error(edit.error);
  return *std::move(edit.model);
}

// In a pool also those that another member holds.
json list_of(const Appliance& appliance, const announce::Announcer& announcer, const pool::Pool* pool) {
  json list = json::array();
  std::set<IpAddress> here;
  for (const announce::Row& row : announcer.rows()) {
    here.insert(row.address.address);
    list.push_back(row_of(row));
    if (pool) list.back()["member"] = row.state == "held" || row.state == "contested" ? pool->self() : "";
  }
  if (!pool) return list;
  for (const config::Iip& iip : appliance.live.model().iips) {
    const IpAddress& address = iip.address.address;
    if (here.contains(address)) continue;
    const std::string holder = pool->holder(address);
    list.push_back({{"address", to_string(address)},
                    {"state", holder.empty() ? "unclaimed" : "elsewhere"},
                    {"member", holder},
                    {"why", holder.empty() ? "no member holds it" : holder + " holds it"}});
  }
  return list;
}

json held_here(const announce::Announcer& announcer) {
  json held = json::array();
  for (const announce::Row& row : announcer.rows())
    if (announcer.holds(row.address.address)) held.push_back(to_string(row.address.address));
  return held;
}

// Takes the address first: what somebody defends never enters the configuration that runs.
void add(Appliance& appliance, announce::Announcer& announcer, const json& params, const Reply& reply) {
  const config::Iip iip = iip_of(params);
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

// The pool decides who takes it, and asks the wire then.
void add_to_pool(Appliance& appliance, const json& params, const Reply& reply) {
  reply.result(
      {{"done", appliance.apply(must(config::add_iip(appliance.live.model(), iip_of(params))), {})}});
}

const Parameter kAddress = {.name = "address", .required = true, .help = "the IIP"};

}  // namespace

void add_iip(Router& router, Appliance& appliance, announce::Announcer& announcer, pool::Pool* pool) {
  appliance.status_parts["iips"] = [&announcer] { return held_here(announcer); };
  if (pool) {
    appliance.status_parts["pool"] = [pool]() -> json {
      return {{"name", pool->name()}, {"member", pool->self()}, {"role", pool->role()}};
    };
  }
  router.add({.name = "iip.list",
              .help = "IIPs: whether they are held, since when, and who else claims them.",
              .handler = [&appliance, &announcer, pool](const json&) {
                return list_of(appliance, announcer, pool);
              }});
  router.add({.name = "iip.add",
              .access = Access::kChange,
              .parameters = {{.name = "address", .required = true, .help = "as 10.0.0.100 or 10.0.0.100/24"},
                             {.name = "port", .help = "the port it is on, when several could be meant"}},
              .help = "Takes an address after asking whether anybody defends it.",
              .later = [&appliance, &announcer, pool](const json& params, const Reply& reply) {
                pool ? add_to_pool(appliance, params, reply) : add(appliance, announcer, params, reply);
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
