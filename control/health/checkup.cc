// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/checkup.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fstream>
#include <utility>

#include "control/config/address_port.h"
#include "control/health/observer.h"
#include "control/health/probe.h"
#include "control/health/prober.h"
#include "dataplane/wire/headers.h"

namespace sluice::health {
namespace {

using config::HealthType;
using std::chrono::milliseconds;

// A connection, a ping and the agent's status may take so long: a lost SYN is sent again after a second. The
// service's own question may take as long as its probes, within bounds.
constexpr milliseconds kLeastPatience{1500}, kMostPatience{3000}, kMostForAnswer{5000};
// The neighbour of a DIP that came a moment ago may still be asked for its address.
constexpr milliseconds kNextHopPoll{20};
constexpr unsigned kNextHopPolls = 25;
// Two segments of an Ethernet client's size, so that one of them is full; and one that every network passes.
constexpr std::uint16_t kFillBytes = 2900, kSmallSegment = 500;

bool speaks_http(HealthType type) {
  return type == HealthType::kHttp || type == HealthType::kHttps;
}

unsigned read_filter(const std::string& interface) {
  unsigned value = 0;
  std::ifstream("/proc/sys/net/ipv4/conf/" + interface + "/rp_filter") >> value;
  return value;
}

// The kernel takes the larger of the two (ip-sysctl).
unsigned rp_filter_of(const std::string& interface) {
  return std::max(read_filter("all"), read_filter(interface));
}

std::uint16_t port_of(const config::Service& service, const config::Dip& dip) {
  return dip.port != 0 ? dip.port : service.port;
}

// Whether the health section asks the program that serves the clients, and not another one beside it.
bool asks_the_service(const config::Service& service, const config::Dip& dip) {
  const config::Health& health = service.health;
  return health.through == config::ProbeWay::kVip || health.port == 0 || service.port == 0 ||
         health.port == port_of(service, dip);
}

std::string another_port(const config::Service& service) {
  return "the health section asks port " + std::to_string(service.health.port) +
         ", which is not the service's";
}

// What the clients' way is tried with, or why it cannot be.
std::variant<Spec, std::string> tunnel_spec(const config::Service& service, const config::Dip& dip) {
  config::Service asked = service;
  asked.health.through = config::ProbeWay::kVip;
  const bool udp = service.protocol == config::Protocol::kUdp ||
                   (service.protocol == config::Protocol::kAny && service.health.type == HealthType::kUdp);
  if (udp && service.health.type != HealthType::kUdp)
    return "the service is UDP, and its health section has no question of type udp to ask";
  if (udp && !asks_the_service(service, dip)) return another_port(service);
  if (!udp && service.protocol != config::Protocol::kTcp && service.protocol != config::Protocol::kAny)
    return "only TCP and UDP services can be asked like that";
  if (!udp) {
    asked.health.type = HealthType::kTcp;
    if (!speaks_http(service.health.type) && service.health.type != HealthType::kTcp) asked.health.port = 0;
  }
  if (service.port != 0) asked.health.port = service.port;
  Spec spec = spec_of(asked, dip);
  if (spec.port == 0) return "the service takes every port, and its health section names none";
  return spec;
}

// A way by which the kernel sends to the VIP, or why there is none.
std::variant<Way, std::string> find_way(const CheckupMeans& means, const Spec& tunnel) {
  if (!means.options.data_path) return "no port has a kernel_interface";
  return means.options.data_path->find(tunnel);
}

class Checkup : public std::enable_shared_from_this<Checkup> {
 public:
  Checkup(std::shared_ptr<CheckupMeans> means, Extent extent, const config::Service& service,
          const config::Dip& dip, std::function<void(const Diagnosis&)> done)
      : means_(std::move(means)),
        only_clients_way_(extent == Extent::kClientsWay),
        service_(service),
        dip_(dip),
        done_(std::move(done)),
        timer_(means_->around.io) {
    const milliseconds timeout(service.health.timeout_ms);
    patience_ = std::clamp(timeout, kLeastPatience, kMostPatience);
    patience_for_answer_ = std::clamp(timeout, kLeastPatience, kMostForAnswer);
    seen_.dip_address = dip.address;
    seen_.dip = to_string(dip.address);
    seen_.vip_address = service.vip.address;
    if (!asks_the_service(service, dip)) seen_.no_question = another_port(service);
  }
  Checkup(const Checkup&) = delete;
  Checkup& operator=(const Checkup&) = delete;

  // Waits for the next hop, when that may be on its way.
  void start() {
    seen_.resolved = means_->options.path_to(dip_.address).resolved;
    if (seen_.resolved || next_hop_polls_++ == kNextHopPolls) return begin();
    timer_.expires_after(kNextHopPoll);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code&) { self->start(); });
  }

 private:
  void begin() {
    seen_.path = means_->options.describe_path(dip_.address);
    choose_way();
    if (only_clients_way_) return try_tunnel();
    Spec ping;
    ping.type = HealthType::kIcmp;
    ask(ping, [this](Answer answer) {
      seen_.ping = std::move(answer);
      ask_agent();
    });
  }

