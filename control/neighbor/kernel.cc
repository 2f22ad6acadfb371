// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/neighbor/kernel.h"

#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "control/neighbor/interface.h"
#include "control/neighbor/netlink.h"
#include "control/neighbor/pacer.h"
#include "control/neighbor/schedule.h"

namespace sluice::neighbor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kBytesPerTurn = 64 * 1024;       // read (about 1 ms) before the loop's other work has its turn
constexpr std::size_t kRequestsPerTick = 256;  // neighbours asked for at once
constexpr std::size_t kNeighborsAsked = 4096;  // within one interval

Kind kind_of(const Event& event) {
  return static_cast<Kind>(event.what.index());
}

}  // namespace

struct KernelTables::Impl : std::enable_shared_from_this<Impl> {
  Impl(boost::asio::io_context& io, KernelOptions given, std::function<void()> callback)
      : options(std::move(given)),
        on_change(std::move(callback)),
        events(open_events(options.receive_buffer_bytes)),
        requests(open_requests()),
        descriptor(io, nl_socket_get_fd(events.get())),
        notify_timer(io),
        dump_timer(io),
        tick_timer(io),
        schedule(options.confirm_delay),
        resolving(options.resolve_interval, kNeighborsAsked),
        freshening(options.fresh_interval, kNeighborsAsked) {
    mirror.set_interfaces(options.interfaces);
    mirror.set_devices(options.devices);
  }
  ~Impl() { descriptor.release(); }  // libnl closes the socket

  // A handler that does nothing once this object is gone, or when its operation was cancelled.
  template <typename Action>
  auto guarded(Action action) {
    return [weak = weak_from_this(), action](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (self && !error) action(*self);
    };
  }
  void warn(const std::string& sentence) const {
    if (options.log) options.log(sentence);
  }

  void read_events();
  void read_pending();
  void take(nlmsghdr* message, std::size_t bytes);
  void take_fact(nlmsghdr* message, bool is_dumped);
  void lost();
  void want(unsigned kinds, std::chrono::milliseconds delay);
  void arm();
  void next_dump();
  void finish_dump(int error);
  void notify_soon();
  void notify();
  void tick();
  void note_interfaces();
  void renew_interfaces();
  bool renew(const InterfaceSettings& settings);
  void ask_for_used();
  bool ask(const NextHop& hop);

  KernelOptions options;
  std::function<void()> on_change;
  Mirror mirror;
  KernelStatistics statistics;
  InterfaceSetup setup;

  Socket events, requests;
  boost::asio::posix::stream_descriptor descriptor;
  boost::asio::steady_timer notify_timer, dump_timer, tick_timer;
  bool is_notify_due = false, is_ticking = false;
  std::optional<std::uint64_t> notified;  // the generation that on_change last told of

  DumpSchedule schedule;
  std::optional<Clock::time_point> armed;  // what dump_timer waits for
  std::uint32_t dump_sequence = 0;
  bool has_corrected = false;  // the running dump changed something
  unsigned dumped = 0;         // kinds that were dumped once, as bits

  struct Kept {
    InterfaceSettings settings;
    std::optional<std::pair<int, bool>> seen;  // index, and whether it is up
    bool due = false;                          // must be set up again
  };
  std::map<std::string, Kept> kept;  // by name
  std::map<std::string, std::vector<config::InterfaceAddress>> given;

  Pacer resolving, freshening;
  std::size_t first_asked = 0;  // turns through the watched, so that a bound cuts off another part each time
};

void KernelTables::Impl::read_events() {
  read_pending();
  descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                        guarded([](Impl& self) { self.read_events(); }));
}

// Reads what is there, a bounded part at a time.
void KernelTables::Impl::read_pending() {
  for (int left = kBytesPerTurn; left > 0;) {
    sockaddr_nl from{};
    unsigned char* bytes = nullptr;
    const int length = nl_recv(events.get(), &from, &bytes, nullptr);
    const std::unique_ptr<unsigned char, Release<std::free>> buffer(bytes);
    if (length == 0 || length == -NLE_AGAIN) break;
    if (length < 0) {  // libnl calls ENOBUFS "no memory"; whatever it is, something may be missing now
      lost();
      left -= kBytesPerTurn / 8;  // reads on, so that what is still queued does not run into the dump
      continue;
    }
    left -= length;
    if (from.nl_pid != 0) continue;  // another process, not the kernel
    take(reinterpret_cast<nlmsghdr*>(bytes), static_cast<std::size_t>(length));
  }
}

