// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <algorithm>
#include <charconv>
#include <map>

#include "control/config/address_port.h"
#include "control/config/words.h"
#include "control/rpc/appliance.h"
#include "dataplane/wire/headers.h"

namespace sluice::rpc {

using nlohmann::json;

namespace {

std::uint8_t protocol_of(const std::string& text) {
  static const std::map<std::string, std::uint8_t, std::less<>> kNumbers = {
      {"tcp", kProtoTcp}, {"udp", kProtoUdp},      {"sctp", kProtoSctp}, {"icmp", kProtoIcmp},
      {"esp", kProtoEsp}, {"icmp6", kProtoIcmpv6}, {"ah", kProtoAh},     {"icmpv6", kProtoIcmpv6}};
  if (const auto at = kNumbers.find(text); at != kNumbers.end()) return at->second;
  unsigned number = 256;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size() && number < 256) {
    return static_cast<std::uint8_t>(number);
  }
  throw Error(
      kInvalidParams,
      shown(text) + " is no protocol; right would be tcp, udp, sctp, icmp, icmp6, esp, ah or 0 to 255");
}

config::AddressPort endpoint_of(const json& params, const char* name) {
  const std::string text = params.at(name);
  if (const auto value = config::parse_address_port(text)) return *value;
  throw Error(kInvalidParams, std::string(name) + " " + shown(text) +
                                  " is no endpoint; right would be 192.0.2.1:40000 or [2001:db8::1]:40000");
}

}  // namespace

FlowKey flow_key_of(const json& params) {
  FlowKey key;
  const auto source = endpoint_of(params, "source");
  const auto destination = endpoint_of(params, "destination");
  if (source.address.is_v4() != destination.address.is_v4()) {
    throw Error(kInvalidParams, "source and destination are of different families");
  }
  key.source = source.address;
  key.destination = destination.address;
  key.source_port = Big16(source.port);
  key.destination_port = Big16(destination.port);
  key.protocol = protocol_of(params.at("protocol"));
  return key;
}

