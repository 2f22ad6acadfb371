// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// sluice-bench-generator: sends UDP packets of many sources to the VIP by a port of its own, and measures
// what comes back, encapsulated or not. Each packet carries the time at which it was written, so delays are
// those of the whole way there and back. Reads one command a line, answers each with one line of JSON:
//
//   up                   waits for the link (10 s)
//   run PPS SECONDS      sends at that rate, 0 = as fast as it goes: packets, losses, delays
//   pings COUNT GAP_MS   one packet after each silence: delays
//   watch SECONDS        packets of one flow, until they go to another DIP: when, by CLOCK_MONOTONIC
#include <arpa/inet.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "dataplane/io/eal.h"
#include "dataplane/io/port.h"
#include "tests/bench/flow_order.h"
#include "tests/bench/frames.h"
#include "tests/bench/latency.h"
#include "tests/bench/running.h"

namespace sluice::bench {
namespace {

using nlohmann::json;

constexpr unsigned kBurst = 32, kMostBehind = 1'024;
constexpr unsigned kMark = kUdpPayload + 2, kStamp = kMark + 4;  // where they lie in a frame that is sent
constexpr std::uint32_t kMarkValue = 0x51ce51ce;
constexpr double kStragglerSeconds = 0.05, kLinkSeconds = 10;

struct Options {
  std::string device;
  std::uint32_t flows = 65'536;
  std::vector<std::string> eal = {"--in-memory", "--no-pci", "--log-level=error"};
};

std::uint64_t tsc_of(double seconds) {
  return static_cast<std::uint64_t>(seconds * static_cast<double>(rte_get_tsc_hz()));
}
double ns_of_tsc(std::uint64_t tsc) {
  return static_cast<double>(tsc) * 1e9 / static_cast<double>(rte_get_tsc_hz());
}

// One of our packets, as it came back.
struct Echo {
  std::uint64_t sent_tsc;
  Big32 outer_destination;  // of the client's own header when there is no other
};

std::optional<Echo> read_echo(const rte_mbuf* packet) {
  const auto* at = rte_pktmbuf_mtod(packet, const std::uint8_t*);
  const auto* ip = reinterpret_cast<const Ipv4Header*>(at + sizeof(EthernetHeader));
  const unsigned outer = ip->protocol == kProtoIpv4 ? sizeof(Ipv4Header) : 0;
  if (packet->data_len < kStamp + outer + 8) return std::nullopt;
  std::uint32_t mark;
  std::memcpy(&mark, at + kMark + outer, 4);
  if (mark != kMarkValue) return std::nullopt;
  Echo echo{0, ip->destination};
  std::memcpy(&echo.sent_tsc, at + kStamp + outer, 8);
  return echo;
}

class Generator {
 public:
  explicit Generator(const Options& options)
      : pool_(32'767, 1'500),
        port_({.name = "generator", .device = options.device}, pool_.get()),
        writer_({.udp = true}),
        order_(Order::kRandom, options.flows) {
    port_.start();
  }

  json up() {
    const std::uint64_t limit = rte_rdtsc() + tsc_of(kLinkSeconds);
    while (!port_.link_up()) {
      if (rte_rdtsc() > limit) throw std::runtime_error("the link did not come up");
      wait(0.01);
    }
    return {{"up", true}};
  }

  json run(double pps, double seconds) {
    receive([](const Echo&, std::uint64_t) {});  // what is left of before
    Delays delays;
    const auto take = [&](const Echo& echo, std::uint64_t now) {
      delays.add(static_cast<std::uint64_t>(ns_of_tsc(now - echo.sent_tsc)));
    };
    std::uint64_t sent = 0, refused = 0, now = rte_rdtsc();
    const std::uint64_t begin = now, end = begin + tsc_of(seconds);
    std::uint64_t clock_from = begin, clocked = 0;
    const double per_tsc = pps / static_cast<double>(rte_get_tsc_hz());
    for (; now < end; now = rte_rdtsc()) {
      std::uint64_t due = kBurst;
      if (pps > 0) {
        due = static_cast<std::uint64_t>(static_cast<double>(now - clock_from) * per_tsc) - clocked;
        if (due > kMostBehind) {  // the machine took a break: no flood to make up for it
          clock_from = now;
          clocked = due = 0;
        }
      }
      const auto count = static_cast<unsigned>(std::min<std::uint64_t>(due, kBurst));
      clocked += count;
      const unsigned went = count ? send(count, nullptr) : 0;
      sent += went;
      refused += count - went;
      receive(take);
    }
    collect(take);
    const double took = ns_of_tsc(end - begin) / 1e9;
    return {{"sent", sent},
            {"refused", refused},
            {"seconds", took},
            {"received", delays.count()},
            {"p50_us", delays.percentile_us(0.5)},
            {"p99_us", delays.percentile_us(0.99)},
            {"p999_us", delays.percentile_us(0.999)},
            {"max_us", delays.most_us()}};
  }

