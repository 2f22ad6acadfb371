// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/io/kernel_path.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "dataplane/wire/headers.h"
#include "dataplane/wire/reader.h"

namespace sluice::io {
namespace {

constexpr unsigned kBatch = 32;
constexpr long kPollNs = 300'000;     // how long a punted packet waits at most while others come
constexpr long kSleepNs = 2'000'000;  // and else, while the workers have no time to call
constexpr unsigned kPollsBeforeSleep = 30;

// A descriptor, or -1 with errno and in `what` the step that failed.
int try_tap(const std::string& name, const char*& what) {
  what = "/dev/net/tun cannot be opened";
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return fd;
  what = "the TAP cannot be made";
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  if (ioctl(fd, TUNSETIFF, &request) == 0) {
    ioctl(fd, TUNSETPERSIST, 0);  // one that was kept for us is ours again, and goes with us
    return fd;
  }
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

int open_tap(const std::string& name) {
  const char* what = nullptr;
  const int fd = try_tap(name, what);
  if (fd >= 0) return fd;
  const int error = errno;
  std::string remedy = "load the tun driver and give sluiced CAP_NET_ADMIN, or set kernel_interface = \"\"";
  if (error == EBUSY) remedy = "an interface of this name exists; stop its owner or choose another name";
  throw std::runtime_error("kernel_interface " + name + ": " + what + " (" + std::strerror(error) +
                           "): " + remedy);
}

void strip_tag(rte_mbuf* m) {
  auto* frame = rte_pktmbuf_mtod(m, std::uint8_t*);
  if (m->data_len < sizeof(EthernetHeader) + sizeof(VlanTag)) return;
  if (reinterpret_cast<EthernetHeader*>(frame)->type.value() != kEtherVlan) return;
  std::memmove(frame + sizeof(VlanTag), frame, 2 * sizeof(MacAddress));
  rte_pktmbuf_adj(m, sizeof(VlanTag));
}

void add_tag(rte_mbuf* m, std::uint16_t vlan) {
  auto* old_frame = rte_pktmbuf_mtod(m, std::uint8_t*);
  auto* frame = reinterpret_cast<std::uint8_t*>(rte_pktmbuf_prepend(m, sizeof(VlanTag)));
  std::memmove(frame, old_frame, 2 * sizeof(MacAddress));
  const Big16 tag[2] = {Big16(kEtherVlan), Big16(vlan)};
  std::memcpy(frame + 2 * sizeof(MacAddress), tag, sizeof tag);
}

// The source port of the TCP segment or UDP datagram in an untagged frame; 0 for anything else, and for later
// fragments. The kernel puts no extension headers before a probe's.
std::uint16_t source_port(const rte_mbuf& m) {
  Reader reader(rte_pktmbuf_mtod(&m, const std::uint8_t*), m.data_len);
  const auto* ethernet = reader.take<EthernetHeader>();
  std::uint8_t protocol = 0;
  if (ethernet && ethernet->type.value() == kEtherIpv4) {
    const auto* ip = reader.peek<Ipv4Header>();
    if (!ip || (ip->flags_offset.value() & Ipv4Header::kOffsetMask) != 0) return 0;
    protocol = ip->protocol;
    if (!reader.skip(ip->header_bytes())) return 0;
  } else if (ethernet && ethernet->type.value() == kEtherIpv6) {
    const auto* ip = reader.take<Ipv6Header>();
    if (!ip) return 0;
    protocol = ip->next_header;
  }
  if (protocol != kProtoTcp && protocol != kProtoUdp) return 0;
  const auto* ports = reader.peek<PortPair>();
  return ports ? ports->source.value() : std::uint16_t{0};
}

}  // namespace

KernelPath::KernelPath(std::vector<Link> links, rte_mempool* pool, const Probes& probes)
    : pool_(pool), probes_(probes) {
  for (Link& link : links) {
    Tap tap;
    tap.fd = open_tap(link.interface);
    const std::string name = "sluice-punt-" + std::to_string(link.port);
    tap.to_kernel = rte_ring_create(name.c_str(), kQueuePackets, SOCKET_ID_ANY, RING_F_SC_DEQ);
    tap.link = std::move(link);
    taps_.push_back(std::move(tap));
    if (!taps_.back().to_kernel) throw std::runtime_error("no memory for the queue to the kernel");
  }
  renewals_ = std::make_unique<Renewal[]>(taps_.size());
}

KernelPath::~KernelPath() {
  stop();
  for (Tap& tap : taps_) {
    void* packet = nullptr;
    while (rte_ring_dequeue(tap.to_kernel, &packet) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(packet));
    rte_ring_free(tap.to_kernel);
    if (tap.fd >= 0) close(tap.fd);
    if (const int fd = renewals_[&tap - taps_.data()].fd.load(); fd >= 0) close(fd);
  }
}

std::optional<std::string> KernelPath::keep() {
  for (const Tap& tap : taps_) {
    if (ioctl(tap.fd, TUNSETPERSIST, 1) == 0) continue;
    return "kernel_interface " + tap.link.interface + " cannot be kept: " + std::strerror(errno);
  }
  return {};
}

rte_ring* KernelPath::to_kernel(unsigned port) const {
  for (const Tap& tap : taps_) {
    if (tap.link.port == port) return tap.to_kernel;
  }
  return nullptr;
}

unsigned KernelPath::held(unsigned port) const {
  const rte_ring* ring = to_kernel(port);
  return ring ? rte_ring_count(ring) : 0;
}

void KernelPath::start() {
  if (!taps_.empty()) thread_ = std::thread([this] { run(); });
}

void KernelPath::stop() {
  stopping_.store(true, std::memory_order_relaxed);
  if (thread_.joinable()) thread_.join();
}

void KernelPath::run() {
  pthread_setname_np(pthread_self(), "sluice-kernel");
  prctl(PR_SET_TIMERSLACK, 10'000);
  std::vector<pollfd> wait = {{bell_.fd(), POLLIN, 0}};
  for (const Tap& tap : taps_) wait.push_back({tap.fd, POLLIN, 0});
  for (unsigned idle = 0; !stopping_.load(std::memory_order_relaxed);) {
    unsigned moved = 0;
    for (unsigned i = 0; i < taps_.size(); ++i) {
      Tap& tap = taps_[i];
      if (tap.fd < 0) [[unlikely]]
        tap.fd = renewals_[i].fd.exchange(-1, std::memory_order_acquire);
      moved += to_kernel(tap) + from_kernel(tap);
    }
    idle = moved == 0 ? idle + 1 : 0;
    if (moved != 0) continue;
    if (idle < kPollsBeforeSleep) {
      bell_.set(Bell::State::kDrowsy);
    } else if (bell_.state() != Bell::State::kAsleep) {
      bell_.set(Bell::State::kAsleep);
      continue;  // one more look, now that the workers know
    }
    const timespec limit{0, bell_.state() == Bell::State::kAsleep ? kSleepNs : kPollNs};
    for (unsigned i = 0; i < taps_.size(); ++i) wait[i + 1].fd = taps_[i].fd;  // none: not waited for
    if (ppoll(wait.data(), wait.size(), &limit, nullptr) > 0) {
      bell_.hush();
      bell_.set(Bell::State::kDrowsy);
      idle = 0;
    }
  }
  for (Tap& tap : taps_) {
    while (to_kernel(tap) != 0) {
    }
  }
}

void KernelPath::renew() {
  for (unsigned i = 0; i < taps_.size(); ++i) {
    if (!renewals_[i].due.load(std::memory_order_acquire)) continue;
    const char* what = nullptr;
    const int fd = try_tap(taps_[i].link.interface, what);
    if (fd < 0) continue;  // somebody else took the name: asked again
    renewals_[i].due.store(false, std::memory_order_relaxed);
    renewals_[i].fd.store(fd, std::memory_order_release);
  }
}

unsigned KernelPath::to_kernel(Tap& tap) {
  void* packets[kBatch];
  const unsigned count = rte_ring_dequeue_burst(tap.to_kernel, packets, kBatch, nullptr);
  PortCounters& port = counters_.port[tap.link.port];
  for (unsigned i = 0; i < count; ++i) {
    auto* m = static_cast<rte_mbuf*>(packets[i]);
    if (tap.link.vlan != 0) strip_tag(m);
    const bool linear = m->nb_segs == 1;
    if (linear && write(tap.fd, rte_pktmbuf_mtod(m, void*), m->data_len) == m->data_len) {
      port.punted_packets.add(1);
    } else {
      port.dropped[static_cast<unsigned>(DropReason::kKernelRefused)].add(1);
    }
    rte_pktmbuf_free(m);
  }
  return count;
}

unsigned KernelPath::from_kernel(Tap& tap) {
  PortCounters& port = counters_.port[tap.link.port];
  if (tap.fd < 0) [[unlikely]]
    return 0;
  for (unsigned i = 0; i < kBatch; ++i) {
    rte_mbuf* m = rte_pktmbuf_alloc(pool_);
    if (!m) return i;  // the kernel's own queue holds the rest
    const ssize_t bytes = read(tap.fd, rte_pktmbuf_mtod(m, void*), rte_pktmbuf_tailroom(m));
    if (bytes < static_cast<ssize_t>(sizeof(EthernetHeader))) {
      rte_pktmbuf_free(m);
      if (bytes < 0 && errno == EBADFD) {  // somebody removed the TAP
        close(std::exchange(tap.fd, -1));
        renewals_[&tap - taps_.data()].due.store(true, std::memory_order_release);
      }
      return i;
    }
    rte_pktmbuf_append(m, static_cast<std::uint16_t>(bytes));
    const bool probe = probes_.ports->target_of(source_port(*m)) != kNoTarget;
    if (tap.link.vlan != 0) add_tag(m, tap.link.vlan);
    m->port = static_cast<std::uint16_t>(tap.link.port);
    port.created_packets.add(1);
    if (rte_ring_enqueue(probe ? probes_.ring : tap.link.outbox, m) != 0) {
      port.dropped[static_cast<unsigned>(DropReason::kKernelQueueFull)].add(1);
      rte_pktmbuf_free(m);
    }
    if (Bell* owner = probe ? probes_.owner : tap.link.owner) owner->wake();
  }
  return kBatch;
}

}  // namespace sluice::io
