// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/doctor.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fstream>
#include <utility>

#include "control/config/address_port.h"
#include "control/health/observer.h"
#include "control/health/prober.h"
#include "dataplane/wire/headers.h"

namespace sluice::health {
namespace {

using config::HealthType;
using std::chrono::milliseconds;

// One question may take so long: a lost SYN is sent again after a second.
constexpr milliseconds kLeastPatience{1500}, kMostPatience{3000};
// Two segments of an Ethernet client's size, so that one of them is full.
constexpr std::uint16_t kFillBytes = 2900;

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

// What the clients' way is tried with, or why it cannot be.
std::variant<Spec, std::string> tunnel_spec(const config::Service& service, const config::Dip& dip) {
  config::Service asked = service;
  asked.health.through = config::ProbeWay::kVip;
  const bool udp = service.protocol == config::Protocol::kUdp ||
                   (service.protocol == config::Protocol::kAny && service.health.type == HealthType::kUdp);
  if (udp && service.health.type != HealthType::kUdp)
    return "the service is UDP, and its health section has no question of type udp to ask";
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

}  // namespace

struct Doctor::Practice {
  Practice(boost::asio::io_context& io, DoctorOptions its_options)
      : options(std::move(its_options)),
        around{.io = io, .pinger = nullptr, .tls = nullptr, .data_path = options.data_path} {}
  DoctorOptions options;
  Surroundings around;
  unsigned under_way = 0;
};

class Doctor::Checkup : public std::enable_shared_from_this<Checkup> {
 public:
  Checkup(std::shared_ptr<Practice> practice, const config::Service& service, const config::Dip& dip,
          Done done)
      : practice_(std::move(practice)),
        service_(service),
        dip_(dip),
        done_(std::move(done)),
        timer_(practice_->around.io) {
    ++practice_->under_way;
    patience_ = std::clamp(milliseconds(service.health.timeout_ms), kLeastPatience, kMostPatience);
    seen_.dip_address = dip.address;
    seen_.dip = to_string(dip.address);
    seen_.vip_address = service.vip.address;
  }
  ~Checkup() { --practice_->under_way; }
  Checkup(const Checkup&) = delete;
  Checkup& operator=(const Checkup&) = delete;

  void start() {
    seen_.resolved = practice_->options.path_to(dip_.address).resolved;
    seen_.path = practice_->options.describe_path(dip_.address);
    find_way();
    Spec ping;
    ping.type = HealthType::kIcmp;
    ask(ping, [this](Answer answer) {
      seen_.ping = std::move(answer);
      ask_agent();
    });
  }

 private:
  using Then = std::function<void(Answer)>;

  void find_way() {
    const auto tunnel = tunnel_spec(service_, dip_);
    if (const auto* why = std::get_if<std::string>(&tunnel)) {
      seen_.no_way = *why;
      return;
    }
    tunnel_ = std::get<Spec>(tunnel);
    seen_.vip = config::to_string(config::AddressPort{tunnel_.vip, tunnel_.port});
    if (!practice_->options.data_path) {
      seen_.no_way = "no port has a kernel_interface";
      return;
    }
    const auto way = practice_->options.data_path->find(tunnel_);
    if (const auto* why = std::get_if<std::string>(&way))
      seen_.no_way = *why;
    else
      way_ = std::get<Way>(way);
  }

  // Asks at the server's address, unless the question says more.
  void ask(Spec spec, Then then) {
    spec.address = dip_.address;
    spec.timeout = patience_;
    spec.persistent = false;
    prober_ = make_prober(practice_->around, spec);
    timer_.expires_after(patience_);
    timer_.async_wait([self = shared_from_this(), then,
                       turn = ++turn_](const boost::system::error_code& error) {
      if (error || turn != self->turn_) return;
      ++self->turn_;
      const std::string waited_for(self->prober_->waits_for());
      self->prober_->stop();
      then({Judgement::kBad, "waited " + std::to_string(self->patience_.count()) + " ms for " + waited_for});
    });
    // The timer keeps this alive; the prober is its own and must not.
    prober_->ask([weak = weak_from_this(), then, turn = turn_](Answer answer) {
      const auto self = weak.lock();
      if (!self || turn != self->turn_) return;
      ++self->turn_;
      self->timer_.cancel();
      // Later, when the prober's own work is over: the next question replaces it.
      boost::asio::post(self->practice_->around.io,
                        [self, then, answer = std::move(answer)] { then(answer); });
    });
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
    ask(spec, [this](Answer answer) {
      seen_.direct = std::move(answer);
      try_tunnel();
    });
  }

  void try_tunnel() {
    if (!seen_.resolved || !seen_.no_way.empty()) return conclude();
    observer_ = std::make_unique<Observer>(practice_->around.io, way_.interface,
                                           [this](const Sighting& sighting) { saw(sighting); });
    seen_.blind = observer_->problem();
    ask(tunnel_, [this](Answer answer) {
      const bool udp = tunnel_.type == HealthType::kUdp;
      const bool through = answer.judgement == Judgement::kGood || answer.heard;
      if (answer.refused) seen_.reset = true;
      seen_.tunnel = std::move(answer);
      if (!through) return ask_agent_again();
      if (udp) seen_.answer = seen_.tunnel;
      if (udp || !speaks_http(service_.health.type)) return conclude();
      ask_question();
    });
  }

  void ask_agent_again() {
    if (!seen_.before) return conclude();
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
    ask(question(), [this](Answer answer) {
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
    ask(spec, [this](Answer answer) {
      seen_.large = std::move(answer);
      conclude();
    });
  }

  // --- what passes meanwhile ---

  [[nodiscard]] bool is_ours(Big16 port) const {
    return practice_->options.data_path->target_of(port.value()) == way_.target;
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

  std::shared_ptr<Practice> practice_;
  const config::Service service_;
  const config::Dip dip_;
  Done done_;
  milliseconds patience_{0};
  Observations seen_;
  Spec tunnel_;
  Way way_;
  std::unique_ptr<Prober> prober_;
  std::unique_ptr<Observer> observer_;
  boost::asio::steady_timer timer_;
  std::uint64_t turn_ = 0;  // tells an answer or a timeout whether it is still meant
  bool large_ = false;      // full-size packets are under way
};

Doctor::Doctor(boost::asio::io_context& io, DoctorOptions options)
    : practice_(std::make_shared<Practice>(io, std::move(options))) {}

bool Doctor::check(const config::Service& service, const config::Dip& dip, Done done) {
  if (practice_->under_way >= kMostAtOnce) return false;
  std::make_shared<Checkup>(practice_, service, dip, std::move(done))->start();
  return true;
}

}  // namespace sluice::health
