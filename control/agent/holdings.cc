// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/holdings.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "control/agent/sysctl.h"

namespace sluice::agent {
namespace {

constexpr unsigned kSmallestMtu = 576;  // RFC 791: every IPv4 host takes that much

template <class T>
bool contains(const std::vector<T>& all, const T& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

void add(std::vector<std::string>& all, const std::string& one) {
  if (!contains(all, one)) all.push_back(one);
}

}  // namespace

std::uint32_t inner_mtu(const Config& config, unsigned interface_mtu_bytes) {
  if (config.advertised_mtu_bytes != 0) return config.advertised_mtu_bytes;
  return std::max(kSmallestMtu,
                  interface_mtu_bytes - std::min(interface_mtu_bytes, config.mtu_overhead_bytes));
}

Holdings::Holdings(const Config& config, KernelLink& link)
    : config_(config), link_(link), file_(config.state), ledger_(file_.load()) {
  if (ledger_ != Ledger{})
    spdlog::warn("an agent ended without cleaning up ({}): taking over from it", file_.path());
}

void Holdings::hold(Tunnel& tunnel, bool starting) {
  release_unwanted();
  const auto there = link_.addresses();
  for (const Vip& vip : config_.vips) hold_vip(vip.prefix, there);
  tell_own_addresses(tunnel, there);
  for (const std::string& name : config_.interfaces) hold_interface(name, tunnel, starting);
}

void Holdings::hold_vip(const Prefix& vip, const KernelLink::Addresses& there) {
  const std::string text = to_string(vip);
  const bool present = std::any_of(there.loopback.begin(), there.loopback.end(),
                                   [&](const Prefix& p) { return p.address == vip.address; });
  if (present) return;
  if (contains(there.others, vip.address))
    throw std::runtime_error("VIP " + text +
                             " is an address of another interface, where neighbours are told of it: " +
                             "remove it there, the agent holds it on lo");
  if (!contains(ledger_.addresses, text)) {
    ledger_.addresses.push_back(text);
    record();
  }
  link_.add_vip(vip);
  spdlog::info("holds VIP {} on lo", text);
}

void Holdings::hold_interface(const std::string& name, Tunnel& tunnel, bool starting) {
  const auto info = link_.interface(name);
  const auto known = attached_.find(name);
  if (known != attached_.end() && (!info || known->second.index != info->index)) {
    spdlog::warn("interface {} is gone", name);
    tunnel.forget_inner_mtu(known->second.index);
    attached_.erase(known);
  }
  if (!info) {
    if (starting)
      throw std::runtime_error("there is no interface " + name + ", name one that `ip link` shows");
    return;
  }
  if (!info->ethernet)
    throw std::runtime_error(
        "interface " + name +
        " is no Ethernet interface, name the one where the tunnel packets of the MUX come in");
  hold_sysctls(name);
  if (config_.clamp_mss) tunnel.set_inner_mtu(info->index, inner_mtu(config_, info->mtu_bytes));
  if (!attached_.contains(name)) attach(name, *info, tunnel);
  attached_[name] = *info;
}

void Holdings::attach(const std::string& name, const InterfaceInfo& info, Tunnel& tunnel) {
  ledger_.tc_priority = config_.tc_priority;
  add(ledger_.interfaces, name);
  record();
  if (tunnel.attach(name, info.index)) {
    add(ledger_.qdiscs, name);
    record();
  }
  spdlog::info("decapsulates on {}, MTU {}", name, info.mtu_bytes);
}

void Holdings::hold_sysctls(const std::string& interface) {
  auto& recorded = ledger_.sysctls;
  const auto entry = [&](const std::string& path) {
    return std::find_if(recorded.begin(), recorded.end(), [&](const auto& s) { return s.path == path; });
  };
  // As if we had changed nothing yet, so that what a killed agent changed is wanted again.
  const auto before = [&](const std::string& path) {
    const auto e = entry(path);
    return e != recorded.end() ? std::optional(e->before) : read_sysctl(path);
  };
  for (const auto& [path, value] : sysctls_for_dsr(interface, before)) {
    const auto current = read_sysctl(path);
    if (current == value && entry(path) != recorded.end()) continue;
    if (entry(path) == recorded.end()) {
      recorded.push_back({path, current.value_or(""), value});
      record();
    }
    if (!write_sysctl(path, value))
      throw std::runtime_error("cannot set " + path + " to " + value + ": " + std::strerror(errno) +
                               ", run the agent as root, or set it yourself before");
    spdlog::info("sysctl {} {} -> {}", path, current.value_or("?"), value);
  }
}

void Holdings::tell_own_addresses(Tunnel& tunnel, const KernelLink::Addresses& there) const {
  std::vector<IpAddress> own;
  for (const IpAddress& a : there.others)
    if (std::none_of(config_.vips.begin(), config_.vips.end(),
                     [&](const Vip& v) { return v.prefix.contains(a); }))
      own.push_back(a);
  tunnel.set_own_addresses(own);
}

// What a killed agent made under a configuration that has changed since.
void Holdings::release_unwanted() {
  Ledger& l = ledger_;
  const Ledger was = l;
  std::erase_if(l.addresses, [&](const std::string& text) {
    const auto prefix = parse_prefix(text);
    if (std::any_of(config_.vips.begin(), config_.vips.end(),
                    [&](const Vip& v) { return v.prefix == prefix; }))
      return false;
    if (prefix) link_.remove_vip(*prefix);
    spdlog::info("VIP {} is no longer configured, taken off lo", text);
    return true;
  });
  for (const std::string& name : was.interfaces) {
    const bool wanted = contains(config_.interfaces, name);
    if (wanted && was.tc_priority == config_.tc_priority) continue;
    release_interface(name);
    if (!wanted) std::erase(l.interfaces, name);
    std::erase(l.qdiscs, name);
  }
  std::erase_if(l.sysctls, [&](const Ledger::Sysctl& s) {
    if (std::any_of(config_.interfaces.begin(), config_.interfaces.end(), [&](const std::string& name) {
          return s.path.starts_with("net/ipv4/conf/" + name + "/");
        }))
      return false;
    release_sysctl(s);
    return true;
  });
  if (l != was) record();
}

void Holdings::release_interface(const std::string& name) {
  const auto info = link_.interface(name);
  if (!info) return;
  detach_tunnel(info->index, ledger_.tc_priority);
  if (!contains(ledger_.qdiscs, name)) return;
  if (link_.has_filters(info->index))
    spdlog::warn("the clsact qdisc of {} stays: filters of other programs came to use it", name);
  else
    remove_clsact(info->index);
}

void Holdings::release_sysctl(const Ledger::Sysctl& sysctl) {
  const auto current = read_sysctl(sysctl.path);
  if (!current) return;  // gone with its interface
  if (*current != sysctl.set)
    spdlog::warn("sysctl {} was set to {} by somebody else, it stays so", sysctl.path, *current);
  else if (!write_sysctl(sysctl.path, sysctl.before))
    spdlog::error("cannot set sysctl {} back to {}: {}", sysctl.path, sysctl.before, std::strerror(errno));
}

void Holdings::release() noexcept {
  const auto attempt = [](const auto& step) {
    try {
      step();
    } catch (const std::exception& e) {
      spdlog::error("{}", e.what());
    }
  };
  for (const std::string& name : ledger_.interfaces) attempt([&] { release_interface(name); });
  for (const std::string& text : ledger_.addresses)
    attempt([&] {
      if (const auto prefix = parse_prefix(text)) link_.remove_vip(*prefix);
    });
  for (const Ledger::Sysctl& s : ledger_.sysctls) attempt([&] { release_sysctl(s); });
  attached_.clear();
  ledger_ = {};
  file_.remove();
}

}  // namespace sluice::agent
