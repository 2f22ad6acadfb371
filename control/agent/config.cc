// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/config.h"

#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <initializer_list>
#include <libconfig.h++>
#include <map>
#include <tuple>

namespace sluice::agent {
namespace {

using libconfig::Setting;

std::string quoted(std::string_view text) {
  return '"' + std::string(text) + '"';
}

// Walks the settings and collects a sentence for everything that is not right. A value that is wrong leaves
// the default in place, so that one run names all errors.
class Reader {
 public:
  Reader(const std::string& path, Parsed& out) : path_(path), out_(out), config_(out.config) {}
  void agent(const Setting& group);
  void error(std::string sentence) { out_.errors.push_back(path_ + ": " + std::move(sentence)); }
  void error(unsigned line, const std::string& sentence) {
    out_.errors.push_back(path_ + ":" + std::to_string(line) + ": " + sentence);
  }

 private:
  struct Line {  // where a service was written, to name it when another one collides
    unsigned line;
    IpAddress address;
    Service service;
  };

  void error(const Setting& at, const std::string& sentence) { error(at.getSourceLine(), sentence); }
  void known_keys(const Setting& group, std::initializer_list<const char*> keys);
  void number(const Setting& group, const char* key, auto& to, long low, long high);
  void text(const Setting& group, const char* key, std::string& to);
  void boolean(const Setting& group, const char* key, bool& to);
  void interfaces(const Setting& value);
  void listen(const Setting& value);
  void vips(const Setting& list);
  void vip(const Setting& group);
  void service(const Setting& group, Vip& vip);
  void check_ports();
  void health(const Setting& group);
  void health_url(const Setting& value, HealthCheck& check);

