// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/pool/pool.h"

#include <algorithm>
#include <random>
#include <stdexcept>
#include <utility>

#include "control/config/iip.h"
#include "control/config/pool.h"
#include "control/config/to_asio.h"

namespace sluice::pool {
namespace {

constexpr int kMostPerWake = 256;  // adverts; then the loop has its turn
constexpr std::chrono::milliseconds kHandOver{2500};
constexpr double kDry = 1.0;  // packets a second: less is no traffic

std::vector<Rank> ranks_of(const config::Pool& pool) {
  std::vector<Rank> ranks;
  for (const config::PoolMember& member : pool.members) ranks.push_back({member.priority, member.name});
  return ranks;
}

ExchangeRule rule_of(const config::Pool& pool) {
  return {pool.exchange_busy_percent, std::chrono::seconds(pool.exchange_after_s),
          std::chrono::seconds(pool.exchange_pause_s)};
}

std::uint64_t random_boot() {
  std::random_device random;
  return (std::uint64_t{random()} << 32 | random()) | 1;
}

}  // namespace

Pool::Pool(boost::asio::io_context& io, const config::Model& model, announce::Announcer& announcer,
           Hooks hooks)
    : pool_(model.pool),
      self_(config::self_of(model).value_or("")),
      model_(model),
      announcer_(announcer),
      hooks_(std::move(hooks)),
      election_(self_, ranks_of(pool_), std::chrono::milliseconds(pool_.advert_ms), Clock::now()),
      guard_(random_boot()),
      exchange_(rule_of(pool_)),
      socket_(io),
      timer_(io),
      next_advert_(Clock::now()),
      next_second_(Clock::now()) {
  const auto self = std::ranges::find(pool_.members, self_, &config::PoolMember::name);
  boost::system::error_code error;
  const Udp::endpoint at(config::to_asio(self->address), pool_.port);
  socket_.open(at.protocol(), error);
  if (!error) socket_.set_option(Udp::socket::reuse_address(true), error);
  if (!error) socket_.bind(at, error);
  if (!error) socket_.non_blocking(true, error);
  if (error)
    throw std::runtime_error("pool " + pool_.name + ": adverts cannot be sent from " +
                             to_string(self->address) + " port " + std::to_string(pool_.port) + ": " +
                             error.message());
  configure(model);
  start_probes(io);
  wait();
  tick();
}

// By the port that the IIPs are on.
void Pool::start_probes(boost::asio::io_context& io) {
  const std::vector<config::Port>& ports = model_.dataplane.ports;
  const auto first =
      std::ranges::find_if(ports, [](const auto& port) { return !port.kernel_interface.empty(); });
  if (first == ports.end()) return;
  auto port = static_cast<std::size_t>(first - ports.begin());
  std::string why;
  if (!model_.iips.empty())
    if (const auto place = config::place_of(model_.dataplane, model_.iips.front(), why)) port = place->port;
  mac_ = announcer_.mac_of(port);
  if (pool_.probe_ms == 0) return;
  paths_.emplace(io, model_, port,
                 PathProbes::Surroundings{.mac = mac_,
                                          .peers = [this] { return peers_to_probe(); },
                                          .log =
                                              [this](const std::string& sentence) {
                                                hooks_.log("pool " + pool_.name + ": " + sentence);
                                              }});
}

// Who is silent is dead anyhow.
std::vector<PathProbes::Peer> Pool::peers_to_probe() const {
  std::vector<PathProbes::Peer> peers;
  for (const auto& [name, mac] : macs_)
    if (const Word* word = election_.word_of(name, Clock::now()))
      peers.push_back({name, mac, word->draining});
  return peers;
}

void Pool::configure(const config::Model& model) {
  model_ = model;
  if (paths_) paths_->configure(model);
  announcer_.set_fence_command(model.control.fence_command);
  std::vector<PoolIip> iips;
  for (const config::Iip& iip : model.iips) iips.push_back({iip.address.address, iip.home});
  obey(election_.set_iips(iips));
}

void Pool::leave() {
  speak(true);
  for (const config::Iip& iip : model_.iips) announcer_.give_up(iip.address.address);
}

void Pool::wait() {
  socket_.async_wait(Udp::socket::wait_read, [this](const boost::system::error_code& error) {
    if (error) return;  // also when this Pool is gone
    read();
    wait();
  });
}

void Pool::read() {
  std::array<std::uint8_t, kMostAdvertBytes + 1> datagram;
  for (int i = 0; i < kMostPerWake; ++i) {
    boost::system::error_code error;
    const std::size_t bytes = socket_.receive(boost::asio::buffer(datagram), 0, error);
    if (error == boost::asio::error::would_block || error == boost::asio::error::try_again) return;
    if (!error) take_in({datagram.data(), bytes});
  }
}

void Pool::take_in(std::span<const std::uint8_t> datagram) {
  const std::optional<Advert> advert = open(datagram, pool_.secret);
  const bool ours = advert && advert->pool == pool_.name && advert->to == self_;
  const auto known = ours ? std::ranges::find(pool_.members, advert->word.member, &config::PoolMember::name)
                          : pool_.members.end();
  if (known == pool_.members.end() || known->name == self_) {
    ++stats_.adverts_forged;
    return;
  }
  if (!guard_.accept(known->name, advert->stamp)) {
    ++stats_.adverts_old;
    return;
  }
  ++stats_.adverts_heard;
  if (advert->mac == MacAddress{})
    macs_.erase(known->name);
  else
    macs_[known->name] = advert->mac;
  obey(election_.heard(advert->word, Clock::now()));
}

void Pool::tick() {
  read();  // what waits was said before now
  const TimePoint now = Clock::now();
  election_.set_busy(static_cast<std::uint8_t>(std::min(100u, hooks_.busy_percent())));
  if (paths_) election_.set_dead_paths(paths_->watch().dead());
  obey(election_.tick(now));
  if (now >= next_advert_) speak(false);
  look_at_hand_over(now);
  if (now >= next_second_) each_second(now);
  note_changes(now);
  timer_.expires_after(std::chrono::milliseconds(pool_.advert_ms) / 4);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) tick();
  });
}

