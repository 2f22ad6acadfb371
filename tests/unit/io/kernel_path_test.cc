// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The way to the kernel and back, over a real TAP. Each test is alone in a network namespace of its own.
#include "dataplane/io/kernel_path.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <sys/socket.h>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <thread>

#include "tests/packet/decode.h"
#include "tests/packet/packet.h"
#include "tests/packet/sluice.h"
#include "tests/unit/neighbor/namespace.h"

namespace sluice::io {
namespace {

using neighbor::test::in_fresh_namespace;
using neighbor::test::run;
using test::Bytes, test::packet;

constexpr std::string_view kServer = "10.0.0.20", kMux = "10.0.0.10";
constexpr unsigned kProbePort = ProbePorts::kFirst + 7, kOtherPort = 40'000;

// Looks until it is true, for 20 seconds at most.
bool comes_true(const std::function<bool()>& what) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!what()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

void silence_ipv6() {  // whose own first words would be frames of nobody's test
  run("sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
}

rte_mbuf* buffer_of(const Bytes& frame) {
  rte_mbuf* m = rte_pktmbuf_alloc(test::rig_pool());
  std::memcpy(rte_pktmbuf_append(m, static_cast<std::uint16_t>(frame.size())), frame.data(), frame.size());
  return m;
}

// A path with one TAP, and the test in the place of the worker.
class Ground {
 public:
  explicit Ground(std::uint16_t vlan = 0, unsigned outbox_packets = 64)
      : outbox_(rte_ring_create("outbox", outbox_packets, SOCKET_ID_ANY, 0)),
        probes_(rte_ring_create("probes", 64, SOCKET_ID_ANY, 0)),
        path_({{.port = 0, .interface = "tap0", .vlan = vlan, .outbox = outbox_, .owner = &worker_}},
              test::rig_pool(), {.ports = &ports_, .ring = probes_, .owner = &worker_}) {
    ports_.set(kProbePort, 1);
  }
  ~Ground() {
    path_.stop();
    for (rte_ring* ring : {outbox_, probes_}) {
      while (take(ring)) {
      }
      rte_ring_free(ring);
    }
  }
  Ground(const Ground&) = delete;
  Ground& operator=(const Ground&) = delete;

  KernelPath& path() { return path_; }
  [[nodiscard]] const PortCounters& port() const { return path_.counters().port[0]; }
  [[nodiscard]] std::uint64_t drops(DropReason reason) const {
    return port().dropped[static_cast<unsigned>(reason)].get();
  }
  // The next frame for the port, or for the worker that sends probes; none when none comes.
  std::optional<Bytes> next_for_port() { return next(outbox_); }
  std::optional<Bytes> next_probe() { return next(probes_); }
  [[nodiscard]] bool port_has_nothing() const { return rte_ring_empty(outbox_) == 1; }
  [[nodiscard]] unsigned waiting_for_port() const { return rte_ring_count(outbox_); }

 private:
  static std::optional<Bytes> take(rte_ring* ring) {
    void* item = nullptr;
    if (rte_ring_dequeue(ring, &item) != 0) return {};
    auto* m = static_cast<rte_mbuf*>(item);
    const auto* at = rte_pktmbuf_mtod(m, const std::uint8_t*);
    Bytes frame(at, at + m->data_len);
    EXPECT_EQ(m->port, 0);
    rte_pktmbuf_free(m);
    return frame;
  }
  static std::optional<Bytes> next(rte_ring* ring) {
    std::optional<Bytes> frame;
    comes_true([&] { return (frame = take(ring)).has_value(); });
    return frame;
  }

  rte_ring *outbox_, *probes_;
  ProbePorts ports_;
  Bell worker_;
  KernelPath path_;
};

// A socket on the TAP: what the kernel sends there, and what it gets.
class Kernel {
 public:
  Kernel() : fd_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL))) {
    run("ip link set tap0 up");
    sockaddr_ll here{};
    here.sll_family = AF_PACKET;
    here.sll_protocol = htons(ETH_P_ALL);
    here.sll_ifindex = static_cast<int>(if_nametoindex("tap0"));
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&here), sizeof here), 0) << std::strerror(errno);
  }
  ~Kernel() { close(fd_); }
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  void sends(const Bytes& frame) const {
    EXPECT_EQ(send(fd_, frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()))
        << std::strerror(errno);
  }
  [[nodiscard]] Bytes gets() const {
    pollfd readable{fd_, POLLIN, 0};
    if (poll(&readable, 1, 20'000) != 1) return {};
    Bytes frame(2000);
    frame.resize(static_cast<std::size_t>(std::max<ssize_t>(recv(fd_, frame.data(), frame.size(), 0), 0)));
    return frame;
  }

 private:
  int fd_;
};

TEST(KernelPath, AFrameOfTheKernelGoesOutByThePortAndIsCountedAsCreated) {
  in_fresh_namespace([] {
    silence_ipv6();
    Ground ground;
    const Kernel kernel;
    ground.path().start();
    const Bytes frame = packet().ipv4(kMux, kServer).tcp(kOtherPort, 80).syn();
    kernel.sends(frame);
    EXPECT_EQ(ground.next_for_port(), frame);
    ground.path().stop();
    EXPECT_EQ(ground.port().created_packets.get(), 1u);
  });
}

TEST(KernelPath, ThePortsTagGoesOnForTheWireAndOffForTheKernel) {
  in_fresh_namespace([] {
    silence_ipv6();
    Ground ground(7);
    const Kernel kernel;
    const auto answer = packet().ipv4(kMux, kServer).udp(kOtherPort, 53);
    const auto question = packet().ipv4(kServer, kMux).udp(53, kOtherPort);
    for (const Bytes& frame : {Bytes(packet().vlan(7).ipv4(kServer, kMux).udp(53, kOtherPort)),
                               Bytes(question)}) {  // of which the NIC took the tag
      ASSERT_EQ(rte_ring_enqueue(ground.path().to_kernel(0), buffer_of(frame)), 0);
    }
    EXPECT_EQ(ground.path().held(0), 2u);
    ground.path().start();
    for (unsigned i = 0; i < 2; ++i) EXPECT_EQ(test::hex(kernel.gets()), test::hex(question));
    kernel.sends(answer);
    EXPECT_EQ(ground.next_for_port(), Bytes(packet().vlan(7).ipv4(kMux, kServer).udp(kOtherPort, 53)));
    ground.path().stop();
    EXPECT_EQ(ground.port().punted_packets.get(), 2u);
    EXPECT_EQ(ground.path().held(0), 0u);
  });
}

TEST(KernelPath, OnlyPacketsFromAProbesPortGoTheWayOfClients) {
  in_fresh_namespace([] {
    silence_ipv6();
    Ground ground;
    const Kernel kernel;
    ground.path().start();
    for (const Bytes& probe : {Bytes(packet().ipv4(kMux, "203.0.113.10").tcp(kProbePort, 80).syn()),
                               Bytes(packet().ipv4(kMux, "203.0.113.10").udp(kProbePort, 53)),
                               Bytes(packet().ipv6("2001:db8::10", "2001:db8:cb::10").tcp(kProbePort, 80))}) {
      kernel.sends(probe);
      EXPECT_EQ(ground.next_probe(), probe);
    }
    const Bytes bytes_like_a_port = {0xf0, 0x07, 0, 80};
    for (const Bytes& other :
         {Bytes(packet().ipv4(kMux, kServer).tcp(kProbePort + 1, 80)),  // which stands for nobody
          Bytes(packet().ipv4(kMux, kServer).piece(64, false).protocol(17).payload(bytes_like_a_port)),
          Bytes(packet().ipv4(kMux, kServer).echo(0xf007, 80)),
          Bytes(packet().ipv4(kMux, kServer).udp(kProbePort, 53).cut_to(36)),
          Bytes(packet().ipv4(kMux, kServer).udp(kProbePort, 53).cut_to(30)),
          Bytes(packet().ipv4(kMux, kServer).udp(kProbePort, 53).ip_byte(0, 0x4f)),  // beyond the frame
          Bytes(packet().ipv6("2001:db8::10", "2001:db8::20").udp(kProbePort, 53).cut_to(50)),
          Bytes(packet().ether_type(0x0806).payload(28))}) {
      kernel.sends(other);
      EXPECT_EQ(ground.next_for_port(), other);
    }
  });
}

TEST(KernelPath, WhatAFullQueueOfThePortDoesNotTakeIsDroppedAndCounted) {
  in_fresh_namespace([] {
    silence_ipv6();
    const unsigned buffers = rte_mempool_avail_count(test::rig_pool());
    {
      Ground ground(0, 8);  // such a ring takes seven
      const Kernel kernel;
      ground.path().start();
      const Bytes frame = packet().ipv4(kMux, kServer).udp(kOtherPort, 53);
      for (unsigned i = 0; i < 12; ++i) kernel.sends(frame);
      EXPECT_TRUE(comes_true([&] { return ground.drops(DropReason::kKernelQueueFull) == 5; }));
      ground.path().stop();
      EXPECT_EQ(ground.waiting_for_port(), 7u);
      EXPECT_EQ(ground.port().created_packets.get(), 12u);
    }
    EXPECT_EQ(rte_mempool_avail_count(test::rig_pool()), buffers);
  });
}

TEST(KernelPath, WithoutABufferAFrameWaitsInTheKernel) {
  in_fresh_namespace([] {
    silence_ipv6();
    Ground ground;
    const Kernel kernel;
    std::vector<rte_mbuf*> all;
    while (rte_mbuf* m = rte_pktmbuf_alloc(test::rig_pool())) all.push_back(m);
    const Bytes frame = packet().ipv4(kMux, kServer).udp(kOtherPort, 53);
    kernel.sends(frame);
    ground.path().start();
    // It sleeps: it has looked many times, and could not take the frame.
    EXPECT_TRUE(comes_true([&] { return ground.path().bell().state() == Bell::State::kDrowsy; }));
    EXPECT_TRUE(ground.port_has_nothing());
    for (rte_mbuf* m : all) rte_pktmbuf_free(m);
    EXPECT_EQ(ground.next_for_port(), frame);
  });
}

TEST(KernelPath, ATapThatWasRemovedIsMadeAnewAndWorks) {
  in_fresh_namespace([] {
    silence_ipv6();
    Ground ground;
    ground.path().start();
    run("ip link del tap0");
    EXPECT_TRUE(comes_true([&] {
      ground.path().renew();
      return if_nametoindex("tap0") != 0;
    }));
    const Kernel kernel;
    const Bytes frame = packet().ipv4(kMux, kServer).udp(kOtherPort, 53);
    kernel.sends(frame);
    EXPECT_EQ(ground.next_for_port(), frame);
  });
}

TEST(KernelPath, WhileSomebodyElseHasTheNameARemovedTapIsAskedForAgain) {
  in_fresh_namespace([] {
    silence_ipv6();
    Ground ground;
    ground.path().start();
    // One command: the name is never free for us in between.
    run("ip link add other type veth peer name peer");
    run("printf 'link del tap0\\nlink set other name tap0\\n' | ip -batch -");
    // The path looks for frames of the kernel after it has given it some: once the second is refused, it
    // knows that its TAP is gone.
    for (unsigned refused = 1; refused <= 2; ++refused) {
      const Bytes frame = packet().ipv4(kServer, kMux).udp(53, kOtherPort);
      ASSERT_EQ(rte_ring_enqueue(ground.path().to_kernel(0), buffer_of(frame)), 0);
      EXPECT_TRUE(comes_true([&] { return ground.drops(DropReason::kKernelRefused) == refused; }));
    }
    ground.path().renew();
    run("ip link del tap0");
    EXPECT_TRUE(comes_true([&] {
      ground.path().renew();
      return if_nametoindex("tap0") != 0;
    }));
  });
}

TEST(KernelPath, ATapThatIsKeptStaysAndTheNextPathTakesIt) {
  in_fresh_namespace([] {
    unsigned kept = 0;
    {
      Ground ground;
      EXPECT_EQ(ground.path().keep(), std::nullopt);
      kept = if_nametoindex("tap0");
      EXPECT_NE(kept, 0u);
    }
    EXPECT_EQ(if_nametoindex("tap0"), kept) << "the next process finds it";
    {
      const Ground next;
      EXPECT_EQ(if_nametoindex("tap0"), kept) << "it is the same one";
    }
    EXPECT_EQ(if_nametoindex("tap0"), 0u) << "it goes with the next process, which did not keep it";
  });
}

TEST(KernelPath, APortWithoutATapHasNoWayToTheKernel) {
  in_fresh_namespace([] {
    Ground ground;
    EXPECT_EQ(ground.path().to_kernel(1), nullptr);
    EXPECT_EQ(ground.path().held(1), 0u);
  });
}

std::string why_not() {
  try {
    const Ground ground;
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "it was made";
}

TEST(KernelPath, ANameThatIsTakenIsRefusedWithASentence) {
  in_fresh_namespace([] {
    const neighbor::test::Tap other("tap0");
    EXPECT_EQ(why_not(),
              "kernel_interface tap0: the TAP cannot be made (Device or resource busy): an interface of this "
              "name exists; stop its owner or choose another name");
  });
}

TEST(KernelPath, WithoutTheTunDriverTheSentenceSaysWhatWouldHelp) {
  in_fresh_namespace([] {
    ASSERT_EQ(unshare(CLONE_NEWNS), 0);
    run("mount --make-rprivate / && mount -t tmpfs none /dev");
    EXPECT_EQ(
        why_not(),
        "kernel_interface tap0: /dev/net/tun cannot be opened (No such file or directory): load the tun "
        "driver and give sluiced CAP_NET_ADMIN, or set kernel_interface = \"\"");
  });
}

TEST(KernelPath, APacketOfSeveralBuffersIsDroppedAsRefused) {
  in_fresh_namespace([] {
    const unsigned before = rte_mempool_avail_count(test::rig_pool());
    {
      Ground ground;
      rte_mbuf* m = buffer_of(test::pattern(100));
      rte_pktmbuf_chain(m, buffer_of(test::pattern(100)));
      ASSERT_EQ(rte_ring_enqueue(ground.path().to_kernel(0), m), 0);
      EXPECT_EQ(ground.path().held(0), 1u);
      ground.path().start();
      ground.path().stop();
      EXPECT_EQ(ground.drops(DropReason::kKernelRefused), 1u);
      EXPECT_EQ(ground.port().punted_packets.get(), 0u);
      EXPECT_EQ(ground.path().held(0), 0u);
    }
    EXPECT_EQ(rte_mempool_avail_count(test::rig_pool()), before);
  });
  if (!HasFailure()) test::saw(DropReason::kKernelRefused);
}

}  // namespace
}  // namespace sluice::io
