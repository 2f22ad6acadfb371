// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/route/wanted.h"

#include <algorithm>
#include <iterator>
#include <map>

namespace sluice::route {
namespace {

using config::Announce;

bool wants(const ServiceFacts& service) {
  return service.announce == Announce::kAlways || (service.announce == Announce::kLive && service.alive > 0);
}

std::string why_wanted(const ServiceFacts& service) {
  if (service.announce == Announce::kAlways) return "service " + service.name + " is announced always";
  return "service " + service.name + ": " + std::to_string(service.alive) + " of " +
         std::to_string(service.dips) + (service.dips == 1 ? " DIP is alive" : " DIPs are alive");
}

std::string why_not(const std::vector<const ServiceFacts*>& services) {
  std::string waiting, names;
  bool any_dip = false;
  for (const ServiceFacts* service : services) {
    (names += names.empty() ? "" : ", ") += service->name;
    if (service->announce != Announce::kLive) continue;
    (waiting += waiting.empty() ? "" : ", ") += service->name;
    any_dip |= service->dips > 0;
  }
  if (waiting.empty()) return "service " + names + " is announced never";
  return any_dip ? "no DIP of " + waiting + " is alive" : "service " + waiting + " has no DIP";
}

}  // namespace

std::vector<Announcement> decide(std::span<const ServiceFacts> services) {
  std::map<Prefix, std::vector<const ServiceFacts*>> by_vip;
  for (const ServiceFacts& service : services) by_vip[service.vip].push_back(&service);
  std::vector<Announcement> all;
  for (const auto& [prefix, sharing] : by_vip) {
    Announcement one{.prefix = prefix, .wanted = false, .services = {}, .why = {}};
    for (const ServiceFacts* service : sharing) one.services.push_back(service->name);
    const auto first = std::ranges::find_if(sharing, [](const ServiceFacts* s) { return wants(*s); });
    one.wanted = first != sharing.end();
    one.why = one.wanted ? why_wanted(**first) : why_not(sharing);
    all.push_back(std::move(one));
  }
  return all;
}

std::set<Prefix> wanted_prefixes(std::span<const Announcement> announcements) {
  std::set<Prefix> prefixes;
  for (const Announcement& one : announcements) {
    if (one.wanted) prefixes.insert(one.prefix);
  }
  return prefixes;
}

Difference difference(const std::set<Prefix>& there, const std::set<Prefix>& wanted) {
  Difference change;
  std::ranges::set_difference(wanted, there, std::back_inserter(change.add));
  std::ranges::set_difference(there, wanted, std::back_inserter(change.remove));
  return change;
}

}  // namespace sluice::route
