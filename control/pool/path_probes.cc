// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/pool/path_probes.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>

#include "dataplane/wire/headers.h"

namespace sluice::pool {
namespace {

constexpr std::size_t kSyns = 2;  // to each member in a round
constexpr std::uint32_t kPass = 0x40000;

// ARP, echo replies, ICMPv6, and TCP to our ports; the rest costs nothing. The kernel's
// frames bear no tag here. IPv4 with options does not pass.
constexpr std::array<sock_filter, 21> kFilter = {{
    {BPF_LD | BPF_H | BPF_ABS, 0, 0, 12},
    {BPF_JMP | BPF_JEQ | BPF_K, 17, 0, kEtherArp},
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 9, kEtherIpv4},
    {BPF_LD | BPF_B | BPF_ABS, 0, 0, 14},
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 15, 0x45},
    {BPF_LD | BPF_B | BPF_ABS, 0, 0, 23},
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 2, kProtoIcmp},
    {BPF_LD | BPF_B | BPF_ABS, 0, 0, 34},
    {BPF_JMP | BPF_JEQ | BPF_K, 10, 11, IcmpHeader::kEchoReply},
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 10, kProtoTcp},
    {BPF_LD | BPF_H | BPF_ABS, 0, 0, 36},
    {BPF_JMP | BPF_JGE | BPF_K, 6, 8, kFirstPort},
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 7, kEtherIpv6},
    {BPF_LD | BPF_B | BPF_ABS, 0, 0, 20},
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 2, kProtoTcp},
    {BPF_LD | BPF_H | BPF_ABS, 0, 0, 56},
    {BPF_JMP | BPF_JGE | BPF_K, 1, 3, kFirstPort},
    {BPF_JMP | BPF_JEQ | BPF_K, 1, 2, kProtoIcmpv6},
    {BPF_JMP | BPF_JGE | BPF_K, 1, 0, kFirstPort + kPorts},
    {BPF_RET | BPF_K, 0, 0, kPass},
    {BPF_RET | BPF_K, 0, 0, 0},
}};

std::optional<IpAddress> own_address(const config::Port& port, bool v4) {
  for (const config::InterfaceAddress& own : port.addresses)
    if (own.address.is_v4() == v4) return own.address;
  return std::nullopt;
}

}  // namespace

PathProbes::PathProbes(boost::asio::io_context& io, const config::Model& model, std::size_t port,
                       Surroundings surroundings)
    : port_(model.dataplane.ports[port]),
      interval_(model.pool.probe_ms),
      around_(std::move(surroundings)),
      timer_(io),
      watch_(model.pool.probe_failures),
      random_(std::random_device{}()) {
  configure(model);
  open(io);
}

PathProbes::~PathProbes() = default;

void PathProbes::open(boost::asio::io_context& io) {
  try {
    socket_.emplace(io, port_.kernel_interface, kFilter,
                    [this](std::span<const std::uint8_t> frame) { heard(frame); });
  } catch (const std::runtime_error& why) {
    around_.log(std::string("the data paths of other members are not probed: ") + why.what());
    return;
  }
  round();
}

void PathProbes::configure(const config::Model& model) {
  vips_.clear();
  services_.clear();
  for (const config::Service& service : model.services) {
    const IpAddress& vip = service.vip.address;  // of a prefix its first one
    if (std::ranges::find(vips_, vip) == vips_.end()) vips_.push_back(vip);
    if (service.protocol == config::Protocol::kTcp && service.port != 0)
      services_.push_back({vip, service.port});
  }
}

void PathProbes::heard(std::span<const std::uint8_t> frame) {
  if (const auto address = announce::heard_in(frame)) {
    const bool gateway = address->address == port_.gateway || address->address == port_.gateway6;
    if (gateway && address->kind == announce::Heard::Kind::kHolder) watch_.own_path_works();
    return;
  }
  const std::optional<Answer> answer = answer_in(frame);
  if (!answer) return;
  const auto at = asked_.find(answer->number);
  if (at == asked_.end() || at->second.ends.vip != answer->vip) return;
  ++stats_.answered;
  watch_.answered(at->second.member);
  if (answer->port != 0) send(reset(at->second.ends, answer->source_port, answer->port, answer->number));
  asked_.erase(at);
}

void PathProbes::round() {
  socket_->read();  // what waits was answered before now
  const TimePoint now = Clock::now();
  // While this process was held up nobody listened, and the port's queue may have run over.
  const bool held_up = last_round_ && now - *last_round_ > 2 * interval_;
  last_round_ = now;
  const std::vector<Peer> peers = around_.peers();
  std::vector<std::string> names;
  for (const Peer& peer : peers)
    if (!vips_.empty()) names.push_back(peer.name);
  watch_.begin(names, held_up, now);
  asked_.clear();
  if (watch_.in_doubt()) ask_gateways();
  for (const Peer& peer : peers) ask(peer);
  timer_.expires_after(interval_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) round();
  });
}

std::optional<Ends> PathProbes::ends_of(const Peer& peer, const IpAddress& vip) const {
  const auto source = own_address(port_, vip.is_v4());
  if (!source) return std::nullopt;
  return Ends{around_.mac, peer.mac, *source, vip};
}

std::uint32_t PathProbes::number_for(const Peer& peer, const Ends& ends) {
  std::uint32_t number = 0;
  do number = static_cast<std::uint32_t>(random_());
  while (asked_.contains(number));
  asked_[number] = {peer.name, ends};
  return number;
}

void PathProbes::ask(const Peer& peer) {
  if (!vips_.empty()) {
    if (const auto ends = ends_of(peer, vips_[next_vip_++ % vips_.size()]))
      send(echo(*ends, number_for(peer, *ends)));
  }
  const std::size_t syns = peer.draining || services_.empty() ? 0 : kSyns;
  for (std::size_t i = 0; i < syns; ++i) {
    const Service& service = services_[next_service_++ % services_.size()];
    const auto port = static_cast<std::uint16_t>(kFirstPort + next_port_++ % kPorts);
    if (const auto ends = ends_of(peer, service.vip))
      send(syn(*ends, port, service.port, number_for(peer, *ends)));
  }
}

void PathProbes::ask_gateways() {
  for (const auto& gateway : {port_.gateway, port_.gateway6}) {
    const auto own = gateway ? own_address(port_, gateway->is_v4()) : std::nullopt;
    if (own) send(announce::question(*gateway, *own, around_.mac));
  }
}

void PathProbes::send(const Frame& frame) {
  stats_.sent += socket_->send(frame);
}

PathStats PathProbes::stats() const {
  PathStats stats = stats_;
  stats.rounds_missed = watch_.missed();
  return stats;
}

}  // namespace sluice::pool