  const std::string& path_;
  Parsed& out_;
  Config& config_;
  std::map<std::tuple<Prefix, int, int>, unsigned> first_line_;  // of (VIP, protocol, port)
  std::vector<Line> lines_;
};

void Reader::known_keys(const Setting& group, std::initializer_list<const char*> keys) {
  std::string names;
  for (const char* key : keys) names += (names.empty() ? "" : ", ") + std::string(key);
  for (int i = 0; i < group.getLength(); ++i) {
    const std::string name = group[i].getName();
    if (std::none_of(keys.begin(), keys.end(), [&](const char* key) { return name == key; }))
      error(group[i], "unknown key " + quoted(name) + ", known here are: " + names);
  }
}

void Reader::number(const Setting& group, const char* key, auto& to, long low, long high) {
  if (!group.exists(key)) return;
  const Setting& value = group[key];
  const bool small = value.getType() == Setting::TypeInt,
             whole = small || value.getType() == Setting::TypeInt64;
  const long long n = small ? static_cast<int>(value) : whole ? static_cast<long long>(value) : 0;
  if (whole && n >= low && n <= high)
    to = static_cast<std::remove_reference_t<decltype(to)>>(n);
  else
    error(value, std::string(key) + (whole ? " = " + std::to_string(n) : " is no whole number") +
                     ", a number from " + std::to_string(low) + " to " + std::to_string(high) + " is right");
}

void Reader::text(const Setting& group, const char* key, std::string& to) {
  if (!group.exists(key)) return;
  if (group[key].getType() == Setting::TypeString)
    to = group[key].c_str();
  else
    error(group[key], std::string(key) + " is no text, write it in double quotes");
}

void Reader::boolean(const Setting& group, const char* key, bool& to) {
  if (!group.exists(key)) return;
  if (group[key].getType() == Setting::TypeBoolean)
    to = group[key];
  else
    error(group[key], std::string(key) + " is neither true nor false, write one of them without quotes");
}

void Reader::agent(const Setting& group) {
  if (!group.isGroup()) return error(group, R"("agent" is no group, write agent: { … };)");
  known_keys(group, {"interface", "vips", "listen", "magic", "gue_port", "clamp_mss", "mtu_overhead",
                     "advertised_mtu", "decapsulation", "tc_priority", "state", "drain_hook", "log_level",
                     "health"});
  const unsigned line = group.getSourceLine();
  if (group.exists("interface"))
    interfaces(group["interface"]);
  else
    error(line, R"(no interface, name where tunnel packets come in: interface = "eth0";)");
  if (group.exists("listen"))
    listen(group["listen"]);
  else
    error(line,
          R"(no listen address, say where /healthz and /status are served: listen = "10.1.0.11:9110";)");
  if (group.exists("vips"))
    vips(group["vips"]);
  else
    error(line, R"(no vips, name at least one: vips = ( { address = "203.0.113.10"; } );)");

  text(group, "magic", config_.magic);
  if (config_.magic.empty())
    error(group["magic"], R"(magic is empty, give the word that monitors expect: "sluice-ok")");
  number(group, "gue_port", config_.gue_port, 0, 65535);
  boolean(group, "clamp_mss", config_.clamp_mss);
  number(group, "mtu_overhead", config_.mtu_overhead_bytes, 0, 512);
  number(group, "advertised_mtu", config_.advertised_mtu_bytes, 0, 65535);
  if (const unsigned mtu = config_.advertised_mtu_bytes; mtu != 0 && mtu < 576)
    error(group["advertised_mtu"],
          "advertised_mtu = " + std::to_string(mtu) +
              ", at least 576 is right, or 0 for the interface's MTU less mtu_overhead");
  number(group, "tc_priority", config_.tc_priority, 1, 65535);
  text(group, "state", config_.state_file);
  text(group, "drain_hook", config_.drain_hook);
  if (!config_.drain_hook.empty() && config_.drain_hook[0] != '/')
    error(group["drain_hook"],
          "drain_hook " + quoted(config_.drain_hook) + " is no full path, start it with /");
  text(group, "log_level", config_.log_level);
  constexpr std::array kLevels = {"trace", "debug", "info", "warn", "error"};
  if (std::find(kLevels.begin(), kLevels.end(), config_.log_level) == kLevels.end())
    error(group["log_level"],
          "log_level " + quoted(config_.log_level) + ", right are trace, debug, info, warn, error");
  std::string way = "auto";
  text(group, "decapsulation", way);
  config_.compatible_decapsulation = way == "compatible";
  if (way != "auto" && way != "compatible")
    error(group["decapsulation"], "decapsulation " + quoted(way) + R"(, right are "auto" and "compatible")");
  if (group.exists("health")) health(group["health"]);
}

void Reader::interfaces(const Setting& value) {
  const auto add = [&](const Setting& name) {
    const char* text = name.getType() == Setting::TypeString ? name.c_str() : "";
    auto& all = config_.interfaces;
    if (*text == 0 || std::strlen(text) >= IFNAMSIZ || std::strpbrk(text, "/ ") != nullptr)
      error(name, R"(interface is no name of a network interface, write one such as "eth0")");
    else if (std::find(all.begin(), all.end(), text) != all.end())
      error(name, "interface " + quoted(text) + " is named twice, once is right");
    else
      all.emplace_back(text);
  };
  if (!value.isAggregate()) return add(value);
  for (int i = 0; i < value.getLength(); ++i) add(value[i]);
  if (value.getLength() == 0) error(value, R"(interface is an empty list, name at least one such as "eth0")");
}

void Reader::listen(const Setting& value) {
  const auto endpoint = value.getType() == Setting::TypeString ? parse_endpoint(value.c_str()) : std::nullopt;
  if (endpoint)
    config_.listen = *endpoint;
  else
    error(value, R"(listen is no address with a port, right is "10.1.0.11:9110" or "[2001:db8::11]:9110")");
}

void Reader::vips(const Setting& list) {
  if (!list.isList()) return error(list, "vips is no list, write vips = ( { … }, { … } );");
  if (list.getLength() == 0)
    error(list, R"(vips is empty, name at least one: ( { address = "203.0.113.10"; } ))");
  if (list.getLength() > 1023) error(list, "more than 1023 vips, write neighbouring ones as one prefix");
  for (int i = 0; i < list.getLength(); ++i) vip(list[i]);
  check_ports();
}

void Reader::vip(const Setting& group) {
  if (!group.isGroup()) return error(group, R"(a VIP is a group, write { address = "203.0.113.10"; })");
  known_keys(group, {"address", "protocol", "port", "dip_port"});
  std::string address;
  text(group, "address", address);
  const auto prefix = parse_prefix(address);
  const unsigned line = group.exists("address") ? group["address"].getSourceLine() : group.getSourceLine();
  if (!prefix)
    return error(
        line,
        "address " + quoted(address) +
            R"( is no VIP, right is "203.0.113.10", "2001:db8:cb::10" or a prefix such as "203.0.113.0/24")");
  if (prefix->length == 0 || prefix->address.is_unspecified() || prefix->address.is_multicast() ||
      prefix->address.is_loopback() || prefix->address.is_link_local())
    return error(line, "address " + quoted(address) +
                           " cannot be a VIP, a unicast address that clients reach is right");
  auto& all = config_.vips;
  auto at = std::find_if(all.begin(), all.end(), [&](const Vip& v) { return v.prefix == *prefix; });
  if (at == all.end()) at = all.insert(all.end(), Vip{*prefix, {}});
  service(group, *at);
}

void Reader::service(const Setting& group, Vip& vip) {
  const unsigned line = group.getSourceLine();
  Service s;
  std::string protocol = "any";
  text(group, "protocol", protocol);
  static const std::map<std::string, int> kProtocols = {
      {"any", 0}, {"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"sctp", IPPROTO_SCTP}};
  if (const auto p = kProtocols.find(protocol); p != kProtocols.end())
    s.protocol = static_cast<std::uint8_t>(p->second);
  else
    error(group["protocol"], "protocol " + quoted(protocol) + ", right are tcp, udp, sctp, any");
  number(group, "port", s.port, 0, 65535);
  number(group, "dip_port", s.dip_port, 0, 65535);
  if (s.port != 0 && s.protocol == 0)
    error(group["port"], R"(port without a protocol, add protocol = "tcp"; (or udp, sctp))");
  if (s.dip_port != 0 && s.port == 0)
    error(group["dip_port"], "dip_port without port, name the port that clients use or leave dip_port away");
  else if (s.dip_port != 0 && s.protocol == IPPROTO_SCTP)
    error(group["dip_port"],
          "dip_port of an sctp service, ports are translated for tcp and udp: leave it away");
  if (s.dip_port == s.port) s.dip_port = 0;

  const auto [first, fresh] = first_line_.try_emplace({vip.prefix, s.protocol, s.port}, line);
  if (!fresh)
    return error(line, "VIP " + to_string(vip.prefix) + " with this protocol and port stands on line " +
                           std::to_string(first->second) + " already, once is right");
  vip.services.push_back(s);
  lines_.push_back({line, vip.prefix.address, s});
}

// A reply from the DIP's port gets the VIP's port back without knowing its connection: so on one VIP no two
// services may share a port on the server.
void Reader::check_ports() {
  const auto local = [](const Service& s) { return s.dip_port != 0 ? s.dip_port : s.port; };
  for (const Line& a : lines_)
    for (const Line& b : lines_)
      if (&a != &b && a.service.dip_port != 0 && a.address == b.address &&
          a.service.protocol == b.service.protocol && a.service.dip_port == local(b.service) &&
          (&a > &b || b.service.dip_port == 0))
        error(a.line, "dip_port " + std::to_string(a.service.dip_port) + " of VIP " + to_string(a.address) +
                          " is used by the service on line " + std::to_string(b.line) +
                          " too, each needs a port of its own on the server");
}

void Reader::health(const Setting& group) {
  if (!group.isGroup())
    return error(group, R"(health is no group, write health = { url = "http://127.0.0.1/"; };)");
  known_keys(group, {"url", "expect", "interval_ms", "timeout_ms", "failures"});
  HealthCheck check;
  unsigned interval_ms = 2000, timeout_ms = 1000;
  number(group, "interval_ms", interval_ms, 100, 3'600'000);
  number(group, "timeout_ms", timeout_ms, 10, 60'000);
  number(group, "failures", check.failures, 1, 1000);
  text(group, "expect", check.expect);
  check.interval = std::chrono::milliseconds(interval_ms);
  check.timeout = std::chrono::milliseconds(timeout_ms);
  if (group.exists("url"))
    health_url(group["url"], check);
  else
    error(group, R"(health without url, write url = "http://127.0.0.1:80/";)");
  config_.health = check;
}

void Reader::health_url(const Setting& value, HealthCheck& check) {
  constexpr std::string_view kScheme = "http://";
  std::string_view url = value.getType() == Setting::TypeString ? value.c_str() : "";
  std::optional<Endpoint> server;
  if (url.starts_with(kScheme)) {
    url.remove_prefix(kScheme.size());
    const std::size_t slash = std::min(url.find('/'), url.size());
    check.host = url.substr(0, slash);
    check.path = slash < url.size() ? std::string(url.substr(slash)) : "/";
    server = parse_endpoint(check.host);
    if (!server) server = parse_endpoint(check.host + ":80");
  }
  const bool printable =
      std::all_of(check.path.begin(), check.path.end(), [](char c) { return c > ' ' && c < 127; });
  if (server && printable)
    check.server = *server;
  else
    error(
        value,
        R"(url is nothing that can be asked, right is "http://ADDRESS[:PORT]/PATH" with a numeric address)");
}

}  // namespace

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon), port = text.substr(colon + 1);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = parse_address(host);
  Endpoint endpoint;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  if (!address || address->is_v4() == bracketed || error != std::errc{} || end != port.data() + port.size() ||
      endpoint.port == 0)
    return std::nullopt;
  endpoint.address = *address;
  return endpoint;
}

Parsed read_config(const std::string& path) {
  Parsed parsed;
  Reader reader(path, parsed);
  libconfig::Config file;
  try {
    file.readFile(path.c_str());
    const Setting& root = file.getRoot();
    for (int i = 0; i < root.getLength(); ++i)
      if (std::string_view(root[i].getName()) != "agent")
        reader.error(root[i].getSourceLine(),
                     "unknown key " + quoted(root[i].getName()) + ", known here is: agent");
    if (root.exists("agent"))
      reader.agent(root["agent"]);
    else
      reader.error(
          "no group \"agent\", a file of sluice-agent reads agent: { interface = …; vips = …; listen = …; "
          "};");
  } catch (const libconfig::ParseException& e) {
    reader.error(
        static_cast<unsigned>(e.getLine()),
        std::string(e.getError()) + ", libconfig is right: name = value; with groups { } and lists ( )");
  } catch (const libconfig::FileIOException&) {
    reader.error(std::string("cannot be read (") + std::strerror(errno) +
                 "), name a configuration file that is there");
  }
  return parsed;
}

}  // namespace sluice::agent
