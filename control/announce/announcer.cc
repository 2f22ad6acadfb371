// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/announce/announcer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sluice::announce {
namespace {

// RFC 5227 section 2.1.1 (RATE_LIMIT_INTERVAL): how often a host that is always refused may ask.
constexpr std::chrono::seconds kRetry{60}, kFencePause{60};

IipTiming timing_of(const config::Iip& iip, bool retry) {
  IipTiming timing{std::chrono::milliseconds(iip.probe_ms), std::chrono::seconds(iip.announce_s), {}};
  if (retry) timing.retry = kRetry;
  return timing;
}

}  // namespace

struct Announcer::Entry {
  config::Iip iip;
  config::IipPlace place;
  std::string port, interface;
  IipMachine machine;
  Keeper keeper;
  Done done;
  bool only_ask = false;
  std::optional<IpAddress> gateway = {}, asker = {};
  bool in_kernel = false;
  std::string trouble = {};  // with our own kernel
  bool fencing = false;
  std::optional<TimePoint> fenced = {};

  [[nodiscard]] const IpAddress& address() const { return place.address.address; }
  [[nodiscard]] std::string text() const { return "IIP " + to_string(address()); }
  [[nodiscard]] std::string defender() const {
    return machine.defender() ? to_string(*machine.defender()) : "nobody";
  }
  [[nodiscard]] std::string why() const {
    if (!trouble.empty()) return trouble;
    if (machine.state() == IipState::kRefused) return defender() + " has it, or asks for it too";
    if (machine.state() == IipState::kContested) return defender() + " says that it has it";
    return {};
  }
};

Announcer::Announcer(boost::asio::io_context& io, Surroundings surroundings)
    : io_(io), around_(std::move(surroundings)), fence_(io), timer_(io) {}

Announcer::~Announcer() {
  for (const auto& [address, entry] : entries_) release(*entry);
}

void Announcer::configure(const config::Model& model) {
  fence_command_ = model.control.fence_command;
  std::vector<IpAddress> gone;
  for (const auto& [address, entry] : entries_) {
    const auto named =
        std::ranges::find(model.iips, address, [](const config::Iip& iip) { return iip.address.address; });
    std::string why;
    const auto place =
        named == model.iips.end() ? std::nullopt : config::place_of(model.dataplane, *named, why);
    if (place && *place == entry->place) {
      entry->keeper = Keeper::kConfiguration;
      entry->iip = *named;
      entry->machine.set_timing(timing_of(*named, true), Clock::now());
    } else if (entry->keeper == Keeper::kConfiguration) {
      gone.push_back(address);
    }
  }
  for (const IpAddress& address : gone) drop(address);
  for (const config::Iip& iip : model.iips) {
    if (entries_.contains(iip.address.address)) continue;
    if (const auto refused = want(model.dataplane, iip, Keeper::kConfiguration, {}))
      log("IIP " + to_string(iip.address.address) + " is not taken: " + *refused);
  }
  tick();
}

std::optional<std::string> Announcer::add(const config::Model& model, const config::Iip& iip, Done done) {
  fence_command_ = model.control.fence_command;
  if (entries_.contains(iip.address.address))
    return "IIP " + to_string(iip.address.address) + " is being asked for already; see iip list";
  auto refused = want(model.dataplane, iip, Keeper::kCommand, std::move(done));
  tick();
  return refused;
}

std::optional<std::string> Announcer::want(const config::Dataplane& dataplane, const config::Iip& iip,
                                           Keeper keeper, Done done) {
  std::string why;
  const auto place = config::place_of(dataplane, iip, why);
  if (!place) return why;
  const config::Port& port = dataplane.ports[place->port];
  try {
    link_of(port.kernel_interface).listen_for(place->address.address);
  } catch (const std::runtime_error& failure) {
    return failure.what();
  }
  const IipMachine machine(timing_of(iip, keeper == Keeper::kConfiguration), around_.macs[place->port],
                           Clock::now());
  entries_[place->address.address] = std::make_unique<Entry>(Entry{.iip = iip,
                                                                   .place = *place,
                                                                   .port = port.name,
                                                                   .interface = port.kernel_interface,
                                                                   .machine = machine,
                                                                   .keeper = keeper,
                                                                   .done = std::move(done)});
  return {};
}

