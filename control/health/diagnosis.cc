// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/diagnosis.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "dataplane/wire/headers.h"

namespace sluice::health {
namespace {

using nlohmann::json;

bool good(const std::optional<Answer>& answer) {
  return answer && answer->judgement == Judgement::kGood;
}

std::string text_of(const std::optional<Answer>& answer, const std::string& otherwise) {
  return answer ? answer->text : otherwise;
}

bool not_asked(const std::optional<Answer>& answer) {
  return answer && answer->judgement == Judgement::kNone;
}

// A question that we failed to ask, for want of our own means.
const Answer* own_trouble(const Observations& seen) {
  for (const auto* trial : {&seen.tunnel, &seen.answer, &seen.large, &seen.cut_up})
    if (not_asked(*trial)) return &**trial;
  return nullptr;
}

// --- ICMP --------------------------------------------------------------------------------------------------

enum class Meaning : std::uint8_t { kNoTunnel, kClosed, kForbidden, kTooBig, kLoop, kNoRoute };

// RFC 792, RFC 1812 section 5.2.7; RFC 4443 section 3. A host without a tunnel calls the outer protocol
// unreachable (IPv6: an unknown next header), one with tunnels of others, or without a socket for GUE, its
// port.
Meaning meaning_of(const Refusal& refusal) {
  const bool v4 = refusal.from.is_v4();
  const bool unreachable = refusal.type == (v4 ? IcmpHeader::kUnreachable : IcmpHeader::kV6Unreachable);
  if (refusal.mtu != 0) return Meaning::kTooBig;
  if (refusal.type == (v4 ? IcmpHeader::kTimeExceeded : IcmpHeader::kV6TimeExceeded)) return Meaning::kLoop;
  const bool no_protocol = v4 ? unreachable && refusal.code == 2
                              : refusal.type == IcmpHeader::kV6ParameterProblem && refusal.code == 1;
  const bool no_port = unreachable && refusal.code == (v4 ? 3 : 4);
  if (no_protocol || no_port) return refusal.about_tunnel ? Meaning::kNoTunnel : Meaning::kClosed;
  const bool forbidden = unreachable && (v4 ? refusal.code == 9 || refusal.code == 10 || refusal.code == 13
                                            : refusal.code == 1 || refusal.code >= 5);
  return forbidden ? Meaning::kForbidden : Meaning::kNoRoute;
}

// --- a tunnel that brings no answer
// --------------------------------------------------------------------------

std::string why_not_decapsulated(const Observations& seen) {
  if (!seen.before)
    return "no agent answers there (" + seen.agent + "), and nothing else takes the outer header off";
  if (!seen.before->vip_known) return "its agent runs, but the VIP is not among its vips";
  return "its agent runs and knows the VIP: do packets come in by an interface that it does not watch, or to "
         "another gue_port?";
}

std::string of_refusal(const Observations& seen) {
  const Refusal& refusal = *seen.refusal;
  const std::string from = to_string(refusal.from);
  switch (meaning_of(refusal)) {
    case Meaning::kNoTunnel:
      return "the tunnel is not decapsulated on the server: " + why_not_decapsulated(seen);
    case Meaning::kClosed:
      return "nothing listens on " + seen.vip + " on the server";
    case Meaning::kForbidden:
      return "a firewall at " + from + " forbids " +
             (refusal.about_tunnel ? "tunnel packets" : "packets to the VIP");
    case Meaning::kTooBig:
      return from + " passes packets of " + std::to_string(refusal.mtu) +
             " bytes at most, which is too little for the tunnel";
    case Meaning::kLoop:
      return "packets go in a circle: the TTL ran out at " + from;
    case Meaning::kNoRoute:
      break;
  }
  return refusal.about_tunnel
             ? "no route to the server behind " + from + ", or the server does not answer there"
             : "the server does not keep the VIP's packets: " + from +
                   " calls it unreachable; the VIP is not on its loopback";
}

// Our own kernel saw the answer and did not take it.
std::string of_own_kernel(const Observations& seen) {
  return seen.own_rp_filter == 1 ? "the answer from the VIP came back, and this MUX's own kernel refused it: "
                                   "rp_filter is 1 on the "
                                   "port's kernel_interface; set it to 2"
                                 : "the answer from the VIP came back, and this MUX's own kernel did not "
                                   "take it: look for a firewall "
                                   "rule, or a local address or route that holds the VIP";
}

std::uint64_t grown(std::uint64_t before, std::uint64_t after) {
  return after > before ? after - before : 0;
}

// The agent counts every packet of the way.
std::string of_agent(const Observations& seen) {
  const AgentFacts& before = *seen.before;
  const AgentFacts& after = *seen.after;
  if (grown(before.rx_packets, after.rx_packets) > 0) {
    if (grown(before.tx_packets, after.tx_packets) > 0)
      return "the server answered, and its answer was lost on the way back: something between drops packets "
             "from the VIP's address (a router's or hypervisor's source filter)";
    if (after.held == false)
      return "the VIP is not on the server: it is decapsulated there, but no address of it";
    if (after.rp_filter == 1)
      return "the server's kernel drops what was decapsulated: rp_filter is 1 there, and the way back to "
             "this "
             "MUX from the VIP leads by another interface; set it to 2, or look for a firewall rule";
    return after.held == true
               ? "the server decapsulated and nothing came of it, though the VIP is there and rp_filter is "
                 "not "
                 "strict; one of: a firewall rule on the server, an answer that leaves by an interface that "
                 "the "
                 "agent does not watch"
               : "the server's kernel drops what was decapsulated; one of: the VIP is not on its loopback, "
                 "rp_filter is 1, a firewall rule";
  }
  if (!before.vip_known) return "the tunnel is not decapsulated on the server: " + why_not_decapsulated(seen);
  if (grown(before.other_tunnel, after.other_tunnel) > 0)
    return "tunnel packets reach the server, but for a VIP that its agent does not know";
  if (grown(before.bad_tunnel, after.bad_tunnel) > 0) return "tunnel packets arrive damaged";
  if (grown(before.outer_fragment, after.outer_fragment) > 0)
    return "tunnel packets arrive in pieces: a network in between is too narrow for them";
  return "tunnel packets do not reach the server, while others do; one of: a firewall or cloud network that "
         "drops IP in IP or GUE, an interface that the agent does not watch";
}

bool server_answers(const Observations& seen) {
  return good(seen.ping) || seen.before || (seen.direct && seen.direct->heard);
}

std::string of_silence(const Observations& seen) {
  if (!server_answers(seen))
    return "the server does not answer at all, neither a ping, nor its agent, nor " + seen.dip +
           " itself: it is down, or the network behind the next hop does not reach it";
  if (seen.before && seen.after) return of_agent(seen);
  return "the server is there, but the tunnel is silent, and no agent answers (" + seen.agent +
         "); one of: the tunnel is not decapsulated, the VIP is not on the server, rp_filter or a firewall "
         "drops it, a network in between drops tunnel packets";
}

std::string why_no_tunnel(const Observations& seen) {
  if (seen.stranger)
    return "the reply came from the wrong source " + to_string(*seen.stranger) + " in place of " + seen.vip +
           ": the server must answer from the address that was asked";
  if (seen.reset)
    return "nothing listens on " + seen.vip + " on the server: the connection was refused there";
  if (seen.refusal) return of_refusal(seen);
  if (seen.returned) return of_own_kernel(seen);
  if (!seen.sent && seen.blind.empty())
    return "this MUX's own kernel sent nothing to the VIP: it has no route there by the port's "
           "kernel_interface, "
           "or the gateway does not answer ARP or ND";
  return of_silence(seen);
}

// --- steps
// ---------------------------------------------------------------------------------------------------

Step server_step(const Observations& seen) {
  std::string text = "ping: " + seen.ping.text;
  if (seen.direct) text += "; asked directly: " + seen.direct->text;
  return {"server", server_answers(seen), text};
}

Step agent_step(const Observations& seen) {
  if (!seen.before) return {"agent", std::nullopt, seen.agent};
  const AgentFacts& agent = *seen.before;
  std::string text = agent.state + (agent.vip_known ? ", knows the VIP" : ", does not know the VIP");
  if (agent.held == false) text += ", which is not on the server";
  return {"agent", agent.vip_known && agent.held != false, text};
}

Step tunnel_step(const Observations& seen) {
  std::string text = text_of(seen.tunnel, "not tried");
  if (!seen.blind.empty()) text += " (" + seen.blind + ")";
  const bool through = good(seen.tunnel) || (seen.tunnel && seen.tunnel->heard && !seen.reset);
  const bool tried = seen.tunnel && !not_asked(seen.tunnel);
  return {"tunnel", tried ? std::optional(through) : std::nullopt, text};
}

Step answer_step(const Observations& seen) {
  const bool tried = seen.answer && !not_asked(seen.answer);
  const std::string otherwise = seen.no_question.empty() ? "not tried" : "not tried: " + seen.no_question;
  return {"answer", tried ? std::optional(good(seen.answer)) : std::nullopt, text_of(seen.answer, otherwise)};
}

// Whatever the server says to it: it was heard. A server that hangs up on so long a request, or is as silent
// when it comes in small packets, says nothing of the network.
Step large_step(const Observations& seen) {
  Step step{"large packets", std::nullopt, text_of(seen.large, "not tried")};
  if (!seen.large || not_asked(seen.large)) return step;
  if (seen.large->heard) step.ok = true;
  if (seen.large->heard || !seen.large->silent) return step;
  if (!seen.cut_up || seen.cut_up->heard)
    step.ok = false;
  else
    step.text += "; so long a request gets no answer in small packets either";
  return step;
}

std::string verdict_of(const Observations& seen, const Diagnosis& so_far) {
  if (!seen.resolved) return "no next hop to the server: " + seen.path;
  if (!seen.no_way.empty()) return "the clients' way cannot be tried: " + seen.no_way;
  if (const Answer* answer = own_trouble(seen)) return "this MUX could not ask: " + answer->text;
  if (so_far.steps[3].ok != true) return why_no_tunnel(seen);
  if (so_far.steps[4].ok == false) {
    const bool same = seen.direct && seen.direct->text == seen.answer->text;
    return "the way is good, the answer is wrong: " + seen.answer->text +
           (good(seen.direct) ? "; asked at its own address the server answers well"
            : same            ? "; at its own address the server says the same"
                              : "");
  }
  if (so_far.steps[5].ok == false) {
    const bool told = seen.refusal && meaning_of(*seen.refusal) == Meaning::kTooBig;
    return "small packets arrive, large ones are lost between here and the server: " +
           (told ? to_string(seen.refusal->from) + " passes only " + std::to_string(seen.refusal->mtu) +
                       " bytes"
                 : std::string("some network there has a smaller MTU and says nothing")) +
           "; raise its MTU, or have the agent lower the MSS further (mtu_overhead)";
  }
  return "all is well: next hop, tunnel, VIP and server";
}

// Whether the tunnel's silence may be this MUX's own doing: what it sent was not seen to leave, and no agent
// counted it; or the answer was back already.
bool may_be_ours(const Observations& seen) {
  if (seen.stranger || seen.reset || seen.refusal) return false;
  if (seen.returned) return true;
  if (seen.before && !seen.before->vip_known) return false;
  const bool counted =
      seen.before && seen.after && grown(seen.before->rx_packets, seen.after->rx_packets) > 0;
  return !seen.sent && !counted;
}

bool unclear(const Observations& seen, const Diagnosis& so_far) {
  if (!seen.no_way.empty()) return true;
  if (!seen.resolved) return false;
  if (so_far.unable) return true;
  return so_far.steps[3].ok != true && may_be_ours(seen);
}

std::uint64_t count_at(const json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_number_unsigned() ? at->get<std::uint64_t>() : 0;
}

const json& part(const json& object, const char* key) {
  static const json kNone = json::object();
  if (!object.is_object()) return kNone;
  const auto at = object.find(key);
  return at == object.end() ? kNone : *at;
}

std::optional<unsigned> strictest_filter(const json& interfaces) {
  std::optional<unsigned> found;
  if (!interfaces.is_array()) return found;
  for (const json& interface : interfaces) {
    const json& value = part(interface, "rp_filter");
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > 2) continue;
    const auto filter = value.get<unsigned>();
    // 1 is the strict one, 2 the loose one (RFC 3704).
    if (!found || filter == 1) found = filter;
  }
  return found;
}

}  // namespace

