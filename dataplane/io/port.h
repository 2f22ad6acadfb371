// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A port: any DPDK device, physical or virtual, opened, started and closed. Control thread only; errors at
// start are std::runtime_error with one sentence. (F2.)
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/wire/address.h"

struct rte_mempool;

namespace sluice::io {

struct PortSettings {
  std::string name;
  std::string device;  // PCI address, or vdev with its arguments
  std::uint16_t mtu = 1500;
  std::uint16_t rx_queues = 1, tx_queues = 1;  // wanted; the port may have fewer
  std::array<std::uint8_t, 40> hash_key{};     // for RSS
};

class Port {
 public:
  // Opens the device, sets its queues up and leaves it stopped.
  Port(const PortSettings& settings, rte_mempool* pool);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  void start();
  // Packets still in the device are gone afterwards. A pcap device writes its file out.
  void stop();

  [[nodiscard]] std::uint16_t dpdk_port() const { return dpdk_port_; }
  [[nodiscard]] std::uint16_t rx_queues() const { return rx_queues_; }
  [[nodiscard]] std::uint16_t tx_queues() const { return tx_queues_; }
  [[nodiscard]] const MacAddress& mac() const { return mac_; }
  [[nodiscard]] const std::string& driver() const { return driver_; }
  // The device gives a hash of addresses and ports with our key, as far as it says.
  [[nodiscard]] bool offers_rss() const { return offers_rss_; }
  // The device reads a file: it has an end, which is reached however long that takes.
  [[nodiscard]] bool reads_file() const { return reads_file_; }
  // Of a receive queue: readable when packets wait; -1 where the driver has none that we know. Virtual ports
  // on the kernel's own sockets (af_packet, af_xdp) have.
  [[nodiscard]] int wake_fd(std::uint16_t queue) const {
    return queue < wake_fds_.size() ? wake_fds_[queue] : -1;
  }
  [[nodiscard]] bool link_up() const;
  // What the device itself lost before we saw it (rte_eth_stats: imissed, rx_nombuf; of an AF_PACKET port
  // also what found the kernel's ring full, which its driver does not tell).
  [[nodiscard]] std::uint64_t missed_packets() const;
  // What the device took from us and could not send (oerrors): they count as sent.
  [[nodiscard]] std::uint64_t tx_errors() const;

 private:
  void configure(const PortSettings& settings, rte_mempool* pool);

  std::uint16_t dpdk_port_ = 0;
  std::uint16_t rx_queues_ = 0, tx_queues_ = 0;
  MacAddress mac_;
  std::string driver_;
  bool offers_rss_ = false;
  bool reads_file_ = false;
  bool started_ = false;
  mutable std::uint64_t ring_drops_ = 0;  // the kernel forgets them when they are asked for
  std::vector<int> wake_fds_;             // the driver's sockets, by queue
};

// One pool for all packets. `count` buffers that each hold a frame of `mtu` bytes of IP in one piece.
class PacketPool {
 public:
  PacketPool(std::uint32_t count, std::uint16_t mtu);
  ~PacketPool();
  PacketPool(const PacketPool&) = delete;
  PacketPool& operator=(const PacketPool&) = delete;

  [[nodiscard]] rte_mempool* get() const { return pool_; }
  [[nodiscard]] std::uint32_t free_buffers() const;
  [[nodiscard]] std::uint32_t buffers() const { return count_; }

 private:
  rte_mempool* pool_;
  std::uint32_t count_;
};

// Buffers enough for all rings and bursts of this many queues and workers.
std::uint32_t buffers_for(unsigned rx_queues, unsigned tx_queues, unsigned workers);

}  // namespace sluice::io
