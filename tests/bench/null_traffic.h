// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A port that costs next to nothing and gives packets of as many flows as one likes: net_null hands out empty
// buffers, and a receive callback of DPDK's writes a frame of 64 bytes into each, of flows drawn at random.
// No capture of ten million packets has to be kept. Whoever receives from the port pays for the callback.
#pragma once

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <cstdint>
#include <cstring>
#include <stdexcept>

#include "dataplane/wire/checksum.h"
#include "dataplane/wire/headers.h"
#include "tests/bench/world.h"

namespace sluice::bench {

inline constexpr const char* kNullDevice = "net_null0,size=60";

class NullTraffic {
 public:
  // `flows`: packets are of flows [0, flows) in random order; 0: each is the SYN of a new flow.
  NullTraffic(std::uint16_t dpdk_port, std::uint32_t flows)
      : port_(dpdk_port), flows_(flows), frame_(make_frame(0, flows == 0)) {
    auto* ip = reinterpret_cast<Ipv4Header*>(&frame_.bytes[sizeof(EthernetHeader)]);
    ip->source = Big32{};
    ip->checksum = Big16{};
    seed_ = ipv4_sum(*ip);
    first_client_ = client_of(0).v4().value();
    handle_ = rte_eth_add_rx_callback(port_, 0, fill, this);
    if (!handle_) throw std::runtime_error("the port takes no receive callback");
  }
  // Nobody receives any more.
  ~NullTraffic() { rte_eth_remove_rx_callback(port_, 0, handle_); }
  NullTraffic(const NullTraffic&) = delete;
  NullTraffic& operator=(const NullTraffic&) = delete;

 private:
  static std::uint16_t fill(std::uint16_t, std::uint16_t, rte_mbuf** packets, std::uint16_t count,
                            std::uint16_t, void* self) {
    auto& traffic = *static_cast<NullTraffic*>(self);
    for (unsigned i = 0; i < count; ++i) traffic.write(rte_pktmbuf_mtod(packets[i], std::uint8_t*));
    return count;
  }
  void write(std::uint8_t* at) {
    const std::uint64_t n = flows_ ? ((next_++ * 0x9e3779b97f4a7c15u >> 32) * flows_) >> 32 : next_++;
    constexpr unsigned kBytes = 60, kL4 = sizeof(EthernetHeader) + sizeof(Ipv4Header);
    std::memcpy(at, frame_.bytes.data(), kBytes);
    auto* ip = reinterpret_cast<Ipv4Header*>(at + sizeof(EthernetHeader));
    ip->source.set(first_client_ + static_cast<std::uint32_t>(n % (1u << 22)));
    ip->checksum = finish(seed_ + ip->source.raw());
    reinterpret_cast<PortPair*>(at + kL4)->source.set(client_port_of(n));
  }

  std::uint16_t port_;
  std::uint64_t flows_, next_ = 0;
  Frame frame_;
  PartialSum seed_ = 0;
  std::uint32_t first_client_ = 0;
  const rte_eth_rxtx_callback* handle_ = nullptr;
};

}  // namespace sluice::bench