void Pool::each_second(TimePoint now) {
  next_second_ = now + std::chrono::seconds(1);
  if (election_.holds_any() || hooks_.service_packets_per_s() < kDry) draining_ = false;
  election_.set_draining(draining_);
  if (!election_.holds_any() || hand_over_) return;
  std::vector<ExchangePolicy::Spare> spares;
  for (const MemberRow& row : election_.rows(now))
    if (row.role == "spare" && row.name != self_) spares.push_back({row.name, row.busy_percent});
  const auto to = exchange_.observe(hooks_.busy_percent(), spares, now);
  if (!to) return;
  hooks_.log("pool " + pool_.name + ": too busy, the IIPs go to " + *to);
  ++stats_.exchanges;
  hand_over(*to, [this](const auto& refused) {
    if (refused) hooks_.log("pool " + pool_.name + ": " + *refused);
  });
}

void Pool::obey(const Orders& orders) {
  for (const auto& [what, address] : orders) {
    switch (what) {
      case Order::What::kAsk:
        ask(address);
        break;
      case Order::What::kTake:
        take(address);
        break;
      case Order::What::kGiveUp:
        draining_ = draining_ || announcer_.holds(address);
        asked_.erase(address);
        stats_.given_up += announcer_.holds(address) ? 1 : 0;
        announcer_.give_up(address);
        exchange_.moved(Clock::now());
        break;
    }
  }
  if (orders.empty()) return;
  election_.set_draining(draining_);
  speak(false);  // what changed is said at once
}

// In the time that a claim has to stand anyhow.
void Pool::ask(const IpAddress& address) {
  const config::Iip* iip = find(address);
  if (!iip) return;
  config::Iip question = *iip;
  question.probe_ms = std::max(20u, pool_.advert_ms);
  asked_.insert(address);
  const TimePoint began = Clock::now();
  announcer_.ask(model_, question,
                 [this, address, began](const auto& refused) { asked(address, began, refused); });
}

void Pool::asked(const IpAddress& address, TimePoint began, const std::optional<std::string>& refused) {
  if (refused) {
    ++stats_.defended;
    hooks_.log("pool " + pool_.name + ": " + *refused);
    return election_.wire_defended(address, Clock::now());
  }
  // Nobody answered: is anybody there at all?
  const bool hears_members = std::ranges::any_of(election_.rows(Clock::now()), [&](const MemberRow& row) {
    return row.name != self_ && row.role != "silent";
  });
  if (hears_members || announcer_.hears_gateway(address, began)) return election_.wire_clear(address);
  hooks_.log("pool " + pool_.name + ": neither a member nor the gateway answers: IIP " + to_string(address) +
             " is not taken, since the fault may be on this side");
  election_.wire_defended(address, Clock::now());
}

void Pool::take(const IpAddress& address) {
  exchange_.moved(Clock::now());
  ++(asked_.erase(address) ? stats_.taken_over : stats_.taken_by_offer);
  const config::Iip* iip = find(address);
  if (!iip) return;
  if (const auto failed = announcer_.take(model_, *iip)) hooks_.log("pool " + pool_.name + ": " + *failed);
}