  using Then = std::function<void(Answer)>;

  void choose_way() {
    const auto tunnel = tunnel_spec(service_, dip_);
    if (const auto* why = std::get_if<std::string>(&tunnel)) {
      seen_.no_way = *why;
      return;
    }
    tunnel_ = std::get<Spec>(tunnel);
    seen_.vip = config::to_string(config::AddressPort{tunnel_.vip, tunnel_.port});
    const auto way = find_way(*means_, tunnel_);
    if (const auto* why = std::get_if<std::string>(&way))
      seen_.no_way = *why;
    else
      way_ = std::get<Way>(way);
  }

  // Asks at the server's address, unless the question says more.
  void ask(Spec spec, Then then) { ask_within(patience_, std::move(spec), std::move(then)); }

  // What the service's probes ask may take as long as there.
  void ask_service(Spec spec, Then then) {
    ask_within(patience_for_answer_, std::move(spec), std::move(then));
  }

  void ask_within(milliseconds patience, Spec spec, Then then) {
    spec.address = dip_.address;
    spec.timeout = patience;
    spec.persistent = false;
    prober_ = make_prober(means_->around, spec);
    timer_.expires_after(patience);
    timer_.async_wait(
        [self = shared_from_this(), then, patience, turn = ++turn_](const boost::system::error_code& error) {
          if (error || turn != self->turn_) return;
          ++self->turn_;
          const std::string waited_for(self->prober_->waits_for());
          self->prober_->stop();
          then(self->silence(patience, waited_for));
        });
    // The timer keeps this alive; the prober is its own and must not.
    prober_->ask([weak = weak_from_this(), then, turn = turn_](Answer answer) {
      const auto self = weak.lock();
      if (!self || turn != self->turn_) return;
      ++self->turn_;
      self->timer_.cancel();
      // Later, when the prober's own work is over: the next question replaces it.
      boost::asio::post(self->means_->around.io, [self, then, answer = std::move(answer)] { then(answer); });
    });
  }

  // A loop that was held up, and a question that its probes would wait longer for, say nothing.
  [[nodiscard]] Answer silence(milliseconds patience, const std::string& waited_for) const {
    const std::string text = "waited " + std::to_string(patience.count()) + " ms for " + waited_for;
    if (Clock::now() - timer_.expiry() > Probe::kHeldUp)
      return {.judgement = Judgement::kNone, .text = text + ", and was held up", .silent = true};
    const bool in_haste = patience == kMostForAnswer && patience < milliseconds(service_.health.timeout_ms);
    return {.judgement = in_haste ? Judgement::kNone : Judgement::kBad, .text = text, .silent = true};
  }

  void ask_agent() {
    ask(agent_spec(), [this](const Answer& answer) {
      seen_.before = read_agent_facts(answer.body, seen_.vip_address);
      seen_.agent = "asked on port " + std::to_string(agent_spec().port) + ": " + answer.text;
      ask_directly();
    });
  }

  [[nodiscard]] Spec agent_spec() const {
    Spec spec;
    spec.type = HealthType::kAgent;
    const bool own_port = service_.health.type == HealthType::kAgent && service_.health.port != 0;
    spec.port = own_port ? service_.health.port : kAgentPort;
    spec.path = "/status";
    spec.keep_body = true;
    return spec;
  }

  void ask_directly() {
    config::Service asked = service_;
    asked.health.through = config::ProbeWay::kDip;
    const HealthType type = service_.health.type;
    if (type == HealthType::kNone || type == HealthType::kIcmp || type == HealthType::kAgent) {
      if (service_.protocol == config::Protocol::kUdp) return try_tunnel();
      asked.health.type = HealthType::kTcp;
      asked.health.port = 0;
    }
    const Spec spec = spec_of(asked, dip_);
    if (spec.port == 0) return try_tunnel();
    ask_service(spec, [this](Answer answer) {
      seen_.direct = std::move(answer);
      try_tunnel();
    });
  }

  void try_tunnel() {
    if (!seen_.resolved || !seen_.no_way.empty()) return conclude();
    if (!only_clients_way_) observe();
    const bool udp = tunnel_.type == HealthType::kUdp;
    ask_within(udp ? patience_for_answer_ : patience_, tunnel_, [this, udp](Answer answer) {
      const bool through = answer.judgement == Judgement::kGood || answer.heard;
      if (answer.refused) seen_.reset = true;
      seen_.tunnel = std::move(answer);
      if (!through) return ask_agent_again();
      if (udp) seen_.answer = seen_.tunnel;
      const bool more = speaks_http(service_.health.type) && seen_.no_question.empty();
      if (udp || !more) return conclude();
      ask_question();
    });
  }

  void ask_agent_again() {
    if (!seen_.before || only_clients_way_) return conclude();
    ask(agent_spec(), [this](const Answer& answer) {
      seen_.after = read_agent_facts(answer.body, seen_.vip_address);
      conclude();
    });
  }

