// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/config.h"

#include <algorithm>
#include <array>

#include "control/config/forms.h"
#include "control/config/kinds.h"
#include "control/config/rules.h"

namespace sluice::config {

template <>
std::span<const Word<agent::Decapsulation>> words() {
  static constexpr Word<agent::Decapsulation> kWords[] = {{agent::Decapsulation::kAuto, "auto"},
                                                          {agent::Decapsulation::kCompatible, "compatible"}};
  return kWords;
}

}  // namespace sluice::config

namespace sluice::agent {
namespace {

using namespace config;
using namespace config::kind;
using agent::Service;  // not the appliance's

constexpr std::size_t kMaxVips = 1023;  // maps of the eBPF programs
constexpr unsigned kMinMtu = 576;
constexpr std::size_t kMaxHookWords = 64;

// A VIP as one group of the file; several of them may share a prefix.
struct Entry {
  Prefix prefix;
  Service service;
  Protocol protocol = Protocol::kAny;
  std::uint16_t port = 0, dip_port = 0;
};

std::optional<AddressPort> parse_listen(std::string_view text) {
  const auto listen = parse_address_port(text);
  return listen && listen->port != 0 ? listen : std::nullopt;
}

std::string print_listen(const AddressPort& value) {
  return value.port == 0 ? "" : to_string(value);
}

std::optional<Url> parse_url(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  const auto unfit = [](char c) { return c <= ' ' || c > '~'; };
  if (!text.starts_with(kScheme) || std::any_of(text.begin(), text.end(), unfit)) return std::nullopt;
  text.remove_prefix(kScheme.size());
  const std::size_t slash = std::min(text.find('/'), text.size());
  Url url;
  url.host = text.substr(0, slash);
  url.path = slash < text.size() ? text.substr(slash) : "/";
  auto server = parse_address_port(url.host);
  if (!server || server->port == 0) server = parse_address_port(url.host + ":80");
  if (!server) return std::nullopt;
  url.server = *server;
  return url;
}

std::string print_url(const Url& url) {
  return url.host.empty() ? "" : "http://" + url.host + url.path;
}

std::string vip_rule(const Prefix& vip) {
  const std::string what = "address = " + quote(to_string(vip));
  if (vip.length == 0) return what + " is every address; write the VIPs alone";
  if (vip.address.is_link_local()) return what + " is link-local; write an address that clients reach";
  return rules::host_address(what, vip.address);
}

void settle_entry(Report& report, const Node&, Entry& e) {
  const bool ported = e.protocol == Protocol::kTcp || e.protocol == Protocol::kUdp;
  if (e.port != 0 && !ported && e.protocol != Protocol::kSctp)
    report.add_below("port", "port = " + std::to_string(e.port) + " of protocol " +
                                 std::string(to_word(e.protocol)) +
                                 R"(; add protocol = "tcp", "udp" or "sctp")");
  if (e.dip_port != 0 && e.port == 0)
    report.add_below("dip_port", "dip_port without port; name the port that clients use");
  if (e.dip_port != 0 && !ported)
    report.add_below("dip_port", "dip_port of protocol " + std::string(to_word(e.protocol)) +
                                     "; ports are translated for tcp and udp");
  e.service = {e.protocol, e.port, e.dip_port == e.port ? std::uint16_t{0} : e.dip_port};
}

const Section<Entry>& entry_keys() {
  static const Section<Entry> kSection{
      "VIP",
      {with_rule(
           needed(parsed("address", &Entry::prefix, form::kVip,
                         "The VIP, of either family; a prefix such as `203.0.113.0/24` is one VIP too."),
                  "\"203.0.113.10\""),
           [](const Entry& e) { return vip_rule(e.prefix); }),
       word("protocol", &Entry::protocol, "Needed where there is a port."),
       number("port", &Entry::port, 0, 65535, "As clients see it; 0 is every port."),
       number("dip_port", &Entry::dip_port, 0, 65535,
              "Where the server listens, when that is another port; tcp and udp. 0 translates nothing.")},
      settle_entry};
  return kSection;
}

// A service once, and one service on a port of the server: replies get the VIP's port back without anyone
// knowing their connection.
void check_entries(Report& report, const std::vector<Entry>& entries) {
  const auto at = [&](std::size_t i) { return report.path() + '[' + std::to_string(i) + ']'; };
  for (std::size_t i = 0; i < entries.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      const Entry &a = entries[j], &b = entries[i];
      if (a.prefix != b.prefix || a.protocol != b.protocol) continue;
      const std::string line = report.line_of(at(j), at(i)), there = line.empty() ? "" : " at " + line;
      const std::string vip = "VIP " + to_string(b.prefix);
      if (a.port == b.port)
        report.broken(at(i), vip + " with this protocol and port is given already" + there + "; give it once",
                      {at(i)});
      else if ((a.service.dip_port != 0 || b.service.dip_port != 0) &&
               a.service.local_port() == b.service.local_port())
        report.broken(at(i),
                      vip + " uses port " + std::to_string(b.service.local_port()) +
                          " of the server already" + there + "; give each service a dip_port of its own",
                      {at(i)});
    }
}

Key<Config> vips() {
  Key<Config> key = base("vips", &Config::vips, "list of groups", "The VIPs, and what is served on them.");
  key.read = [](Report& report, const Node& node, Config& out) {
    std::vector<Entry> entries;
    read_list(report, "vips", node, entry_keys(), entries);
    judge_list(report, entries, entry_keys());
    check_entries(report, entries);
    if (node.kind == Node::Kind::kList && entries.empty())
      report.add(R"(vips is empty; name at least one, as in ( { address = "203.0.113.10"; } ))");
    for (const Entry& e : entries) {
      auto vip =
          std::find_if(out.vips.begin(), out.vips.end(), [&](const Vip& v) { return v.prefix == e.prefix; });
      if (vip == out.vips.end()) vip = out.vips.insert(vip, Vip{e.prefix, {}});
      vip->services.push_back(e.service);
    }
    if (out.vips.size() > kMaxVips)
      report.add("vips are more than " + std::to_string(kMaxVips) + "; write neighbouring ones as a prefix");
  };
  return needed(std::move(key), R"(( { address = "203.0.113.10"; } ))");
}

Key<Config> interfaces() {
  Key<Config> key =
      base("interface", &Config::interfaces, "text, or list of texts",
           "Where tunnel packets come in and replies go out; several as `[ \"eth0\", \"eth1\" ]`.");
  key.read = [](Report& report, const Node& node, Config& out) {
    const bool list = node.kind == Node::Kind::kList;
    const std::vector<Node> names = list ? node.children : std::vector<Node>{node};
    for (const Node& name : names) {
      report.place(name.row);
      const std::string wrong = rules::interface_name("interface", name.text);
      if (name.kind != Node::Kind::kText)
        report.add(wrong_type("interface", name, "a name in quotes, as in \"eth0\""));
      else if (name.text.empty() || !wrong.empty())
        report.add(wrong.empty() ? R"(interface is empty; write a name, as in "eth0")" : wrong);
      else if (std::find(out.interfaces.begin(), out.interfaces.end(), name.text) != out.interfaces.end())
        report.add("interface " + quote(name.text) + " is given twice; give it once");
      else
        out.interfaces.push_back(name.text);
    }
    if (names.empty()) report.add(R"(interface is an empty list; name at least one, as in "eth0")");
  };
  return needed(std::move(key), "\"eth0\"");
}

const Section<HealthCheck>& health_keys() {
  static const Form<Url> kUrl{"http://ADDRESS[:PORT]/PATH with a numeric address", "http://127.0.0.1:80/",
                              parse_url, print_url};
  static const Section<HealthCheck> kSection{
      "health",
      {needed(parsed("url", &HealthCheck::url, kUrl, "What is asked; 2xx is a good answer."),
              "\"http://127.0.0.1:80/\""),
       text("expect", &HealthCheck::expect, "a word", "Must be in the body; empty: any body will do."),
       number("interval_ms", &HealthCheck::interval_ms, 100, 3'600'000, "Between two questions."),
       number("timeout_ms", &HealthCheck::timeout_ms, 10, 60'000, "For the whole answer."),
       number("failures", &HealthCheck::failures, 1, 1000, "In a row, until the server counts as ill.")},
      {}};
  return kSection;
}

Key<Config> health() {
  Key<Config> key = base("health", &Config::health, "group",
                         "A local check that `/healthz` depends on; without it the agent alone answers.");
  key.read = [](Report& report, const Node& node, Config& out) {
    if (node.kind != Node::Kind::kGroup)
      return report.add(wrong_type("health", node, "a group, as in { url = \"http://127.0.0.1:80/\"; }"));
    out.health.emplace();
    read_section(report, node, health_keys(), *out.health);
    judge_section(report, *out.health, health_keys());
  };
  return key;
}

std::string path_rule(const char* key, const std::string& value);

Key<Config> drain_hook() {
  Key<Config> key =
      base("drain_hook", &Config::drain_hook, "text, or list of texts",
           "A program and its arguments, run without a shell when a drain begins or ends; the last "
           "argument is then `draining` or `alive`. Empty: none.");
  key.read = [](Report& report, const Node& node, Config& out) {
    const bool list = node.kind == Node::Kind::kList;
    for (const Node& word : list ? node.children : std::vector<Node>{node}) {
      report.place(word.row);
      if (word.kind != Node::Kind::kText)
        return report.add(
            wrong_type("drain_hook", word, R"(a program in quotes, or [ "PROGRAM", "ARGUMENT" ])"));
      out.drain_hook.push_back(word.text);
    }
    if (out.drain_hook == std::vector<std::string>{""}) out.drain_hook.clear();
    if (out.drain_hook.size() > kMaxHookWords)
      report.add("drain_hook has more than " + std::to_string(kMaxHookWords) + " words; write a script");
  };
  key.rule = [](const Config& c) {
    if (c.drain_hook.empty()) return std::string();
    if (c.drain_hook[0].empty()) return std::string("drain_hook names no program; begin with its whole path");
    return path_rule("drain_hook", c.drain_hook[0]);
  };
  return key;
}

constexpr std::string_view kLink = "link";

Key<Config> muxes() {
  Key<Config> key = parsed_list("muxes", &Config::muxes, form::kVip,
                                "Who may tell of drains (`POST /drain`, `/undrain`): addresses and prefixes "
                                "of MUXes; `link` is whoever is "
                                "on a subnet of `interface`, with no router between. An empty list: nobody.");
  const auto read = key.read;
  key.read = [read](Report& report, const Node& node, Config& out) {
    Node prefixes = node;
    const auto is_link = [](const Node& word) {
      return word.kind == Node::Kind::kText && word.text == kLink;
    };
    out.muxes_on_link = std::erase_if(prefixes.children, is_link) != 0;
    read(report, prefixes, out);
  };
  key.print = [](const Config& c, unsigned) { return print_muxes(c); };
  return key;
}

std::string path_rule(const char* key, const std::string& value) {
  if (value.empty() || value.front() == '/') return rules::plain(key, value, true);
  return std::string(key) + " = " + quote(value) + " is no whole path; begin it with /";
}

std::string log_level_rule(const Config& c) {
  constexpr std::array kLevels = {"trace", "debug", "info", "warn", "error"};
  if (std::find(kLevels.begin(), kLevels.end(), c.log_level) != kLevels.end()) return {};
  return "log_level = " + quote(c.log_level) + " is unknown; write one of: trace, debug, info, warn, error";
}

std::string advertised_mtu_rule(const Config& c) {
  if (c.advertised_mtu_bytes == 0 || c.advertised_mtu_bytes >= kMinMtu) return {};
  return "advertised_mtu = " + std::to_string(c.advertised_mtu_bytes) + " is too small; write " +
         std::to_string(kMinMtu) + " or more, or 0 for the interface's MTU less mtu_overhead";
}

const Section<Config>& agent_keys() {
  static const Form<AddressPort> kListen{"ADDRESS:PORT", "10.1.0.11:9110", parse_listen, print_listen};
  static const Section<Config> kSection{
      "agent",
      {interfaces(), vips(),
       needed(parsed("listen", &Config::listen, kListen, "Where `/healthz` and `/status` are served."),
              "\"10.1.0.11:9110\""),
       with_rule(text("magic", &Config::magic, "the word that monitors expect",
                      "What `/healthz` answers when all is well."),
                 [](const Config& c) { return rules::plain("magic", c.magic, false); }),
       number("gue_port", &Config::gue_port, 0, 65535, "UDP port of GUE (variant 1); 0: GUE is left alone."),
       flag("clamp_mss", &Config::clamp_mss,
            "Lower the MSS that a VIP advertises, so that clients leave room for the outer header."),
       number("mtu_overhead", &Config::mtu_overhead_bytes, 0, 512,
              "Bytes that a tunnel adds: 20 IPv4, 28 with GUE, 40 IPv6, 48 with GUE."),
       with_rule(number("advertised_mtu", &Config::advertised_mtu_bytes, 0, 65535,
                        "The largest inner packet that clients should send; 0: the interface's MTU less "
                        "`mtu_overhead`."),
                 advertised_mtu_rule),
       health(), muxes(), drain_hook(),
       number("drain_hook_timeout_s", &Config::drain_hook_timeout_s, 1, 600,
              "A run of the hook that takes longer is killed."),
       number(
           "leave_s", &Config::leave_s, 0, 3600,
           "How long SIGTERM waits, with the state `leaving`, for the last connection of the VIPs to end."),
       word("decapsulation", &Config::decapsulation,
            "`compatible` changes the address family the way of kernels before 6.3; `auto` does so where it "
            "must."),
       number("tc_priority", &Config::tc_priority, 1, 65535,
              "Of the programs among the tc filters of the interface."),
       with_rule(
           text(
               "state", &Config::state, "an absolute path",
               "File that remembers what to give back; empty: one for each network namespace, below `/run`."),
           [](const Config& c) { return path_rule("state", c.state); }),
       with_rule(text("capabilities", &Config::capabilities, "names of capabilities",
                      "What the agent keeps of root's rights after its start, and its hook has: names as in "
                      "capabilities(7), with blanks between. `auto`: what the agent needs."),
                 [](const Config& c) { return rules::capabilities("capabilities", c.capabilities); }),
       word("seccomp", &Config::seccomp,
            "What becomes of a system call that neither agent nor hook should make: the process is killed, "
            "the kernel logs it, or nobody looks."),
       with_rule(
           text("log_level", &Config::log_level, "a level", "`trace`, `debug`, `info`, `warn` or `error`."),
           log_level_rule)},
      {}};
  return kSection;
}

struct File {
  Config agent;
};

const Section<File>& file_keys() {
  static const Section<File> kSection{
      "a file of sluice-agent",
      {needed(section("agent", &File::agent, agent_keys, "The agent."), "{ … }")},
      {}};
  return kSection;
}

Parsed read(const Source& source, std::optional<Problem> problem) {
  std::optional<Node> root;
  if (!problem) root = read_tree(source, problem);
  if (!root) return {std::nullopt, {to_string(*problem)}};
  File file;
  Report report(&source);
  read_section(report, *root, file_keys(), file);
  judge_section(report, file, file_keys());
  if (report.empty()) return {std::move(file.agent), {}};
  Parsed parsed;
  for (const Problem& p : report.problems()) parsed.errors.push_back(to_string(p));
  return parsed;
}

template <class T>
std::string table(const std::string& title, const Section<T>& section) {
  std::string rows = "\n### " + title + "\n\n| key | value | default | what it is |\n|---|---|---|---|\n";
  for (const Key<T>& key : section.keys) {
    const std::string printed = key.print ? key.print(T{}, 0) : "";
    const std::string fallback = !key.example.empty() ? "needed, as in `" + key.example + '`'
                                 : printed.empty() || printed == "\"\"" ? "none"
                                                                        : '`' + printed + '`';
    rows += "| `" + key.name + "` | " + key.kind + " | " + fallback + " | " + key.sentence + " |\n";
  }
  return rows;
}

}  // namespace

Parsed read_config(const std::string& path) {
  Source source;
  auto problem = gather_file(path, source);
  return read(source, std::move(problem));
}

Parsed read_config_text(std::string_view text, const std::string& name) {
  Source source;
  auto problem = gather_text(text, name, source);
  return read(source, std::move(problem));
}

std::string print_muxes(const Config& config) {
  std::string list = config.muxes_on_link ? " \"link\"" : "";
  for (const Prefix& prefix : config.muxes) list += (list.empty() ? " " : ", ") + quote(to_string(prefix));
  return '[' + list + (list.empty() ? "]" : " ]");
}

std::string config_reference() {
  return table("agent", agent_keys()) + table("vips", entry_keys()) + table("health", health_keys());
}

}  // namespace sluice::agent
