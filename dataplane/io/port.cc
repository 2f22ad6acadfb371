// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/io/port.h"

#include "dataplane/door/hand_over.h"

#include <linux/if_packet.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <set>
#include <stdexcept>

namespace sluice::io {
namespace {

constexpr std::uint16_t kRingEntries = 1024;
constexpr unsigned kL2Bytes = 18;  // Ethernet with one 802.1Q tag
constexpr unsigned kPoolCache = 256;

[[noreturn]] void fail(const PortSettings& settings, const std::string& what, int error) {
  // Drivers say -1 for "it failed", which is not EPERM.
  const std::string why =
      error == -1 ? std::string() : std::string(": ") + rte_strerror(error < 0 ? -error : error);
  throw std::runtime_error("port " + settings.name + " (" + settings.device + "): " + what + why);
}

// "net_af_packet0,iface=lb0" -> "net_af_packet0"
std::string device_name(const std::string& device) {
  return device.substr(0, device.find(','));
}

std::uint16_t attach(const PortSettings& settings) {
  const std::string name = device_name(settings.device);
  std::uint16_t id = 0;
  if (rte_eth_dev_get_port_by_name(name.c_str(), &id) == 0) return id;  // EAL found it at start
  if (const int error = rte_dev_probe(settings.device.c_str()); error != 0) {
    fail(settings, "the device cannot be opened; is its driver there, and its interface or file?", error);
  }
  if (rte_eth_dev_get_port_by_name(name.c_str(), &id) != 0) {
    fail(settings, "the device has no Ethernet port of this name", ENODEV);
  }
  return id;
}

void set_rss(rte_eth_conf& conf, const rte_eth_dev_info& info, std::vector<std::uint8_t>& key) {
  constexpr std::uint64_t kWanted = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_NONFRAG_IPV4_TCP |
                                    RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV6_TCP |
                                    RTE_ETH_RSS_NONFRAG_IPV6_UDP;
  conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
  // Devices with longer keys (52 bytes) use the first 40 for what we hash.
  key.resize(std::max<std::size_t>(key.size(), info.hash_key_size), 0);
  conf.rx_adv_conf.rss_conf.rss_key = key.data();
  conf.rx_adv_conf.rss_conf.rss_key_len = static_cast<std::uint8_t>(key.size());
  conf.rx_adv_conf.rss_conf.rss_hf = kWanted & info.flow_type_rss_offloads;
}

// The sockets of this process that deliver whole frames. DPDK does not tell which ones a driver made; they
// are those that appear while it opens the port, one a queue, in the order of the queues.
std::set<int> frame_sockets() {
  std::set<int> sockets;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    int domain = 0;
    socklen_t length = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0) continue;
    if (domain == AF_PACKET || domain == AF_XDP) sockets.insert(fd);
  }
  return sockets;
}

}  // namespace

Port::Port(const PortSettings& settings, rte_mempool* pool) {
  const std::set<int> before = frame_sockets();
  dpdk_port_ = attach(settings);
  configure(settings, pool);
  std::ranges::set_difference(frame_sockets(), before, std::back_inserter(wake_fds_));
  if (wake_fds_.size() < rx_queues_) wake_fds_.clear();
}