void KernelTables::Impl::take(nlmsghdr* message, std::size_t bytes) {
  int left = static_cast<int>(bytes);
  for (; nlmsg_ok(message, left); message = nlmsg_next(message, &left)) {
    const bool is_ours =
        message->nlmsg_pid == nl_socket_get_local_port(events.get()) && message->nlmsg_seq == dump_sequence;
    if (is_ours && (message->nlmsg_flags & NLM_F_DUMP_INTR)) schedule.saw_gap();
    switch (message->nlmsg_type) {
      case NLMSG_DONE:
      case NLMSG_ERROR: {
        int error = 0;  // both begin with it
        if (nlmsg_datalen(message) >= static_cast<int>(sizeof error))
          std::memcpy(&error, nlmsg_data(message), sizeof error);
        if (is_ours && schedule.dumping()) finish_dump(error);
        break;
      }
      case NLMSG_OVERRUN:
        lost();
        break;
      case RTM_NEWNEXTHOP:  // routes follow their next-hop objects without a word
      case RTM_DELNEXTHOP:
        want(bit(Kind::kRoute), options.confirm_delay);
        break;
      default:
        take_fact(message, is_ours && schedule.dumping());
    }
  }
}

void KernelTables::Impl::take_fact(nlmsghdr* message, bool is_dumped) {
  const auto event = decode(message);
  if (!event) return;
  const Kind kind = kind_of(*event);
  if (is_dumped) {
    if (mirror.apply_dumped(*event)) {
      has_corrected = true;
      if (kind == Kind::kLink) note_interfaces();
      notify_soon();
    }
    return;
  }
  ++statistics.events;
  schedule.saw_event(kind);
  if (!mirror.apply(*event)) return;
  if (kind == Kind::kLink) note_interfaces();
  notify_soon();
  // With a link or an address the kernel drops or revives routes, and not all of that as events.
  const bool drags = kind == Kind::kLink || kind == Kind::kAddress;
  want(bit(kind) | (drags ? bit(Kind::kRoute) | bit(Kind::kNeighbor) : 0), options.confirm_delay);
}

void KernelTables::Impl::lost() {
  if (++statistics.losses == 1)
    warn("netlink: the kernel dropped messages because we were slow; reading all its tables again");
  schedule.saw_gap();
  want(kAllKinds, std::chrono::milliseconds(0));
}

void KernelTables::Impl::want(unsigned kinds, std::chrono::milliseconds delay) {
  schedule.want(kinds, delay, Clock::now());
  arm();
}

// Sets the timer to the schedule.
void KernelTables::Impl::arm() {
  const auto due = schedule.due();
  if (!due || armed == due) return;
  armed = due;
  dump_timer.expires_at(*due);
  dump_timer.async_wait(guarded([](Impl& self) {
    self.armed.reset();
    self.schedule.begin(Clock::now());
    self.next_dump();
  }));
}

// The next kind of the round, or its end.
void KernelTables::Impl::next_dump() {
  while (const auto kind = schedule.next(Clock::now())) {
    const std::int64_t sequence = request_dump(events.get(), *kind);
    if (sequence >= 0) {
      dump_sequence = static_cast<std::uint32_t>(sequence);
      has_corrected = false;
      mirror.begin_dump(*kind);
      return;
    }
    warn(std::string("netlink: asking for the kernel's tables failed: ") +
         nl_geterror(static_cast<int>(sequence)) + "; trying again");
    schedule.finish(false, Clock::now());
  }
  arm();
}

void KernelTables::Impl::finish_dump(int error) {
  const Kind kind = *schedule.dumping();
  const unsigned passes = schedule.finish(error == 0, Clock::now());
  if (error != 0) {
    warn(std::string("netlink: the kernel could not list its tables: ") + std::strerror(std::abs(error)) +
         "; trying again");
    return next_dump();
  }
  ++statistics.dumps;
  if (passes != 1) ++statistics.repeated_dumps;
  if (passes != 0) has_corrected |= mirror.end_dump(kind, passes);
  if (has_corrected && (dumped & bit(kind))) ++statistics.corrections;
  dumped |= bit(kind);
  if (has_corrected || dumped == kAllKinds) notify_soon();
  next_dump();
}

void KernelTables::Impl::notify_soon() {
  if (std::exchange(is_notify_due, true)) return;
  notify_timer.expires_after(options.debounce);
  notify_timer.async_wait(guarded([](Impl& self) {
    self.is_notify_due = false;
    self.notify();
  }));
}

void KernelTables::Impl::notify() {
  mirror.settle();
  renew_interfaces();
  ask_for_used();
  if (dumped != kAllKinds || notified == mirror.generation()) return;
  notified = mirror.generation();
  if (on_change) on_change();
}

// What came back is not as it was when it left. Asked after each event: one that leaves and comes back
// between two notifications is not missed.
void KernelTables::Impl::note_interfaces() {
  for (auto& [name, interface] : kept) {
    const Link* link = mirror.link(name);
    if (!link) continue;
    if (!interface.seen && !link->up) continue;  // as it was before we brought it up
    const std::pair now(link->ifindex, link->up);
    const auto before = std::exchange(interface.seen, now);
    if (before && *before != now && (link->up || before->first != link->ifindex)) {
      interface.due = interface.settings.up;
    }
  }
}

void KernelTables::Impl::renew_interfaces() {
  note_interfaces();  // those that were asked for since
  for (auto& [name, interface] : kept) {
    if (!interface.due || !renew(interface.settings)) continue;
    interface.due = false;
    interface.seen.reset();
  }
}

