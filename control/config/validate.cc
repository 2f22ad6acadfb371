// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/validate.h"

#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "control/config/address_port.h"
#include "control/config/judge_flows.h"
#include "control/config/judging.h"
#include "control/config/keys.h"
#include "control/config/probe_rules.h"
#include "control/config/rules.h"
#include "dataplane/door/counters.h"

namespace sluice::config {

using namespace judging;

namespace {

static_assert(limits::kPorts == kMaxPorts && limits::kWorkers == kMaxWorkers &&
              limits::kServices == kMaxServices && limits::kDips == kMaxTargets);

bool is_ipv6(const Port& port) {
  for (const InterfaceAddress& own : port.addresses)
    if (!own.address.is_v4()) return true;
  return port.gateway6.has_value();
}

void judge_gateway(Report& report, const std::string& path, const Port& port, const std::string& key,
                   const std::optional<IpAddress>& gateway) {
  if (!gateway) return;
  const std::string where = path + '.' + key;
  const std::vector<std::string> judged = {where, path + ".address", path + ".gateway_mac"};
  const std::string what = key + " = " + quote(to_string(*gateway));
  if (auto wrong = rules::host_address(what, *gateway); !wrong.empty())
    return report.broken(where, std::move(wrong), judged);
  bool inside = gateway->is_link_local() || port.gateway_mac.has_value();
  for (const InterfaceAddress& own : port.addresses) {
    if (own.address == *gateway)
      return report.broken(where, what + " is the MUX's own address; write the router's", judged);
    inside = inside || Prefix{mask(own.address, own.prefix_length), own.prefix_length}.contains(*gateway);
  }
  if (!inside)
    report.broken(
        where,
        what +
            " is in none of the port's subnets; write a router that is, add its subnet to address, or "
            "give gateway_mac",
        judged);
}

void judge_port(Report& report, const std::string& path, const Port& port) {
  for (std::size_t i = 0; i < port.addresses.size(); ++i) {
    const IpAddress& own = port.addresses[i].address;
    if (auto what = rules::host_address("address = " + quote(to_string(own)), own); !what.empty())
      report.broken(at(path + ".address", i), std::move(what), {at(path + ".address", i)});
  }
  judge_gateway(report, path, port, "gateway", port.gateway);
  judge_gateway(report, path, port, "gateway6", port.gateway6);
  if (port.mtu >= 576 && port.mtu < 1280 && is_ipv6(port))
    report.broken(path + ".mtu",
                  "mtu = " + std::to_string(port.mtu) + " is too small for IPv6; write 1280 to 9600",
                  {path + ".mtu", path + ".address", path + ".gateway6"});
}

void judge_ports(Report& report, const std::vector<Port>& ports) {
  const std::string list = "dataplane.ports";
  if (ports.empty())
    report.broken(list,
                  "the dataplane has no ports; add one, as in ports = ( { name = \"uplink\"; device = "
                  "\"net_af_packet0,iface=eth1\"; } );",
                  {list});
  auto quoted = [](std::string_view key, const std::string& value) {
    return value.empty() ? value : std::string(key) + " = " + quote(value);
  };
  all_differ(
      report, list, ports, {"name"}, [&](const Port& p) { return quoted("name", p.name); },
      "give each port its own name");
  all_differ(
      report, list, ports, {"device"}, [&](const Port& p) { return quoted("device", p.device); },
      "give each port its own device");
  all_differ(
      report, list, ports, {"kernel_interface"},
      [&](const Port& p) { return quoted("kernel_interface", p.kernel_interface); },
      "give each port its own interface");
  std::unordered_map<IpAddress, std::string> owners;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const std::string path = at(list, i);
    judge_port(report, path, ports[i]);
    for (std::size_t j = 0; j < ports[i].addresses.size(); ++j) {
      const IpAddress& own = ports[i].addresses[j].address;
      const auto [owner, is_new] = owners.try_emplace(own, at(path + ".address", j));
      if (!is_new)
        twice(report, {owner->second}, {at(path + ".address", j)}, "address = " + quote(to_string(own)),
              "keep one");
    }
  }
}

void judge_workers(Report& report, const std::vector<Worker>& workers) {
  const std::string list = "dataplane.workers";
  if (workers.empty())
    return report.broken(list, "the dataplane has no workers; add one, as in workers = ( { lcore = 1; } );",
                         {list});
  all_differ(
      report, list, workers, {"lcore"}, [](const Worker& w) { return "lcore = " + std::to_string(w.lcore); },
      "give each worker its own lcore");
  bool tier1 = false, tier2 = false;
  for (const Worker& worker : workers) {
    tier1 = tier1 || worker.tier1;
    tier2 = tier2 || worker.tier2;
  }
  if (!tier1) report.broken(list, "no worker carries tier 1; set tier1 = true for at least one", {list});
  if (!tier2) report.broken(list, "no worker carries tier 2; set tier2 = true for at least one", {list});
}

// Finds what holds an address among many prefixes: one lookup for each length that occurs.
class Prefixes {
 public:
  void add(const Prefix& prefix, std::size_t service) {
    if (prefix.address.is_unspecified()) return;
    lengths_.insert({prefix.address.is_v4(), prefix.length});
    services_.try_emplace(prefix, service);
  }
  const std::size_t* find(const IpAddress& address) const {
    for (const auto& [four, length] : lengths_) {
      if (four != address.is_v4()) continue;
      if (const auto found = services_.find({mask(address, length), length}); found != services_.end())
        return &found->second;
    }
    return nullptr;
  }