  json pings(unsigned count, double gap_ms) {
    Delays delays;
    for (unsigned i = 0; i < count; ++i) {
      wait(gap_ms / 1e3);
      receive([](const Echo&, std::uint64_t) {});
      const std::uint64_t before = delays.count();
      if (send(1, nullptr) != 1) throw std::runtime_error("the port took no packet");
      const std::uint64_t limit = rte_rdtsc() + tsc_of(1);
      while (delays.count() == before) {
        receive([&](const Echo& echo, std::uint64_t now) {
          delays.add(static_cast<std::uint64_t>(ns_of_tsc(now - echo.sent_tsc)));
        });
        if (delays.count() == before && rte_rdtsc() > limit)
          throw std::runtime_error("a packet did not come back within a second");
      }
    }
    return {{"received", delays.count()},
            {"p50_us", delays.percentile_us(0.5)},
            {"p99_us", delays.percentile_us(0.99)},
            {"max_us", delays.most_us()}};
  }

  // Says where the flow goes in a line of its own, then when it went elsewhere.
  json watch(double seconds) {
    constexpr std::uint64_t kFlow = 7;
    const std::uint64_t end = rte_rdtsc() + tsc_of(seconds), gap = tsc_of(2e-6);
    std::optional<Big32> first;
    json changed;
    std::uint64_t next = 0, now;
    while (changed.is_null() && (now = rte_rdtsc()) < end) {
      if (now >= next) {
        send(1, &kFlow);
        next = now + gap;
      }
      receive([&](const Echo& echo, std::uint64_t) {
        if (!first) {
          first = echo.outer_destination;
          std::cout << json{{"destination", to_text(*first)}}.dump() << std::endl;
        } else if (changed.is_null() && echo.outer_destination != *first) {
          timespec t;
          clock_gettime(CLOCK_MONOTONIC, &t);
          changed = {{"changed_ns", t.tv_sec * 1'000'000'000l + t.tv_nsec},
                     {"destination", to_text(echo.outer_destination)}};
        }
      });
    }
    collect([](const Echo&, std::uint64_t) {});
    if (changed.is_null()) throw std::runtime_error("the flow went nowhere else");
    return changed;
  }

 private:
  static std::string to_text(Big32 address) {
    char text[INET_ADDRSTRLEN];
    const std::uint32_t raw = address.raw();
    return inet_ntop(AF_INET, &raw, text, sizeof text);
  }

  // The number that the port took; of flow `only`, or of those whose turn it is.
  unsigned send(unsigned count, const std::uint64_t* only) {
    rte_mbuf* burst[kBurst];
    if (rte_pktmbuf_alloc_bulk(pool_.get(), burst, count) != 0) return 0;
    for (unsigned i = 0; i < count; ++i) {
      auto* at = reinterpret_cast<std::uint8_t*>(rte_pktmbuf_append(burst[i], writer_.bytes()));
      writer_.write(at, only ? *only : order_.next());
      const std::uint64_t now = rte_rdtsc();
      std::memcpy(at + kMark, &kMarkValue, 4);
      std::memcpy(at + kStamp, &now, 8);
    }
    const unsigned went = rte_eth_tx_burst(port_.dpdk_port(), 0, burst, static_cast<std::uint16_t>(count));
    rte_pktmbuf_free_bulk(burst + went, count - went);
    return went;
  }

  template <typename Take>
  unsigned receive(Take&& take) {
    rte_mbuf* burst[2 * kBurst];
    const unsigned count = rte_eth_rx_burst(port_.dpdk_port(), 0, burst, 2 * kBurst);
    const std::uint64_t now = rte_rdtsc();
    for (unsigned i = 0; i < count; ++i) {
      if (const auto echo = read_echo(burst[i])) take(*echo, now);
    }
    rte_pktmbuf_free_bulk(burst, count);
    return count;
  }

  // What is still under way.
  template <typename Take>
  void collect(Take&& take) {
    const std::uint64_t patience = tsc_of(kStragglerSeconds);
    for (std::uint64_t last = rte_rdtsc(); rte_rdtsc() - last < patience;) {
      if (receive(take) != 0) last = rte_rdtsc();
    }
  }

  io::PacketPool pool_;
  io::Port port_;
  FrameWriter writer_;
  FlowOrder order_;
};

json obey(Generator& generator, const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  double a = 0, b = 0;
  words >> verb >> a >> b;
  if (verb == "up") return generator.up();
  if (verb == "run") return generator.run(a, b);
  if (verb == "pings") return generator.pings(static_cast<unsigned>(a), b);
  if (verb == "watch") return generator.watch(a);
  throw std::runtime_error("no command \"" + line + "\"; commands: up, run, pings, watch");
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  using namespace sluice::bench;
  Options options;
  CLI::App app{"Sends packets to the VIP and measures what comes back; commands on stdin, JSON on stdout."};
  app.add_option("device", options.device, "the port: a vdev with its arguments")->required();
  app.add_option("--flows", options.flows, "sources")->check(CLI::Range(1, 50'000'000));
  app.add_option("--eal", options.eal, "EAL's arguments");
  CLI11_PARSE(app, argc, argv);
  try {
    sluice::io::start_eal(options.eal, {});
    {
      Generator generator(options);
      std::string line;
      while (std::getline(std::cin, line)) {
        json answer;
        try {
          answer = obey(generator, line);
        } catch (const std::runtime_error& error) {
          answer = {{"error", error.what()}};
        }
        std::cout << answer.dump() << std::endl;
      }
    }
    sluice::io::stop_eal();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sluice-bench-generator: %s\n", error.what());
    return 1;
  }
}
