// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "tests/unit/config/random_model.h"

#include <algorithm>

#include "control/config/dip_lists.h"
#include "control/config/words.h"

namespace sluice::config::test {
namespace {

IpAddress address(const std::string& text) {
  return parse_address(text).value();
}

// Port 0 is how a DIP with its service's own port is kept.
void settle(Service& service) {
  for (Group& group : service.groups)
    for (Dip& dip : group.dips)
      if (dip.port == service.port) dip.port = 0;
}

// Draws may collide; the first of each stays.
void unique_dips(Group& group) {
  std::vector<Dip> unique;
  for (const Dip& dip : group.dips)
    if (std::none_of(unique.begin(), unique.end(), [&](const Dip& other) {
          return other.address == dip.address && other.port == dip.port;
        }))
      unique.push_back(dip);
  group.dips = unique;
}

}  // namespace

template <class E>
E RandomModel::word() {
  return words<E>()[below(words<E>().size())].value;
}

// Everything that needs care when it is quoted.
std::string RandomModel::text() {
  constexpr std::string_view kLetters = "ab Z09/.,;:#@{}()[]=\"\\'*-_\xc3\xa9";
  std::string text;
  for (auto length = below(12); length > 0; --length) text += kLetters[below(kLetters.size())];
  return text;
}

Control RandomModel::control() {
  Control control;
  control.socket = "/run/" + std::to_string(below(1000)) + " \"s\"/a\\b";
  if (one_in(2)) control.socket_group = "staff";
  control.socket_mode = static_cast<unsigned>(below(01000));
  if (one_in(2)) control.admin_group = "admins";
  if (one_in(2)) control.metrics = one_in(2) ? "[::1]:9107" : "127.0.0.1:9107";
  if (one_in(2)) control.state_file = one_in(2) ? "/run/sluice/state" : "";
  if (one_in(2)) control.log_level = "debug";
  if (one_in(2)) control.route_table = static_cast<std::uint32_t>(below(253));
  if (one_in(2)) control.route_protocol = static_cast<std::uint8_t>(210 + below(46));
  if (one_in(2)) control.leave_ms = static_cast<unsigned>(below(3600001));
  if (one_in(2)) control.stall_s = static_cast<unsigned>(below(3601));
  control.on_stall = word<OnStall>();
  control.on_stop = word<OnStop>();
  if (one_in(2)) control.user = "sluice";
  if (one_in(2)) control.capabilities = one_in(2) ? "" : "auto sys_nice";
  control.seccomp = word<Seccomp>();
  return control;
}

Port RandomModel::port(unsigned index) {
  const std::string n = std::to_string(index);
  Port port;
  port.name = "port" + n;
  port.device = "net_null" + n + ",x=" + text();
  if (one_in(2)) port.addresses.push_back({address("10.0." + n + ".10"), 24});
  if (one_in(2)) port.addresses.push_back({address("2001:db8:0:" + n + "::10"), 64});
  if (one_in(2)) port.gateway_mac = MacAddress{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(below(256))}};
  if (!port.addresses.empty() && port.addresses[0].address.is_v4() && one_in(2))
    port.gateway = address("10.0." + n + ".1");
  if (one_in(2)) port.gateway6 = address("fe80::1");
  port.mtu = static_cast<std::uint16_t>(1280 + below(9600 - 1280));
  port.vlan = static_cast<std::uint16_t>(below(4095));
  if (one_in(2)) port.kernel_interface = "sluice" + n;
  port.queues = static_cast<std::uint16_t>(below(16));
  return port;
}

Dataplane RandomModel::dataplane() {
  constexpr std::uint32_t kPrimes[] = {7, 251, 65537, 131071, 4294957};
  Dataplane dataplane;
  for (auto count = below(4); count > 0; --count) dataplane.eal.push_back(std::string("-") + text());
  dataplane.idle = word<Idle>();
  if (one_in(2))
    for (int i = 0; i < 40; ++i) dataplane.hash_key.push_back(static_cast<std::uint8_t>(1 + below(255)));
  dataplane.slots = kPrimes[below(4)];
  dataplane.flows = static_cast<std::uint32_t>(1024 + below(999'998'977));
  dataplane.flow_memory = word<FlowMemory>();
  dataplane.buffers = static_cast<std::uint32_t>(below(0x80000000));
  for (unsigned i = 0, count = 1 + static_cast<unsigned>(below(3)); i < count; ++i)
    dataplane.ports.push_back(port(i));
  dataplane.workers.push_back({0, true, true});
  for (unsigned i = 1, count = static_cast<unsigned>(below(4)); i < count; ++i)
    dataplane.workers.push_back({i, one_in(2), true});
  return dataplane;
}

Dip RandomModel::dip() {
  Dip dip;
  dip.address = one_in(2) ? address("10.1." + std::to_string(below(4)) + '.' + std::to_string(1 + below(20)))
                          : address("2001:db8:1::" + std::to_string(1 + below(20)));
  dip.port = one_in(2) ? static_cast<std::uint16_t>(8080 + below(2)) : 0;
  dip.weight = static_cast<std::uint32_t>(below(65536));
  return dip;
}

