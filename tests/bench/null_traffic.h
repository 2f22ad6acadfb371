// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A port that costs next to nothing and gives packets of as many flows as one likes: net_null hands out empty
// buffers, and a receive callback of DPDK's writes a frame of 64 bytes into each (of 78 with IPv6), in one of
// several orders. No capture of ten million packets has to be kept. Whoever receives from the port pays for
// the callback: sluice-bench sets it by itself, and other programs get it from preload.cc.
#pragma once

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <cstdint>
#include <stdexcept>

#include "tests/bench/flow_order.h"
#include "tests/bench/frames.h"

namespace sluice::bench {

inline const char* null_device(bool v6) {
  return v6 ? "net_null0,size=74" : "net_null0,size=60";
}

class NullTraffic {
 public:
  // The device is null_device(), started. kNew: each packet is the SYN of its flow.
  NullTraffic(std::uint16_t dpdk_port, Order order, std::uint32_t flows, bool v6, std::uint32_t services)
      : port_(dpdk_port),
        order_(order, flows),
        writer_({.v6 = v6, .syn = order == Order::kNew, .services = services}) {
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
    for (unsigned i = 0; i < count; ++i) {
      traffic.writer_.write(rte_pktmbuf_mtod(packets[i], std::uint8_t*), traffic.order_.next());
    }
    return count;
  }

  std::uint16_t port_;
  FlowOrder order_;
  FrameWriter writer_;
  const rte_eth_rxtx_callback* handle_ = nullptr;
};

}  // namespace sluice::bench