  [[nodiscard]] Spec question() const {
    config::Service asked = service_;
    asked.health.through = config::ProbeWay::kVip;
    asked.health.port = tunnel_.port;
    return spec_of(asked, dip_);
  }

  void ask_question() {
    ask_service(question(), [this](Answer answer) {
      const bool heard = answer.heard;
      seen_.answer = std::move(answer);
      if (!heard) return conclude();
      ask_at_full_size();
    });
  }

  void ask_at_full_size() {
    large_ = true;
    Spec spec = question();
    spec.fill_bytes = kFillBytes;
    ask_service(spec, [this](Answer answer) {
      const bool silent = answer.silent;
      seen_.large = std::move(answer);
      if (!silent || only_clients_way_) return conclude();
      ask_cut_up();
    });
  }

  // Some servers have no room for so long a request, and say nothing at all.
  void ask_cut_up() {
    Spec spec = question();
    spec.fill_bytes = kFillBytes;
    spec.segment_bytes = kSmallSegment;
    ask_service(spec, [this](Answer answer) {
      seen_.cut_up = std::move(answer);
      conclude();
    });
  }

  // --- what passes meanwhile ---

  void observe() {
    observer_ = std::make_unique<Observer>(means_->around.io, way_.interface,
                                           [this](const Sighting& sighting) { saw(sighting); });
    seen_.blind = observer_->problem();
  }

  [[nodiscard]] bool is_ours(Big16 port) const {
    return means_->options.data_path->target_of(port.value()) == way_.target;
  }

  void saw(const Sighting& sighting) {
    const FlowKey& key = sighting.key;
    if (sighting.error) return saw_error(key.source, *sighting.error);
    if (sighting.outgoing) {
      if (key.destination == tunnel_.vip && is_ours(key.source_port)) seen_.sent = true;
      return;
    }
    if (!is_ours(key.destination_port) || seen_.tunnel) return;
    if (key.source != tunnel_.vip) {
      seen_.stranger = key.source;
      return;
    }
    seen_.returned = true;
    if (key.protocol == kProtoTcp && (sighting.tcp_flags & TcpHeader::kRst)) seen_.reset = true;
  }

  void saw_error(const IpAddress& from, const Sighting::Error& error) {
    const FlowKey& about = error.about;
    const bool tunnel =
        about.destination == dip_.address &&
        (about.protocol == kProtoIpv4 || about.protocol == kProtoIpv6 ||
         (about.protocol == kProtoUdp && about.destination_port.value() == service_.gue_port));
    const bool inner = about.destination == tunnel_.vip && is_ours(about.source_port);
    // "Too big" is about packets of others as long as ours are small.
    if ((!tunnel && !inner) || (error.mtu != 0) != large_) return;
    seen_.refusal = Refusal{from, error.type, error.code, tunnel, error.mtu};
  }

  void conclude() {
    observer_.reset();
    prober_.reset();
    if (!way_.interface.empty() && way_.source.is_v4()) seen_.own_rp_filter = rp_filter_of(way_.interface);
    std::exchange(done_, nullptr)(diagnose(seen_));
  }

  const std::shared_ptr<CheckupMeans> means_;
  const bool only_clients_way_;
  const config::Service service_;
  const config::Dip dip_;
  std::function<void(const Diagnosis&)> done_;
  milliseconds patience_{0}, patience_for_answer_{0};
  unsigned next_hop_polls_ = 0;
  Observations seen_;
  Spec tunnel_;
  Way way_;
  std::unique_ptr<Prober> prober_;
  std::unique_ptr<Observer> observer_;
  boost::asio::steady_timer timer_;
  std::uint64_t turn_ = 0;  // tells an answer or a timeout whether it is still meant
  bool large_ = false;      // full-size packets are under way
};

}  // namespace

void check_up(std::shared_ptr<CheckupMeans> means, Extent extent, const config::Service& service,
              const config::Dip& dip, std::function<void(const Diagnosis&)> done) {
  std::make_shared<Checkup>(std::move(means), extent, service, dip, std::move(done))->start();
}

std::string why_no_walk(const CheckupMeans& means, const config::Service& service, const config::Dip& dip) {
  const bool every_port = service.port == 0 || service.protocol == config::Protocol::kAny;
  if (every_port && service.health.through == config::ProbeWay::kDip)
    return "the service takes more than one port, and no probe asks the VIP";
  if (!service.vip.is_host() && service.health.through == config::ProbeWay::kDip)
    return "the VIP is a whole prefix, and no probe asks an address of it";
  const auto tunnel = tunnel_spec(service, dip);
  if (const auto* why = std::get_if<std::string>(&tunnel)) return *why;
  const auto way = find_way(means, std::get<Spec>(tunnel));
  const auto* why = std::get_if<std::string>(&way);
  return why ? *why : "";
}

}  // namespace sluice::health