void Announcer::ask(const config::Model& model, const config::Iip& iip, Done done) {
  const IpAddress& address = iip.address.address;
  drop(address);
  const auto refused = want(model.dataplane, iip, Keeper::kPool, std::move(done));
  if (refused) {
    log("IIP " + to_string(address) + " is not asked for: " + *refused);
    return;
  }
  Entry& entry = *entries_.at(address);
  entry.only_ask = true;
  const config::Port& port = model.dataplane.ports[entry.place.port];
  entry.gateway = address.is_v4() ? port.gateway : port.gateway6;
  for (const config::InterfaceAddress& own : port.addresses)
    if (own.address.is_v4() == address.is_v4() && !entry.asker) entry.asker = own.address;
  gateway_of_.erase(address);
  if (entry.gateway && entry.asker) {
    gateway_of_[address] = *entry.gateway;
    gateways_.try_emplace(*entry.gateway, Gateway{entry.interface, {}});
  }
  tick();
}

void Announcer::ask_gateway(const Entry& entry) {
  if (!entry.gateway || !entry.asker) return;
  link_of(entry.interface).send(question(*entry.gateway, *entry.asker, around_.macs[entry.place.port]));
}

bool Announcer::hears_gateway(const IpAddress& address, TimePoint since) const {
  const auto of = gateway_of_.find(address);
  if (of == gateway_of_.end()) return true;
  const Gateway& gateway = gateways_.at(of->second);
  return gateway.heard && *gateway.heard >= since;
}

std::optional<std::string> Announcer::take(const config::Model& model, const config::Iip& iip) {
  const IpAddress& address = iip.address.address;
  drop(address);
  if (auto refused = want(model.dataplane, iip, Keeper::kPool, {})) return refused;
  Entry& entry = *entries_.at(address);
  perform(entry, entry.machine.take(Clock::now()));
  arm();
  return entry.in_kernel ? std::nullopt : std::optional(entry.why());
}

Link& Announcer::link_of(const std::string& interface) {
  std::unique_ptr<Link>& link = links_[interface];
  if (!link) {
    link = std::make_unique<Link>(io_, interface,
                                  [this, interface](const Heard& what) { heard(interface, what); });
  }
  return *link;
}

void Announcer::heard(const std::string& interface, const Heard& what) {
  const auto gateway = gateways_.find(what.address);
  if (gateway != gateways_.end() && gateway->second.interface == interface &&
      what.kind == Heard::Kind::kHolder)
    gateway->second.heard = Clock::now();
  const auto at = entries_.find(what.address);
  if (at == entries_.end() || at->second->interface != interface) return;
  IipMachine& machine = at->second->machine;
  const bool was_ours = machine.ours();
  const std::uint64_t before = machine.conflicts();
  const Todo todo = machine.heard(what, Clock::now());
  if (was_ours) stats_.conflicts += machine.conflicts() - before;
  perform(*at->second, todo);
  arm();
}

// The entry may be gone afterwards.
void Announcer::perform(Entry& entry, const Todo& todo) {
  Link& link = link_of(entry.interface);
  const MacAddress& own = around_.macs[entry.place.port];
  if (todo.probe) link.send(probe(entry.address(), own));
  if (todo.probe) ask_gateway(entry);
  if (todo.take && entry.only_ask) return answer(entry);
  if (todo.take) take(entry);
  if (todo.announce && entry.in_kernel && link.send(announcement(entry.address(), own)))
    ++stats_.announcements;
  tell(entry, todo);
}

void Announcer::take(Entry& entry) {
  entry.trouble.clear();
  if (const auto failed = around_.add_address(entry.interface, entry.place.address)) {
    entry.trouble = *failed;
    entry.machine.fail(Clock::now());
    return;
  }
  entry.in_kernel = true;
  ++stats_.taken;
}

void Announcer::tell(Entry& entry, const Todo& todo) {
  if (todo.take && entry.in_kernel) log(entry.text() + " is taken on port " + entry.port);
  if (todo.take && !entry.in_kernel) log(entry.text() + " is not taken: " + entry.trouble);
  if (todo.peace) log(entry.text() + " is disputed no more");
  if (todo.contested)
    log(entry.text() + " is contested: " + entry.defender() + " says again and again that it has it");
  if (todo.refused) log(entry.text() + " is not taken: " + entry.why());
  // Members of a pool settle a dispute by themselves.
  if (todo.refused) ++stats_.refused;
  if (todo.refused || (todo.contested && entry.keeper != Keeper::kPool)) run_fence(entry);
  if (todo.refused || (todo.take && !entry.in_kernel)) return finish(entry, entry.why());
  if (todo.take) finish(entry, std::nullopt);
}