 private:
  std::set<std::pair<bool, std::uint8_t>> lengths_;
  std::map<Prefix, std::size_t> services_;
};

struct Known {  // what every DIP is held against
  Prefixes vips;
  std::unordered_set<IpAddress> own;
};

void judge_dip(Report& report, const std::string& path, const Dip& dip, const Model& model,
               const Known& known) {
  if (const std::size_t* index = known.vips.find(dip.address)) {
    const std::string vip = at("services", *index) + ".vip";
    const std::string line = report.line_of(vip, path);
    report.broken(path,
                  "the DIP " + to_string(dip.address) + " is a VIP, of service " +
                      model.services[*index].name + (line.empty() ? "" : " at " + line) +
                      "; write the server's own address",
                  {path + ".address", vip});
  }
  if (known.own.contains(dip.address))
    report.broken(path, "the DIP " + to_string(dip.address) + " is the MUX's own address; write the server's",
                  {path + ".address"});
}

// A group lives on a worker that carries tier 2.
void judge_owner(Report& report, const std::string& path, const Group& group,
                 const std::vector<Worker>& workers) {
  if (!group.worker) return;
  std::string owners;
  for (const Worker& worker : workers) {
    if (!worker.tier2) continue;
    if (worker.lcore == *group.worker) return;
    (owners += owners.empty() ? "" : ", ") += std::to_string(worker.lcore);
  }
  report.broken(
      path, "worker = " + std::to_string(*group.worker) + " is no worker of tier 2; write one of: " + owners,
      {path, "dataplane.workers"});
}

// Two DIPs of a list are two, whatever port stands for the VIP's: `vip_port`.
void judge_dips_differ(Report& report, const std::string& list, const std::vector<Dip>& dips,
                       std::uint16_t vip_port) {
  all_differ(
      report, list, dips, {},
      [&](const Dip& dip) {
        if (dip.address.is_unspecified()) return std::string();
        return "the DIP " + to_string(AddressPort{dip.address, dip.port != 0 ? dip.port : vip_port});
      },
      "keep one, with the weight of both");
}

// The DIPs of a list are held against everything where the list stands; a group that shares it needs to name
// one that is there, and its port must not make two of its DIPs one.
void judge_shared(Report& report, const std::string& path, const Group& group, const Service& service,
                  const Model& model) {
  std::vector<std::string_view> names;
  for (const DipList& list : model.dip_lists) {
    if (list.name == group.dip_list) return judge_dips_differ(report, path, group.dips, service.port);
    names.push_back(list.name);
  }
  report.broken(path,
                "there is no list of DIPs named " + quote(group.dip_list) + "; " +
                    (names.empty() ? "add dip_lists = ( { name = " + quote(group.dip_list) +
                                         "; dips = ( … ); } );, or write the DIPs themselves"
                                   : "the nearest one is " + quote(nearest(group.dip_list, names))),
                {path});
}

void judge_groups(Report& report, const std::string& path, const Service& service, const Model& model,
                  const Known& known) {
  all_differ(
      report, path + ".groups", service.groups, {"name"},
      [](const Group& g) { return g.name.empty() ? g.name : "name = " + quote(g.name); },
      "give each group of the service its own name");
  for (std::size_t i = 0; i < service.groups.size(); ++i) {
    judge_owner(report, at(path + ".groups", i) + ".worker", service.groups[i], model.dataplane.workers);
    const std::string list = at(path + ".groups", i) + ".dips";
    const std::vector<Dip>& dips = service.groups[i].dips;
    if (!service.groups[i].dip_list.empty()) {
      judge_shared(report, list, service.groups[i], service, model);
      continue;
    }
    for (std::size_t j = 0; j < dips.size(); ++j) judge_dip(report, at(list, j), dips[j], model, known);
    judge_dips_differ(report, list, dips, service.port);
  }
}

void judge_lists(Report& report, const Model& model, const Known& known) {
  all_differ(
      report, "dip_lists", model.dip_lists, {"name"},
      [](const DipList& l) { return l.name.empty() ? l.name : "name = " + quote(l.name); },
      "give each list of DIPs its own name");
  for (std::size_t i = 0; i < model.dip_lists.size(); ++i) {
    const std::string list = at("dip_lists", i) + ".dips";
    const std::vector<Dip>& dips = model.dip_lists[i].dips;
    for (std::size_t j = 0; j < dips.size(); ++j) judge_dip(report, at(list, j), dips[j], model, known);
    judge_dips_differ(report, list, dips, 0);
  }
}

void judge_outer_source(Report& report, const std::string& path, const Service& service) {
  bool four = false, six = false;
  for (const Group& group : service.groups)
    for (const Dip& dip : group.dips) (dip.address.is_v4() ? four : six) = true;
  const std::string where = path + ".outer_source";
  const std::vector<std::string> judged = {where,          path + ".vip",           path + ".groups",
                                           path + ".dips", path + ".outer_prefix4", path + ".outer_prefix6"};
  if (service.outer_source == OuterSource::kClient && (service.vip.address.is_v4() ? six : four))
    report.broken(
        where,
        "outer_source = \"client\" needs DIPs of the VIP's address family; write \"mux\" or \"prefix\"",
        judged);
  if (service.outer_source != OuterSource::kPrefix) return;
  const bool neither = !four && !six && !service.outer_prefix4 && !service.outer_prefix6;
  if ((four || neither) && !service.outer_prefix4)
    report.broken(
        where, "outer_source = \"prefix\" needs a prefix; add one, as in outer_prefix4 = \"10.255.0.0/16\";",
        judged);
  if (six && !service.outer_prefix6)
    report.broken(
        where,
        "outer_source = \"prefix\" needs a prefix; add one, as in outer_prefix6 = \"2001:db8:ff::/64\";",
        judged);
}

bool has_ports(Protocol protocol) {
  return protocol == Protocol::kTcp || protocol == Protocol::kUdp || protocol == Protocol::kSctp;
}

void judge_probe_way(Report& report, const std::string& path, const Service& service, const Model& model) {
  const std::string health = path + ".health";
  if (std::string what = wrong_with_way(service, model); !what.empty())
    report.broken(health + ".through", std::move(what),
                  {health + ".through", health + ".type", health + ".port", path + ".port",
                   path + ".protocol", path + ".vip", "dataplane.ports"});
}

// Only an agent says how loaded its server is.
void judge_load(Report& report, const std::string& path, const Service& service) {
  const HealthType type = service.health.type;
  const std::vector<std::string> judged = {path + ".weights", path + ".balance_groups", path + ".health"};
  if (service.weights == Weights::kAdaptive && type != HealthType::kAgent && type != HealthType::kAgentCheck)
    report.broken(
        path + ".weights",
        "weights = \"adaptive\" needs reports of load; add health = { type = \"agent\"; }, or write "
        "weights = \"configured\"",
        judged);
  if (service.balance_groups && type != HealthType::kAgent)
    report.broken(path + ".balance_groups",
                  "balance_groups = true needs reports of load; add health = { type = \"agent\"; }, or write "
                  "balance_groups = false",
                  judged);
}

void judge_service(Report& report, const std::string& path, const Service& service) {
  if (!has_ports(service.protocol) && service.port != 0)
    report.broken(path + ".port",
                  "port = " + std::to_string(service.port) + " means nothing with protocol = " +
                      quote(to_word(service.protocol)) + "; write port = 0, or protocol = \"tcp\"",
                  {path + ".port", path + ".protocol"});
  if (lacks_probe_port(service))
    report.broken(path + ".health",
                  "health of type " + quote(to_word(service.health.type)) +
                      " needs a port, and the service takes every port; add one, as in port = 80;",
                  {path + ".health", path + ".port", path + ".groups"});
  if (service.scheduler != Scheduler::kHash && service.stickiness != Stickiness::kFlow)
    report.broken(path + ".scheduler",
                  "scheduler = " + quote(to_word(service.scheduler)) +
                      " needs stickiness = \"flow\", since only a table remembers its choices; write "
                      "scheduler = \"hash\", or stickiness = \"flow\"",
                  {path + ".scheduler", path + ".stickiness"});
  judge_load(report, path, service);
  judge_outer_source(report, path, service);
  judge_flows(report, path, service);
}

void judge_services(Report& report, const Model& model) {
  const std::string list = "services";
  Known known;
  for (const Port& port : model.dataplane.ports)
    for (const InterfaceAddress& own : port.addresses)
      if (!own.address.is_unspecified()) known.own.insert(own.address);
  for (const Iip& iip : model.iips)
    if (!iip.address.address.is_unspecified()) known.own.insert(iip.address.address);
  for (std::size_t i = 0; i < model.services.size(); ++i) known.vips.add(model.services[i].vip, i);
  all_differ(
      report, list, model.services, {"name"},
      [](const Service& s) { return s.name.empty() ? s.name : "name = " + quote(s.name); },
      "give each service its own name");
  all_differ(
      report, list, model.services, {"vip", "protocol", "port"},
      [](const Service& s) {
        if (s.vip.address.is_unspecified()) return std::string();
        return "the VIP " + to_string(s.vip) + " with protocol " + std::string(to_word(s.protocol)) +
               (has_ports(s.protocol) ? " and port " + std::to_string(s.port) : std::string());
      },
      "change the address, the protocol or the port of one");
  for (std::size_t i = 0; i < model.services.size(); ++i) {
    judge_service(report, at(list, i), model.services[i]);
    judge_probe_way(report, at(list, i), model.services[i], model);
    judge_groups(report, at(list, i), model.services[i], model, known);
  }
  judge_lists(report, model, known);
}

}  // namespace

void settle_ports(Service& service) {
  for (Group& group : service.groups)
    for (Dip& dip : group.dips)
      if (dip.port == service.port) dip.port = 0;
}

void judge(Report& report, const Model& model) {
  std::size_t dips = 0;
  for (const Service& service : model.services)
    for (const Group& group : service.groups) dips += group.dips.size();
  judge_count(report, "dataplane.ports", "ports", model.dataplane.ports.size(), limits::kPorts);
  judge_count(report, "dataplane.workers", "workers", model.dataplane.workers.size(), limits::kWorkers);
  judge_count(report, "services", "services", model.services.size(), limits::kServices);
  judge_count(report, "services", "DIPs", dips, limits::kDips);
  judge_count(report, "iips", "IIPs", model.iips.size(), limits::kIips);
  judge_section(report, model, model_keys());
  judge_ports(report, model.dataplane.ports);
  judge_workers(report, model.dataplane.workers);
  judge_services(report, model);
  judge_addresses(report, model);
}

std::vector<Problem> validate(const Model& model) {
  Report report;
  judge(report, model);
  return report.problems();
}

}  // namespace sluice::config
