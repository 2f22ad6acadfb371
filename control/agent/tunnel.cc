// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/tunnel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <stdexcept>

#include "control/agent/tunnel.skel.h"

namespace sluice::agent {
namespace {

constexpr std::uint32_t kHandle = 1;
constexpr const char* kIngressName = "sluice_ingress";
constexpr const char* kEgressName = "sluice_egress";

int log_libbpf(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  char line[512];
  std::vsnprintf(line, sizeof(line), format, arguments);
  std::size_t length = std::strlen(line);
  while (length > 0 && line[length - 1] == '\n') line[--length] = 0;
  spdlog::debug("{}", line);  // what matters of it is in our own sentence
  return 0;
}

[[noreturn]] void fail(const std::string& what, int error) {
  const int code = std::abs(error);
  std::string sentence = what + ": " + std::strerror(code);
  if (code == EPERM || code == EACCES)
    sentence += ", run the agent as root or with CAP_BPF and CAP_NET_ADMIN";
  throw std::runtime_error(sentence);
}

tunnel_address to_map(const IpAddress& address) {
  tunnel_address a;
  std::memcpy(a.byte, address.byte.data(), sizeof(a.byte));
  return a;
}

void put(const bpf_map* map, const void* key, const void* value) {
  if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY) != 0)
    fail(std::string("cannot fill the eBPF map ") + bpf_map__name(map), errno);
}

bpf_tc_hook hook_of(unsigned index, bpf_tc_attach_point point) {
  bpf_tc_hook hook{};
  hook.sz = sizeof(hook);
  hook.ifindex = static_cast<int>(index);
  hook.attach_point = point;
  return hook;
}

bpf_tc_opts place(std::uint16_t priority) {
  bpf_tc_opts options{};
  options.sz = sizeof(options);
  options.handle = kHandle;
  options.priority = priority;
  return options;
}

std::string program_name(std::uint32_t id) {
  const int fd = bpf_prog_get_fd_by_id(id);
  if (fd < 0) return {};
  bpf_prog_info info{};
  std::uint32_t length = sizeof(info);
  const int error = bpf_obj_get_info_by_fd(fd, &info, &length);
  close(fd);
  return error == 0 ? info.name : "";
}

// The name of the program that holds our place on the hook; empty when the place is free.
std::string holder(unsigned index, bpf_tc_attach_point point, std::uint16_t priority) {
  const bpf_tc_hook hook = hook_of(index, point);
  bpf_tc_opts options = place(priority);
  return bpf_tc_query(&hook, &options) == 0 ? program_name(options.prog_id) : "";
}

void attach_one(const std::string& interface, unsigned index, bpf_tc_attach_point point,
                std::uint16_t priority, const bpf_program* program) {
  const char* side = point == BPF_TC_INGRESS ? "ingress" : "egress";
  const std::string name = bpf_program__name(program), there = holder(index, point, priority);
  if (!there.empty() && there != name)
    throw std::runtime_error("priority " + std::to_string(priority) + " of " + interface + " " + side +
                             " is held by the eBPF program " + there +
                             ", give the agent another tc_priority");
  const bpf_tc_hook hook = hook_of(index, point);
  bpf_tc_opts options = place(priority);
  options.prog_fd = bpf_program__fd(program);
  options.flags = BPF_TC_F_REPLACE;
  if (const int error = bpf_tc_attach(&hook, &options); error != 0)
    fail("cannot attach " + name + " to " + interface + " " + side +
             " (an old \"ingress\" qdisc in the way goes with: tc qdisc del dev " + interface + " ingress)",
         error);
}

}  // namespace

void Tunnel::Destroy::operator()(tunnel_bpf* programs) const {
  tunnel_bpf::destroy(programs);
}