Group RandomModel::group(const std::string& name) {
  Group group;
  group.name = name;
  group.weight = one_in(2) ? 0 : static_cast<std::uint32_t>(below(1000001));
  if (one_in(3)) group.worker = 0;  // which every model has, with tier 2
  for (auto count = below(5); count > 0; --count) group.dips.push_back(dip());
  unique_dips(group);
  return group;
}

void RandomModel::policy(Service& service) {
  service.stickiness = word<Stickiness>();
  service.hash_fields = word<HashFields>();
  // At least as much as is hashed.
  service.flow_key = static_cast<HashFields>(below(static_cast<unsigned>(service.hash_fields) + 1));
  service.flow_start = FlowStart::kHandshake;
  if (service.protocol == Protocol::kUdp && one_in(3)) service.flow_start = FlowStart::kGtpC;
  if (service.protocol == Protocol::kAny && service.flow_key == HashFields::kSource && one_in(2)) {
    const bool v4 = service.vip.address.is_v4();
    service.flow_start = v4 && one_in(2) ? FlowStart::kDhcp : FlowStart::kRadius;
  }
  service.scheduler = service.stickiness == Stickiness::kFlow ? word<Scheduler>() : Scheduler::kHash;
  service.encapsulation = word<Encapsulation>();
  service.gue_port = static_cast<std::uint16_t>(1 + below(65535));
  service.outer_source = one_in(2) ? OuterSource::kMux : OuterSource::kPrefix;
  service.outer_prefix4 = parse_prefix("10.255.0.0/16");
  service.outer_prefix6 = parse_prefix("2001:db8:ff::/64");
  if (service.outer_source == OuterSource::kMux && one_in(2)) service.outer_prefix6.reset();
  service.health = {word<HealthType>(),
                    static_cast<std::uint16_t>(1 + below(65535)),
                    std::string("/") + std::to_string(below(100)) + "?a=\"\\",
                    one_in(2) ? "www.example.net" : "",
                    text(),
                    static_cast<unsigned>(10 + below(3000)),
                    static_cast<unsigned>(10 + below(3000)),
                    static_cast<unsigned>(1 + below(1000)),
                    static_cast<unsigned>(1 + below(1000)),
                    text(),
                    one_in(2),
                    one_in(2),
                    ProbeWay::kDip,
                    word<Admit>()};
  service.transition = {static_cast<unsigned>(below(604801)), word<AtDeadline>()};
  service.unknown_flow = word<UnknownFlow>();
  service.announce = word<Announce>();
  flow_policy(service);
}

