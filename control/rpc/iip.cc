// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/rpc/iip.h"

#include <array>
#include <set>

#include "control/config/address_port.h"
#include "control/config/edit.h"
#include "control/config/forms.h"
#include "control/metrics/text.h"

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
json list_of(const config::Model& model, const announce::Announcer& announcer, const pool::Pool* pool) {
  json list = json::array();
  std::set<IpAddress> here;
  for (const announce::Row& row : announcer.rows()) {
    here.insert(row.address.address);
    list.push_back(row_of(row));
    if (pool) list.back()["member"] = row.state == "held" || row.state == "contested" ? pool->self() : "";
  }
  if (!pool) return list;
  for (const config::Iip& iip : model.iips) {
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

// What explain says of IIPs: of one that is the destination, and of those that bring packets for VIPs.
json rows_of_family(const json& list, const FlowKey& key) {
  json rows = json::array();
  for (const json& row : list) {
    if (parse_address(row["address"].get<std::string>())->is_v4() != key.destination.is_v4()) continue;
    rows.push_back({{"address", row["address"]}, {"state", row["state"]}});
    for (const char* more : {"member", "why"})
      // NOLINTNEXTLINE(readability-container-size-empty): a JSON value is no container.
      if (row.contains(more) && row[more] != "") rows.back()[more] = row[more];
  }
  return rows;
}

void explain_iips(json& answer, const json& list, const FlowKey& key) {
  const std::string destination = to_string(key.destination);
  json rows = rows_of_family(list, key);
  for (const json& row : rows) {
    if (row["address"] != destination) continue;
    const std::string state = row["state"];
    answer["reason"] = answer["verdict"] == "punted"
                           ? "the destination is an IIP that this MUX holds: the kernel gets the packet"
                           : "the destination is an IIP, " + state +
                                 (state == "elsewhere" ? ": " + row.value("why", "") : "");
  }
  if (!rows.empty()) answer["iips"] = std::move(rows);
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
      json members = json::object();
      for (const pool::Row& row : pool->rows()) members[row.name] = row.role;
      return {{"name", pool->name()}, {"member", pool->self()}, {"role", pool->role()}, {"members", members}};
    };
  }
  appliance.explain_parts.emplace_back([&appliance, &announcer, pool](const FlowKey& key, json& answer) {
    explain_iips(answer, list_of(appliance.live.model(), announcer, pool), key);
  });
  router.add({.name = "iip.list",
              .help = "IIPs: whether they are held, since when, and who else claims them.",
              .handler = [&appliance, &announcer, pool](const json&) {
                return list_of(appliance.live.model(), announcer, pool);
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

std::string render_iips(const config::Model& model, const announce::Announcer& announcer,
                        const pool::Pool* pool) {
  static constexpr std::array kStates = {"probing", "refused", "held", "contested", "elsewhere", "unclaimed"};
  metrics::Text text;
  const json list = list_of(model, announcer, pool);
  text.gauge("sluice_iip", "1 for the state that an IIP is in, as iip list has it.");
  for (const json& row : list)
    for (const char* state : kStates)
      text.sample({{"iip", row["address"].get_ref<const std::string&>()}, {"state", state}},
                  row["state"] == state);
  text.gauge("sluice_iip_owner", "1 for the member of the pool that holds the IIP.");
  for (const json& row : list) {
    const std::string member = row.value("member", "");
    if (!member.empty())
      text.sample({{"iip", row["address"].get_ref<const std::string&>()}, {"member", member}}, 1);
  }
  const announce::Stats& stats = announcer.stats();
  const auto counter = [&](const char* name, const char* help, std::uint64_t value) {
    text.counter(name, help);
    text.sample({}, value);
  };
  counter("sluice_iips_taken_total", "IIPs that were taken.", stats.taken);
  counter("sluice_iips_given_up_total", "IIPs that were given up.", stats.given_up);
  counter("sluice_iips_refused_total", "IIPs that were not taken, since another host had them.",
          stats.refused);
  counter("sluice_iip_conflicts_total", "Frames in which another host said that it has an IIP of ours.",
          stats.conflicts);
  counter("sluice_iip_announcements_total", "Gratuitous ARPs and unsolicited neighbour advertisements sent.",
          stats.announcements);
  counter("sluice_iip_fences_total", "Runs of fence_command.", stats.fences);
  return text.take();
}

}  // namespace sluice::rpc
