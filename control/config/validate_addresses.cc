// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The rules about addresses that a MUX takes beside its ports' own.
#include <algorithm>

#include "control/config/iip.h"
#include "control/config/judging.h"
#include "control/config/key.h"
#include "control/config/pool.h"

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

void judge_members(Report& report, const Model& model) {
  const Pool& pool = model.pool;
  const std::string list = "pool.members";
  judge_count(report, list, "members", pool.members.size(), limits::kPoolMembers);
  judge_count(report, "iips", "IIPs of a pool", model.iips.size(), limits::kPoolIips);
  all_differ(
      report, list, pool.members, {"name"},
      [](const PoolMember& m) { return m.name.empty() ? m.name : "name = " + quote(m.name); },
      "give each member its own name");
  all_differ(
      report, list, pool.members, {"address"},
      [](const PoolMember& m) {
        return m.address.is_unspecified() ? std::string() : "address = " + quote(to_string(m.address));
      },
      "give each member its own address");
  for (std::size_t i = 0; i < pool.members.size(); ++i)
    if (pool.members[i].address.is_v4() != pool.members[0].address.is_v4())
      report.broken(at(list, i),
                    "the member " + pool.members[i].name +
                        " has an address of another family than the first; adverts "
                        "go from one address to all others",
                    {at(list, i) + ".address", at(list, 0) + ".address"});
  if (self_of(model)) return;
  report.broken(
      "pool",
      pool.member.empty()
          ? "no member, or more than one, has an address that a port of this MUX has; say which it is, as in "
            "member = \"mux1\";"
          : "member = " + quote(pool.member) + " is not among the members; add it, or name one of them",
      {"pool.member", list, "dataplane.ports"});
}

void judge_homes(Report& report, const Model& model) {
  for (std::size_t i = 0; i < model.iips.size(); ++i) {
    const std::string& home = model.iips[i].home;
    const auto is_home = [&](const PoolMember& member) { return member.name == home; };
    if (home.empty() || std::ranges::any_of(model.pool.members, is_home)) continue;
    report.broken(
        at("iips", i) + ".home",
        "home = " + quote(home) + " is no member of the pool; write the name of one, or leave it out",
        {at("iips", i) + ".home", "pool.members"});
  }
}

}  // namespace

std::optional<std::string> self_of(const Model& model) {
  const std::vector<PoolMember>& members = model.pool.members;
  std::optional<std::string> self;
  for (const PoolMember& member : members) {
    bool is_self = member.name == model.pool.member;
    for (const Port& port : model.dataplane.ports)
      for (const InterfaceAddress& own : port.addresses)
        is_self = is_self || (model.pool.member.empty() && own.address == member.address);
    if (!is_self) continue;
    if (self) return std::nullopt;
    self = member.name;
  }
  return self;
}

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
  if (!model.pool.name.empty()) judge_members(report, model);
  judge_homes(report, model);
}

}  // namespace sluice::config