Tunnel::Tunnel(const Config& config) : priority_(config.tc_priority) {
  libbpf_set_print(log_libbpf);
  programs_.reset(tunnel_bpf::open());
  if (!programs_) fail("cannot read the eBPF programs", errno);
  programs_->rodata->gue_port = htons(config.gue_port);
  programs_->rodata->as_before_decap_flags = config.decapsulation == Decapsulation::kCompatible;
  bpf_map__set_max_entries(programs_->maps.counters, static_cast<std::uint32_t>(config.vips.size()) + 1);
  if (const int error = tunnel_bpf::load(programs_.get()); error != 0)
    fail("cannot load the eBPF programs (log_level = \"debug\" says more)", error);

  std::uint32_t vip = 0;
  for (const Vip& v : config.vips) {
    ++vip;
    const std::uint32_t bits = v.prefix.length + (v.prefix.address.is_v4() ? 96u : 0u);
    const tunnel_prefix prefix{bits, to_map(v.prefix.address)};
    put(programs_->maps.vips, &prefix, &vip);
    for (const Service& s : v.services) {
      if (s.dip_port == 0) continue;
      const __be16 outside = htons(s.port), inside = htons(s.dip_port);
      const tunnel_port in{vip, outside, static_cast<__u8>(s.protocol), TUNNEL_TO_DIP},
          out{vip, inside, static_cast<__u8>(s.protocol), TUNNEL_TO_VIP};
      put(programs_->maps.ports, &in, &inside);
      put(programs_->maps.ports, &out, &outside);
    }
  }
}

Tunnel::~Tunnel() = default;

bool Tunnel::attach(const std::string& interface, unsigned index) {
  bpf_tc_hook hook = hook_of(index, static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS));
  const int made = bpf_tc_hook_create(&hook);
  if (made != 0 && made != -EEXIST) fail("cannot make the clsact qdisc of " + interface, made);
  attach_one(interface, index, BPF_TC_INGRESS, priority_, programs_->progs.sluice_ingress);
  attach_one(interface, index, BPF_TC_EGRESS, priority_, programs_->progs.sluice_egress);
  return made == 0;
}

void Tunnel::set_inner_mtu(unsigned index, std::uint32_t bytes) {
  put(programs_->maps.inner_mtu, &index, &bytes);
}

void Tunnel::forget_inner_mtu(unsigned index) {
  bpf_map_delete_elem(bpf_map__fd(programs_->maps.inner_mtu), &index);
}

void Tunnel::set_own_addresses(const std::vector<IpAddress>& addresses) {
  const std::uint8_t present = 1;
  for (const IpAddress& a : addresses) {
    const tunnel_address key = to_map(a);
    put(programs_->maps.own_addresses, &key, &present);
  }
  for (const IpAddress& a : own_addresses_)
    if (std::find(addresses.begin(), addresses.end(), a) == addresses.end()) {
      const tunnel_address key = to_map(a);
      bpf_map_delete_elem(bpf_map__fd(programs_->maps.own_addresses), &key);
    }
  own_addresses_ = addresses;
}

std::vector<tunnel_counters> Tunnel::read_counters() const {
  const auto cpus = static_cast<std::size_t>(libbpf_num_possible_cpus());
  std::vector<tunnel_counters> sums(bpf_map__max_entries(programs_->maps.counters)), of_cpu(cpus);
  for (std::uint32_t vip = 0; vip < sums.size(); ++vip) {
    if (bpf_map_lookup_elem(bpf_map__fd(programs_->maps.counters), &vip, of_cpu.data()) != 0)
      fail("cannot read the eBPF counters", errno);
    for (const tunnel_counters& c : of_cpu) {
      for (int i = 0; i < TUNNEL_OUTCOMES; ++i) sums[vip].packets[i] += c.packets[i];
      sums[vip].rx_bytes += c.rx_bytes;
      sums[vip].tx_bytes += c.tx_bytes;
    }
  }
  return sums;
}

void detach_tunnel(unsigned index, std::uint16_t priority) {
  for (const bpf_tc_attach_point point : {BPF_TC_INGRESS, BPF_TC_EGRESS}) {
    if (holder(index, point, priority) != (point == BPF_TC_INGRESS ? kIngressName : kEgressName)) continue;
    const bpf_tc_hook hook = hook_of(index, point);
    const bpf_tc_opts options = place(priority);
    bpf_tc_detach(&hook, &options);
  }
}

void remove_clsact(unsigned index) {
  bpf_tc_hook hook = hook_of(index, static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS));
  bpf_tc_hook_destroy(&hook);
}

}  // namespace sluice::agent