// Answers the command that asked for the address; what was refused is forgotten then.
void Announcer::finish(Entry& entry, const std::optional<std::string>& refused) {
  if (!entry.done) return;
  const Done done = std::exchange(entry.done, nullptr);
  const std::string sentence = refused ? entry.text() + " is not taken: " + *refused +
                                             (entry.fencing ? "; fence_command is started" : "")
                                       : std::string();
  if (refused) drop(entry.address());
  done(refused ? std::optional(sentence) : std::nullopt);
}

// Nobody has it: that is all that was to be known.
void Announcer::answer(Entry& entry) {
  const Done done = std::exchange(entry.done, nullptr);
  drop(entry.address());
  done(std::nullopt);
}

void Announcer::run_fence(Entry& entry) {
  const TimePoint now = Clock::now();
  if (fence_command_.empty() || entry.fencing || (entry.fenced && now - *entry.fenced < kFencePause)) return;
  entry.fencing = true;
  ++stats_.fences;
  entry.fenced = now;
  const Fence::Environment environment = {
      {"ADDRESS", to_string(entry.address())}, {"MAC", entry.defender()}, {"PORT", entry.port}};
  log(entry.text() + ": fence_command is started against " + entry.defender());
  fence_.run(fence_command_, environment, [this, address = entry.address()](bool ok, const std::string& how) {
    log("IIP " + to_string(address) + ": fence_command " + how);
    const auto at = entries_.find(address);
    if (at == entries_.end()) return;
    at->second->fencing = false;
    if (ok) at->second->machine.retry(Clock::now());
    tick();
  });
}

void Announcer::release(Entry& entry) {
  if (!std::exchange(entry.in_kernel, false)) return;
  ++stats_.given_up;
  if (const auto failed = around_.remove_address(entry.interface, entry.place.address)) log(*failed);
  log(entry.text() + " is given up");
}

void Announcer::drop(const IpAddress& address) {
  const auto at = entries_.find(address);
  if (at == entries_.end()) return;
  const std::unique_ptr<Entry> entry = std::move(at->second);
  entries_.erase(at);
  release(*entry);
}

bool Announcer::announce(const IpAddress& address) {
  const auto at = entries_.find(address);
  if (at == entries_.end() || !at->second->in_kernel) return false;
  perform(*at->second, at->second->machine.announce(Clock::now()));
  arm();
  return true;
}

bool Announcer::holds(const IpAddress& address) const {
  const auto at = entries_.find(address);
  return at != entries_.end() && at->second->in_kernel;
}

std::vector<Row> Announcer::rows() const {
  std::vector<Row> rows;
  const TimePoint now = Clock::now();
  for (const auto& [address, entry] : entries_) {
    const IipMachine& machine = entry->machine;
    rows.push_back({.address = entry->place.address,
                    .port = entry->port,
                    .state = std::string(to_word(machine.state())),
                    .since = std::chrono::duration_cast<std::chrono::milliseconds>(now - machine.since()),
                    .mac = machine.defender(),
                    .conflicts = machine.conflicts(),
                    .announcements = machine.announcements(),
                    .why = entry->why()});
  }
  return rows;
}

void Announcer::tick() {
  const TimePoint now = Clock::now();
  std::vector<IpAddress> due;
  for (const auto& [address, entry] : entries_)
    if (entry->machine.due() <= now) due.push_back(address);
  for (const IpAddress& address : due)
    if (const auto at = entries_.find(address); at != entries_.end())
      perform(*at->second, at->second->machine.tick(now));
  arm();
}

void Announcer::arm() {
  TimePoint next = TimePoint::max();
  for (const auto& [address, entry] : entries_) next = std::min(next, entry->machine.due());
  if (next == TimePoint::max()) {
    timer_.cancel();
    return;
  }
  timer_.expires_at(next);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) tick();
  });
}

}  // namespace sluice::announce