void Pool::speak(bool leaving) {
  const TimePoint now = Clock::now();
  next_advert_ = now + std::chrono::milliseconds(pool_.advert_ms);
  Advert advert{.pool = pool_.name, .to = {}, .stamp = {}, .word = election_.word(now), .mac = mac_};
  if (leaving) advert.word = Word{.member = self_, .leaving = true};
  for (const config::PoolMember& member : pool_.members) {
    if (member.name == self_) continue;
    advert.to = member.name;
    advert.word.accuses = !leaving && paths_ && paths_->watch().of(member.name) == PathWatch::Path::kDead;
    advert.stamp = guard_.next(member.name);
    boost::system::error_code error;  // a member that cannot be reached will be silent
    socket_.send_to(boost::asio::buffer(seal(advert, pool_.secret)),
                    {config::to_asio(member.address), pool_.port}, 0, error);
    if (!error) ++stats_.adverts_sent;
  }
}

void Pool::hand_over(const std::string& to, Done done) {
  if (hand_over_) return done("IIPs are being handed over to " + hand_over_->to + " already");
  const TimePoint now = Clock::now();
  const std::string heir = to.empty() ? election_.successor(now) : to;
  HandOver attempt{.to = heir, .iips = {}, .until = now + kHandOver, .done = std::move(done)};
  for (const config::Iip& iip : model_.iips)
    if (election_.holds(iip.address.address)) attempt.iips.push_back(iip.address.address);
  Orders orders;
  if (const auto refused = election_.hand_over(to, now, orders)) return attempt.done(*refused);
  hand_over_ = std::move(attempt);
  obey(orders);
}

void Pool::look_at_hand_over(TimePoint now) {
  if (!hand_over_) return;
  const bool all = std::ranges::all_of(hand_over_->iips, [&](const IpAddress& address) {
    return election_.holder(address, now) == hand_over_->to;
  });
  if (!all && now < hand_over_->until) return;
  const HandOver ended = *std::exchange(hand_over_, std::nullopt);
  ++(all ? stats_.handovers : stats_.handovers_failed);
  ended.done(
      all ? std::nullopt
          : std::optional(ended.to + " did not take all IIPs in time; see mux list for who has them now"));
}

// The log tells what an operator would ask: who came, who went, who is what now.
void Pool::note_changes(TimePoint now) {
  note_accusers(now);
  for (const MemberRow& row : election_.rows(now)) {
    std::string& before = roles_[row.name];
    if (before == row.role) continue;
    if (!before.empty() || row.role != "silent")
      hooks_.log("pool " + pool_.name + ": " + row.name + (row.name == self_ ? " (this one)" : "") + " is " +
                 row.role);
    before = row.role;
  }
}

void Pool::note_accusers(TimePoint now) {
  const std::vector<std::string> names = election_.accusers(now);
  const std::set<std::string> accusers(names.begin(), names.end());
  for (const std::string& name : accusers) {
    if (accusers_.contains(name)) continue;
    ++stats_.accused;
    hooks_.log("pool " + pool_.name + ": " + name +
               " gets no answer through this member's data path: what it holds goes to another one");
  }
  if (accusers.empty() && !accusers_.empty())
    hooks_.log("pool " + pool_.name + ": this member's data path answers again");
  accusers_ = accusers;
}

std::string Pool::data_path_of(const std::string& member) const {
  if (member == self_) return accusers_.empty() ? "" : "dead";
  if (!paths_) return "";
  const PathWatch::Path path = paths_->watch().of(member);
  return path == PathWatch::Path::kAlive ? "ok" : path == PathWatch::Path::kDead ? "dead" : "";
}

Stats Pool::stats() const {
  Stats stats = stats_;
  if (paths_) stats.path = paths_->stats();
  return stats;
}

const config::Iip* Pool::find(const IpAddress& address) const {
  const auto at =
      std::ranges::find(model_.iips, address, [](const config::Iip& iip) { return iip.address.address; });
  return at == model_.iips.end() ? nullptr : &*at;
}

std::vector<Row> Pool::rows() const {
  std::vector<Row> rows;
  for (MemberRow& member : election_.rows(Clock::now())) {
    Row row{std::move(member), {}, false, {}};
    row.self = row.name == self_;
    row.data_path = data_path_of(row.name);
    row.address = std::ranges::find(pool_.members, row.name, &config::PoolMember::name)->address;
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string Pool::role() const {
  for (const MemberRow& row : election_.rows(Clock::now()))
    if (row.name == self_) return row.role;
  return {};
}

std::string Pool::holder(const IpAddress& address) const {
  return election_.holder(address, Clock::now());
}

}  // namespace sluice::pool