void RandomModel::flow_policy(Service& service) {
  auto seconds = [this] { return static_cast<std::uint32_t>(1 + below(86400)); };
  service.flow_types = word<FlowTypes>();
  service.flows = one_in(2) ? 0 : static_cast<std::uint32_t>(1024 + below(99'998'977));
  service.timeouts = {seconds(), seconds(), seconds(), seconds(), seconds()};
  service.elephant = {one_in(4) ? 0 : below(1'000'000'000'001), one_in(4) ? 0 : below(1'000'000'001)};
  const auto up_to = [this](unsigned most) { return static_cast<unsigned>(1 + below(most)); };
  service.load = {up_to(100), 100 + up_to(900), up_to(3600), up_to(100), up_to(86400), up_to(65535)};
  const bool agent = service.health.type == HealthType::kAgent;
  const bool reports = agent || service.health.type == HealthType::kAgentCheck;
  service.weights = reports ? word<Weights>() : Weights::kConfigured;
  service.balance_groups = agent && one_in(2);
}

Service RandomModel::service(unsigned index) {
  Service service;
  service.name = "service" + std::to_string(index);
  service.vip = one_in(3)   ? Prefix{address("198.51." + std::to_string(index) + ".0"), 24}
                : one_in(2) ? Prefix::host(address("2001:db8:cb::" + std::to_string(index + 1)))
                            : Prefix::host(address("203.0.113." + std::to_string(index + 1)));
  service.protocol = word<Protocol>();
  const bool ports = service.protocol == Protocol::kTcp || service.protocol == Protocol::kUdp ||
                     service.protocol == Protocol::kSctp;
  if (ports) service.port = static_cast<std::uint16_t>(one_in(4) ? 8080 : below(65536));
  policy(service);
  if (one_in(4)) {
    service.groups.push_back(group("default"));
  } else {
    for (auto count = below(4); count > 0; --count)
      service.groups.push_back(group(std::string("g") + std::to_string(count)));
  }
  settle(service);
  for (Group& each : service.groups) unique_dips(each);
  return service;
}

// The first port that can answer for addresses; none when there is no such port.
std::vector<Iip> RandomModel::iips(const Dataplane& dataplane) {
  std::vector<Iip> iips;
  for (const Port& port : dataplane.ports) {
    if (port.kernel_interface.empty()) continue;
    for (unsigned n = 1; n < 4; ++n) {
      if (one_in(2)) continue;
      Iip iip;
      iip.address.address = address((one_in(2) ? "10.255.0." : "2001:db8:ffff::") + std::to_string(n));
      iip.address.prefix_length = one_in(2) ? 0 : 24;
      iip.port = port.name;
      iip.probe_ms = static_cast<std::uint32_t>(20 + below(9981));
      iip.announce_s = static_cast<std::uint32_t>(1 + below(86400));
      iips.push_back(iip);
    }
    break;
  }
  return iips;
}

Pool RandomModel::pool() {
  Pool pool;
  if (one_in(2)) return pool;
  pool.name = "pool" + std::to_string(below(3));
  pool.secret = "0123456789abcdef" + text();
  pool.port = static_cast<std::uint16_t>(1 + below(65535));
  pool.advert_ms = static_cast<std::uint32_t>(20 + below(9981));
  for (unsigned n = 1, count = 1 + static_cast<unsigned>(below(4)); n <= count; ++n)
    pool.members.push_back({"mux" + std::to_string(n), address("10.254.0." + std::to_string(n)),
                            static_cast<std::uint32_t>(below(1001))});
  pool.member = pool.members[0].name;
  pool.exchange_busy_percent = static_cast<std::uint32_t>(below(101));
  pool.exchange_after_s = static_cast<std::uint32_t>(1 + below(86400));
  pool.exchange_pause_s = static_cast<std::uint32_t>(1 + below(86400));
  return pool;
}

Model RandomModel::model() {
  Model model;
  model.control = control();
  model.dataplane = dataplane();
  for (unsigned i = 0, count = static_cast<unsigned>(below(6)); i < count; ++i)
    model.services.push_back(service(i));
  model.iips = iips(model.dataplane);
  for (auto count = below(3); count > 0; --count)
    model.dip_lists.push_back(list(static_cast<unsigned>(count)));
  share(model);
  model.pool = pool();
  return model;
}

// Without ports, so that no service's port makes two of its DIPs one.
DipList RandomModel::list(unsigned index) {
  Group made = group("");
  for (Dip& dip : made.dips) dip.port = 0;
  unique_dips(made);
  return {"list" + std::to_string(index), made.dips};
}

// Some groups have the DIPs of a list.
void RandomModel::share(Model& model) {
  for (Service& service : model.services) {
    for (Group& group : service.groups) {
      const bool dangling = find_dip_list(model, group.dip_list) == nullptr;
      if (dangling) group.dip_list.clear();
      if (!model.dip_lists.empty() && one_in(4))
        group.dip_list = model.dip_lists[below(model.dip_lists.size())].name;
    }
  }
  share_dips(model);
}

void RandomModel::change(Service& service) {
  if (one_in(3)) policy(service);
  if (one_in(4)) service.unknown_flow = word<UnknownFlow>();
  if (one_in(4)) flow_policy(service);
  if (one_in(4) && service.groups.size() < 4) service.groups.push_back(group("new"));
  if (one_in(4) && !service.groups.empty()) service.groups.erase(service.groups.begin());
  for (Group& each : service.groups) {
    if (one_in(4)) each.weight = static_cast<std::uint32_t>(below(100));
    if (one_in(4)) each.worker = one_in(2) ? std::optional<unsigned>(0) : std::nullopt;
    if (one_in(3) && !each.dips.empty()) each.dips.erase(each.dips.begin());
    if (one_in(3) && !each.dips.empty()) each.dips[0].weight = static_cast<std::uint32_t>(below(65536));
    if (one_in(3)) each.dips.push_back(dip());
    std::shuffle(each.dips.begin(), each.dips.end(), random_);
  }
  settle(service);
  for (Group& each : service.groups) unique_dips(each);
  std::sort(service.groups.begin(), service.groups.end(),
            [](const Group& a, const Group& b) { return a.name < b.name; });
  const auto twins = std::unique(service.groups.begin(), service.groups.end(),
                                 [](const Group& a, const Group& b) { return a.name == b.name; });
  service.groups.erase(twins, service.groups.end());
  std::shuffle(service.groups.begin(), service.groups.end(), random_);
}

Model RandomModel::neighbour(Model model) {
  if (one_in(3)) model.control = control();
  if (one_in(3)) {
    model.dataplane = dataplane();
    model.iips = iips(model.dataplane);
  }
  if (one_in(3)) model.pool = pool();
  for (Iip& iip : model.iips)
    if (one_in(3)) iip.announce_s = static_cast<std::uint32_t>(1 + below(86400));
  if (one_in(3) && !model.iips.empty()) model.iips.erase(model.iips.begin());
  if (one_in(3) && !model.services.empty()) model.services.erase(model.services.begin());
  for (Service& each : model.services) {
    if (one_in(2)) change(each);
    if (one_in(6)) each = service(static_cast<unsigned>(std::stoul(each.name.substr(7))));
  }
  if (one_in(3)) model.services.push_back(service(10));
  if (one_in(4) && !model.dip_lists.empty()) model.dip_lists.erase(model.dip_lists.begin());
  for (DipList& each : model.dip_lists)
    if (one_in(2)) each.dips = list(0).dips;
  share(model);
  std::shuffle(model.services.begin(), model.services.end(), random_);
  return model;
}

}  // namespace sluice::config::test
