// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What the agent asks of the kernel over rtnetlink: the host's addresses and interfaces, the VIPs on
// loopback, and word of changes. Errors throw std::runtime_error with one sentence. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/wire/address.h"

struct nl_sock;

namespace sluice::agent {

struct InterfaceInfo {
  unsigned index = 0;
  unsigned mtu_bytes = 0;
  bool ethernet = false;
};

class KernelLink {
 public:
  KernelLink();

  [[nodiscard]] std::optional<InterfaceInfo> interface(const std::string& name);

  // Every address of the host, those on loopback apart from the others.
  struct Addresses {
    std::vector<Prefix> loopback;  // with their prefix lengths
    std::vector<IpAddress> others;
  };
  Addresses addresses();

  // Puts a VIP on `lo`: an address (IPv4: scope host; IPv6: no duplicate detection, never chosen as a source
  // by itself), and for a prefix shorter than a host's a local route. Adding what is there and removing what
  // is gone are no errors.
  void add_vip(const Prefix& vip);
  void remove_vip(const Prefix& vip);

  // Whether any tc filter sits on clsact of the interface.
  bool has_filters(unsigned index);

 private:
  struct Free {
    void operator()(nl_sock* socket) const;
  };
  std::unique_ptr<nl_sock, Free> socket_;
  unsigned loopback_ = 0;

  friend class KernelNews;
};

// A socket that becomes readable when an address or an interface of this namespace changed.
class KernelNews {
 public:
  KernelNews();
  [[nodiscard]] int descriptor() const;
  void drain();  // reads all that is there; what it says is not kept: ask KernelLink

 private:
  std::unique_ptr<nl_sock, KernelLink::Free> socket_;
};

}  // namespace sluice::agent
