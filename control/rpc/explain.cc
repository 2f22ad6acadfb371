// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
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

FlowKey key_of(const json& params) {
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

// Why the packet went where it went, in one sentence.
std::string reason_text(const Explanation& e, const maps::Live::Place& place) {
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
  return "slot " + std::to_string(e.slot) + " of group " + place.group->name + " belongs to this DIP";
}

json answer_of(const Appliance& appliance, const FlowKey& key, const Explanation& e) {
  const Snapshot& snapshot = appliance.live.snapshot();
  json out;
  static constexpr const char* kVerdicts[] = {"forwarded", "dropped", "punted", "answered"};
  out["verdict"] = kVerdicts[static_cast<unsigned>(e.end)];
  const auto place = e.chosen    ? appliance.live.place_of_target(e.target)
                     : e.grouped ? appliance.live.place_of_group(e.group)
                     : e.matched ? appliance.live.place_of_service(e.service)
                                 : maps::Live::Place{};
  if (place.service) out["service"] = place.service->name;
  if (e.matched) out["hash"] = hex(e.hash, 8);
  if (e.grouped) {
    if (place.group) out["group"] = place.group->name;
    out["group_slot"] = e.group_slot;
    out["slot_hash"] = hex(e.slot_hash, 16);
    out["slot"] = e.slot;
    out["table"] = "map";
  }
  if (e.chosen && place.dip) {
    const Target& target = snapshot.targets[e.target];
    out["dip"] = config::to_string(config::AddressPort{place.dip->address, place.dip->port});
    out["next_hop"] = next_hop_of(appliance, snapshot.next_hops[target.next_hop], *place.dip);
    out["outer"] = outer_of(target, *place.service, *place.dip, key);
  }
  if (e.end == Explanation::End::kDropped) {
    out["drop"] = describe(static_cast<DropReason>(e.drop_reason)).word;
  }
  out["reason"] = reason_text(e, place);
  return out;
}

// The maps may have changed between the question and its answer; then it is asked again, a few times.
void ask(Appliance& appliance, const FlowKey& key, bool opens_flow, const Reply& reply, unsigned tries) {
  const bool asked =
      appliance.explain(key, opens_flow, [&appliance, key, opens_flow, reply, tries](const Explanation& e) {
        if (e.generation == appliance.live.snapshot().generation)
          return reply.result(answer_of(appliance, key, e));
        if (tries == 0)
          return reply.error(Error(kBusy, "the maps change faster than they can be explained; ask again"));
        ask(appliance, key, opens_flow, reply, tries - 1);
      });
  if (!asked) reply.error(Error(kBusy, "the worker has too many questions before this one; ask again"));
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
         ask(appliance, key_of(params), params.value("syn", false), reply, 5);
       }});
}

}  // namespace sluice::rpc
