// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The two eBPF programs (tunnel.bpf.c), loaded and told what to do. Attaching is separate from owning: a
// program stays on its interface when the agent is killed, goes on decapsulating, and is exchanged for a
// fresh one in a single step when the next agent attaches. Errors throw std::runtime_error with one sentence.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "control/agent/config.h"
#include "control/agent/tunnel_shared.h"

struct tunnel_bpf;

namespace sluice::agent {

class Tunnel {
 public:
  // Loads both programs with the VIPs and ports of `config`; the VIP at index i of config.vips has counter i
  // + 1.
  explicit Tunnel(const Config& config);
  ~Tunnel();
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;

  // Attaches both programs; replaces ours, refuses to replace another's. Returns whether the clsact qdisc had
  // to be made for it.
  bool attach(const std::string& interface, unsigned index);

  // The largest inner packet that clients of a VIP should send when the reply leaves by that interface.
  void set_inner_mtu(unsigned index, std::uint32_t bytes);
  void forget_inner_mtu(unsigned index);  // the interface is gone

  // The addresses that tunnel packets may be sent to. VIPs are left out of it by the caller.
  void set_own_addresses(const std::vector<IpAddress>& addresses);

  // Sums over all CPUs: entry 0 for the host, then one for each VIP.
  [[nodiscard]] std::vector<tunnel_counters> read_counters() const;

 private:
  struct Destroy {
    void operator()(tunnel_bpf* programs) const;
  };
  std::unique_ptr<tunnel_bpf, Destroy> programs_;
  std::uint16_t priority_;
  std::vector<IpAddress> own_addresses_;
};

// Takes our programs off the interface, from whichever agent they are; programs of others stay.
void detach_tunnel(unsigned index, std::uint16_t priority);
// Removes the clsact qdisc of an interface. Nothing happens when there is none.
void remove_clsact(unsigned index);

}  // namespace sluice::agent