void Port::configure(const PortSettings& settings, rte_mempool* pool) {
  rte_eth_dev_info info{};
  if (const int error = rte_eth_dev_info_get(dpdk_port_, &info))
    fail(settings, "no device information", error);
  driver_ = info.driver_name ? info.driver_name : "";
  reads_file_ = driver_ == "net_pcap" && settings.device.find("rx_pcap=") != std::string::npos &&
                settings.device.find("infinite_rx=1") == std::string::npos;
  rx_queues_ = std::max<std::uint16_t>(1, std::min(settings.rx_queues, info.max_rx_queues));
  tx_queues_ = std::max<std::uint16_t>(1, std::min(settings.tx_queues, info.max_tx_queues));

  rte_eth_conf conf{};
  std::vector<std::uint8_t> key(settings.hash_key.begin(), settings.hash_key.end());
  offers_rss_ = (info.flow_type_rss_offloads & RTE_ETH_RSS_NONFRAG_IPV4_TCP) != 0;
  if (info.flow_type_rss_offloads != 0) set_rss(conf, info, key);
  conf.rxmode.offloads = info.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_RSS_HASH);
  conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;  // one pool, no clones
  // Some devices (af_packet) state a largest frame that is not theirs: the interface below them decides.
  const unsigned most = info.max_rx_pktlen > RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN
                            ? info.max_rx_pktlen - RTE_ETHER_HDR_LEN - RTE_ETHER_CRC_LEN
                            : UINT16_MAX;
  const bool settable =
      settings.mtu >= info.min_mtu && settings.mtu <= std::min<unsigned>(info.max_mtu, most);
  if (settable) conf.rxmode.mtu = settings.mtu;
  if (const int error = rte_eth_dev_configure(dpdk_port_, rx_queues_, tx_queues_, &conf)) {
    fail(settings, "the device refuses " + std::to_string(rx_queues_) + " queues", error);
  }
  std::uint16_t rx_entries = kRingEntries, tx_entries = kRingEntries;
  if (const int error = rte_eth_dev_adjust_nb_rx_tx_desc(dpdk_port_, &rx_entries, &tx_entries)) {
    fail(settings, "the device refuses its ring sizes", error);
  }
  for (std::uint16_t q = 0; q < rx_queues_; ++q) {
    const int error = rte_eth_rx_queue_setup(dpdk_port_, q, rx_entries, SOCKET_ID_ANY, nullptr, pool);
    if (error) fail(settings, "receive queue " + std::to_string(q) + " cannot be set up", error);
  }
  for (std::uint16_t q = 0; q < tx_queues_; ++q) {
    const int error = rte_eth_tx_queue_setup(dpdk_port_, q, tx_entries, SOCKET_ID_ANY, nullptr);
    if (error) fail(settings, "transmit queue " + std::to_string(q) + " cannot be set up", error);
  }
  // Devices that cannot set it (pcap, null) take any size.
  const int mtu_error = settable ? rte_eth_dev_set_mtu(dpdk_port_, settings.mtu) : 0;
  if (mtu_error != 0 && mtu_error != -ENOTSUP) {
    fail(settings, "the device refuses an MTU of " + std::to_string(settings.mtu), mtu_error);
  }
  rte_ether_addr mac{};
  if (rte_eth_macaddr_get(dpdk_port_, &mac) == 0) std::memcpy(mac_.byte.data(), mac.addr_bytes, 6);
}

void Port::start() {
  if (const int error = rte_eth_dev_start(dpdk_port_)) {
    throw std::runtime_error("port " + driver_ + ": the device does not start: " + rte_strerror(-error));
  }
  started_ = true;
  // Neighbour discovery comes by multicast; devices without such a filter say ENOTSUP and give all anyway.
  rte_eth_allmulticast_enable(dpdk_port_);
}

void Port::stop() {
  if (!started_) return;
  started_ = false;
  rte_eth_dev_stop(dpdk_port_);
}

Port::~Port() {
  stop();
  rte_eth_dev_close(dpdk_port_);
}

bool Port::link_up() const {
  rte_eth_link link{};
  return rte_eth_link_get_nowait(dpdk_port_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

std::uint64_t Port::missed_packets() const {
  for (const int fd : wake_fds_) {
    tpacket_stats ring{};
    socklen_t bytes = sizeof ring;
    if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &ring, &bytes) == 0) ring_drops_ += ring.tp_drops;
  }
  rte_eth_stats stats{};
  const bool told = rte_eth_stats_get(dpdk_port_, &stats) == 0;
  return ring_drops_ + (told ? stats.imissed + stats.rx_nombuf : 0);
}

std::uint64_t Port::tx_errors() const {
  rte_eth_stats stats{};
  return rte_eth_stats_get(dpdk_port_, &stats) == 0 ? stats.oerrors : 0;
}

PacketPool::PacketPool(std::uint32_t count, std::uint16_t mtu) : count_(count) {
  const unsigned frame = std::max<unsigned>(RTE_MBUF_DEFAULT_DATAROOM, mtu + kL2Bytes + 64u);
  const unsigned room = RTE_PKTMBUF_HEADROOM + RTE_ALIGN_CEIL(frame, 64u);
  pool_ = rte_pktmbuf_pool_create("sluice-packets", count, kPoolCache, kHandOverBytes,
                                  static_cast<std::uint16_t>(room), SOCKET_ID_ANY);
  if (pool_) return;
  const unsigned long need_mb = std::uint64_t{count} * (room + sizeof(rte_mbuf) + 64) / 1048576 + 1;
  throw std::runtime_error("no memory for " + std::to_string(count) + " packet buffers (" +
                           std::to_string(need_mb) +
                           " MB): give EAL more hugepages or a larger -m, or set "
                           "dataplane.buffers lower");
}

PacketPool::~PacketPool() {
  rte_mempool_free(pool_);
}

std::uint32_t PacketPool::free_buffers() const {
  return rte_mempool_avail_count(pool_);
}

std::uint32_t buffers_for(unsigned rx_queues, unsigned tx_queues, unsigned workers) {
  constexpr std::uint32_t kHeldFragments = 1024, kKernelQueues = 4096, kBursts = 4 * 64;
  const std::uint32_t need = (rx_queues + tx_queues) * kRingEntries +
                             workers * (kHeldFragments + kBursts + 2 * kPoolCache) + kKernelQueues;
  // A pool is smallest per buffer at a power of two less one.
  return std::bit_ceil(need) - 1;
}

}  // namespace sluice::io