bool KernelTables::Impl::renew(const InterfaceSettings& settings) {
  auto failed = setup.apply(requests.get(), settings);
  for (const config::InterfaceAddress& address : given[settings.name]) {
    if (!failed) failed = give_address(requests.get(), settings.name, address);
  }
  if (failed) {
    warn(*failed + "; trying again");
    return false;
  }
  ++statistics.renewals;
  warn("interface " + settings.name + " came back: its addresses and routes are set again");
  return true;
}

void KernelTables::Impl::tick() {
  renew_interfaces();
  ask_for_used();
  tick_timer.expires_after(options.resolve_interval);
  tick_timer.async_wait(guarded([](Impl& self) { self.tick(); }));
}

// The next hops of what is watched: resolved when they are not, tested when they are stale.
void KernelTables::Impl::ask_for_used() {
  if (dumped != kAllKinds) return;  // what is not read yet is not unresolved
  const auto& watched = mirror.watched();
  std::set<NextHop> used;
  std::size_t asked = 0;
  const auto now = Clock::now();
  for (std::size_t i = 0; i < watched.size() && asked < kRequestsPerTick; ++i) {
    const std::size_t at = (first_asked + i) % watched.size();
    for (const NextHop& hop : mirror.candidates(watched[at])) {
      if (!used.insert(hop).second) continue;
      const Neighbor* known = mirror.neighbor(hop);
      const NeighborState state = known ? known->state : NeighborState::kNone;
      const bool is_missing = state == NeighborState::kNone || state == NeighborState::kFailed;
      const bool is_stale = state == NeighborState::kStale;
      if ((is_missing && resolving.allow(hop, now)) || (is_stale && freshening.allow(hop, now))) {
        ask(hop);
        ++asked;
      }
    }
    if (asked == kRequestsPerTick) first_asked = at + 1;
  }
}

bool KernelTables::Impl::ask(const NextHop& hop) {
  ++statistics.requests;
  if (use_neighbor(requests.get(), hop) == 0) return true;
  ++statistics.failed_requests;  // the link went away meanwhile: an event tells
  return false;
}

KernelTables::KernelTables(boost::asio::io_context& io, KernelOptions options,
                           std::function<void()> on_change)
    : impl_(std::make_shared<Impl>(io, std::move(options), std::move(on_change))) {
  impl_->want(kAllKinds, std::chrono::milliseconds(0));
  impl_->read_events();
}

KernelTables::~KernelTables() = default;

const Mirror& KernelTables::mirror() const {
  return impl_->mirror;
}
bool KernelTables::synced() const {
  return impl_->dumped == kAllKinds;
}
bool KernelTables::quiet() const {
  return synced() && impl_->schedule.is_idle() && !impl_->is_notify_due;
}
const KernelStatistics& KernelTables::statistics() const {
  return impl_->statistics;
}

void KernelTables::set_interfaces(std::vector<std::string> names) {
  impl_->options.interfaces = names;
  impl_->mirror.set_interfaces(std::move(names));
  impl_->notify_soon();
}

void KernelTables::watch(std::vector<IpAddress> destinations) {
  impl_->mirror.watch(std::move(destinations));
  impl_->first_asked = 0;
  impl_->notify_soon();  // resolves what is not
  if (!std::exchange(impl_->is_ticking, true)) impl_->tick();
}

bool KernelTables::resolve(int ifindex, const IpAddress& ip) {
  const NextHop hop{ifindex, ip};
  return impl_->resolving.allow(hop, Clock::now()) && impl_->ask(hop);
}

void KernelTables::resync() {
  impl_->want(kAllKinds, std::chrono::milliseconds(0));
}

std::optional<std::string> KernelTables::configure_interface(const InterfaceSettings& settings) {
  InterfaceSettings complete = settings;
  if (complete.priority == 0) {
    const auto& names = impl_->options.interfaces;
    const auto position = std::ranges::find(names, settings.name) - names.begin();
    complete.priority = kDefaultRoutePriority + static_cast<std::uint32_t>(position);
  }
  impl_->kept[settings.name] = {complete, {}, false};
  return impl_->setup.apply(impl_->requests.get(), complete);
}

std::optional<std::string> KernelTables::add_address(const std::string& interface,
                                                     const config::InterfaceAddress& address) {
  if (auto problem = give_address(impl_->requests.get(), interface, address)) return problem;
  auto& given = impl_->given[interface];
  if (std::ranges::find(given, address) == given.end()) given.push_back(address);
  // Its event is there already: packets to the address are for the kernel from here on.
  impl_->read_pending();
  impl_->notify();
  return {};
}

std::optional<std::string> KernelTables::remove_address(const std::string& interface,
                                                        const config::InterfaceAddress& address) {
  std::erase(impl_->given[interface], address);
  return take_address(impl_->requests.get(), interface, address);
}

}  // namespace sluice::neighbor