std::optional<AgentFacts> read_agent_facts(std::string_view body, const IpAddress& vip) {
  const json status = json::parse(body, nullptr, false);
  const json& vips = part(status, "vips");
  if (!vips.is_array()) return {};
  AgentFacts facts;
  const json& state = part(status, "state");
  facts.state = state.is_string() ? one_line(state.get_ref<const std::string&>(), 20) : "unknown state";
  facts.rp_filter = strictest_filter(part(status, "interfaces"));
  const json& alone = part(status, "left_alone_packets");
  if (alone.is_object()) {
    facts.other_tunnel = count_at(alone, "other-tunnel");
    facts.bad_tunnel = count_at(alone, "bad-tunnel");
    facts.outer_fragment = count_at(alone, "outer-fragment");
  }
  for (const json& entry : vips) {
    const json& address = part(entry, "address");
    const auto prefix =
        address.is_string() ? parse_prefix(address.get_ref<const std::string&>()) : std::nullopt;
    if (!prefix || !prefix->contains(vip)) continue;
    facts.vip_known = true;
    facts.rx_packets = count_at(entry, "rx_packets");
    facts.tx_packets = count_at(entry, "tx_packets");
    const json& held = part(entry, "held");
    if (held.is_boolean()) facts.held = held.get<bool>();
    break;
  }
  return facts;
}

Diagnosis diagnose(const Observations& seen) {
  Diagnosis out;
  out.steps = {{"next hop", seen.resolved, seen.path},
               server_step(seen),
               agent_step(seen),
               tunnel_step(seen),
               answer_step(seen),
               large_step(seen)};
  out.verdict = verdict_of(seen, out);
  out.well = seen.resolved && seen.no_way.empty() && !own_trouble(seen) && out.steps[3].ok == true &&
             out.steps[4].ok != false && out.steps[5].ok != false;
  out.unable = seen.resolved && seen.no_way.empty() && own_trouble(seen);
  out.unclear = !out.well && unclear(seen, out);
  return out;
}

}  // namespace sluice::health