namespace {

std::string hex(std::uint64_t value, int digits) {
  char text[17];
  std::snprintf(text, sizeof text, "%0*llx", digits, static_cast<unsigned long long>(value));
  return text;
}

json outer_of(const Target& target, const config::Service& service, const config::Dip& dip,
              const FlowKey& key) {
  IpAddress source;
  if (target.outer_v6) {
    Ipv6Header ip;
    std::memcpy(&ip, target.outer.data(), sizeof ip);
    source = IpAddress::v6(ip.source.data());
  } else {
    Ipv4Header ip;
    std::memcpy(&ip, target.outer.data(), sizeof ip);
    source = IpAddress::v4(ip.source);
  }
  std::string text = to_string(source);
  if (target.source == OuterSourceKind::kClient) text = to_string(key.source);
  if (target.source == OuterSourceKind::kPrefix) {
    text = to_string(Prefix{mask(source, target.source_prefix_bits), target.source_prefix_bits});
  }
  json outer = {{"source", text},
                {"destination", to_string(dip.address)},
                {"kind", config::to_word(service.encapsulation)},
                {"bytes", target.outer_bytes}};
  if (target.gue) outer["destination_port"] = service.gue_port;
  return outer;
}

json next_hop_of(const Appliance& appliance, const NextHop& hop, const config::Dip& dip) {
  json out = {{"resolved", hop.resolved}, {"path", appliance.describe_path(dip.address)}};
  if (hop.resolved) {
    MacAddress mac;
    std::memcpy(mac.byte.data(), hop.l2.data(), 6);
    out["port"] = appliance.ports[hop.port].name;
    out["mac"] = to_string(mac);
    out["mtu_bytes"] = hop.mtu;
  }
  return out;
}

const char* table_word(Explanation::Table table) {
  static constexpr const char* kWords[] = {"map", "transition", "flow", "elephant"};
  return kWords[static_cast<unsigned>(table)];
}

// Why the packet goes where it goes, in one sentence.
std::string reason_text(const Explanation& e, const std::string& group) {
  switch (e.end) {
    case Explanation::End::kDropped:
      return std::string(describe(static_cast<DropReason>(e.drop_reason)).text);
    case Explanation::End::kPunted:
      return "the destination is the MUX itself: the kernel gets the packet";
    case Explanation::End::kAnswered:
      return "the VIP answers ping itself";
    case Explanation::End::kForwarded:
      break;
  }
  if (e.table == Explanation::Table::kElephant)
    return "tier 1 knows the flow as an elephant and sends it to its DIP";
  if (e.known_flow) return "the flow is in the table of group " + group + " and stays on its DIP";
  const std::string slot = "slot " + std::to_string(e.slot) + " of group " + group;
  if (e.in_transition)
    return slot + " belongs to this DIP in the map that such a packet follows during the transition";
  return slot + " belongs to this DIP";
}

json flow_of(const Explanation& e) {
  static constexpr const char* kStates[] = {"free", "probation", "established", "closing"};
  return {{"state", kStates[static_cast<unsigned>(e.flow.state())]},
          {"idle_s", static_cast<double>(FlowClock::idle(e.now, e.flow.seen())) / FlowClock::kTicksPerSecond},
          {"window_packets", e.flow.window_packets()},
          {"window_bytes", e.flow.window_bytes()}};
}

json answer_of(const Appliance& appliance, const FlowKey& key, const Explanation& e) {
  const Snapshot& snapshot = appliance.live.snapshot();
  const maps::Directory& directory = appliance.live.directory();
  json out;
  static constexpr const char* kVerdicts[] = {"forwarded", "dropped", "punted", "answered"};
  out["verdict"] = kVerdicts[static_cast<unsigned>(e.end)];
  std::string group;
  if (e.matched) {
    out["service"] = directory.services[e.service].name;
    out["hash"] = hex(e.hash, 8);
  }
  if (e.grouped) {
    group = directory.groups[e.group].name;
    out["group"] = group;
    out["group_slot"] = e.group_slot;
    out["slot_hash"] = hex(e.slot_hash, 16);
    out["slot"] = e.slot;
    out["table"] = table_word(e.table);
    out["in_transition"] = e.in_transition;
  }
  if (e.known_flow) out["flow"] = flow_of(e);
  if (e.chosen) {
    const Target& target = snapshot.targets[e.target];
    const maps::PlannedDip& dip = directory.targets[e.target].dip;
    const config::Service& service = find_service(appliance, directory.services[e.service].name);
    out["dip"] = dip.name;
    out["state"] = maps::to_word(dip.state());
    out["next_hop"] = next_hop_of(appliance, snapshot.next_hops[target.next_hop], dip.dip);
    out["outer"] = outer_of(target, service, dip.dip, key);
  }
  if (e.end == Explanation::End::kDropped)
    out["drop"] = describe(static_cast<DropReason>(e.drop_reason)).word;
  out["reason"] = reason_text(e, group);
  for (const auto& part : appliance.explain_parts) part(key, out);
  return out;
}

struct Question {
  FlowKey key;
  bool opens_flow = false;
  bool only_known = false;  // flow show: an entry, or an error
  unsigned looked = 0;      // groups that were asked
  unsigned tries = 8;
};

// Asks `worker`. Where another one owns the flow table, that one is asked next; when the maps changed
// meanwhile, all is asked again.
void ask(Appliance& appliance, unsigned worker, Question question, const Reply& reply) {
  ExplainRequest request;
  request.key = question.key;
  request.opens_flow = question.opens_flow;
  request.looked = question.looked;
  const auto answered = [&appliance, question, reply](Request& done) mutable {
    const Explanation& e = std::get<ExplainRequest>(done).answer;
    const bool stale = e.generation != appliance.live.snapshot().generation;
    if (!stale && !e.elsewhere) {
      if (question.only_known && !e.known_flow && e.table != Explanation::Table::kElephant) {
        return reply.error(
            Error(kNotFound, "no table knows this flow; explain says where its next packet would go"));
      }
      return reply.result(answer_of(appliance, question.key, e));
    }
    if (question.tries-- == 0) {
      return reply.error(Error(kBusy, "the maps change faster than they can be explained; ask again"));
    }
    question.looked = stale ? 0 : e.looked;
    ask(appliance, stale ? 0 : e.owner, question, reply);
  };
  if (!appliance.ask(worker, request, answered)) {
    reply.error(Error(kBusy, "the worker has too many questions before this one; ask again"));
  }
}

}  // namespace

void add_explain(Router& router, Appliance& appliance) {
  router.add(
      {.name = "explain",
       .parameters = {{.name = "protocol", .required = true, .help = "a word or a number"},
                      {.name = "source", .required = true, .help = "the client, as 192.0.2.1:40000"},
                      {.name = "destination", .required = true, .help = "the VIP, as 203.0.113.10:80"},
                      {.name = "syn", .type = Type::kBoolean, .help = "the packet opens a connection"}},
       .help = "The whole way of such a packet, and why, asked of the stages themselves.",
       .later = [&appliance](const json& params, const Reply& reply) {
         ask(appliance, 0, {.key = flow_key_of(params), .opens_flow = params.value("syn", false)}, reply);
       }});
  router.add(
      {.name = "flow.show",
       .parameters = {{.name = "protocol", .required = true, .help = "a word or a number"},
                      {.name = "source", .required = true, .help = "the client, as 192.0.2.1:40000"},
                      {.name = "destination", .required = true, .help = "the VIP, as 203.0.113.10:80"}},
       .help = "One flow and the table that holds it.",
       .later = [&appliance](const json& params, const Reply& reply) {
         ask(appliance, 0, {.key = flow_key_of(params), .only_known = true}, reply);
       }});
}

}  // namespace sluice::rpc
