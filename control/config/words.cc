// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/words.h"

namespace sluice::config {

template <>
std::span<const Word<Idle>> words() {
  static constexpr Word<Idle> kWords[] = {{Idle::kAdaptive, "adaptive"}, {Idle::kBusy, "busy"}};
  return kWords;
}

template <>
std::span<const Word<FlowMemory>> words() {
  static constexpr Word<FlowMemory> kWords[] = {{FlowMemory::kAsNeeded, "as-needed"},
                                                {FlowMemory::kAtOnce, "at-once"}};
  return kWords;
}

template <>
std::span<const Word<Protocol>> words() {
  static constexpr Word<Protocol> kWords[] = {
      {Protocol::kTcp, "tcp"}, {Protocol::kUdp, "udp"}, {Protocol::kSctp, "sctp"}, {Protocol::kIcmp, "icmp"},
      {Protocol::kEsp, "esp"}, {Protocol::kAh, "ah"},   {Protocol::kAny, "any"}};
  return kWords;
}

template <>
std::span<const Word<Stickiness>> words() {
  static constexpr Word<Stickiness> kWords[] = {{Stickiness::kFlow, "flow"}, {Stickiness::kNone, "none"}};
  return kWords;
}

template <>
std::span<const Word<HashFields>> words() {
  static constexpr Word<HashFields> kWords[] = {{HashFields::kFiveTuple, "5-tuple"},
                                                {HashFields::kThreeTuple, "3-tuple"},
                                                {HashFields::kSource, "source"}};
  return kWords;
}

template <>
std::span<const Word<Scheduler>> words() {
  static constexpr Word<Scheduler> kWords[] = {{Scheduler::kHash, "hash"},
                                               {Scheduler::kRoundRobin, "round-robin"},
                                               {Scheduler::kRandom, "random"},
                                               {Scheduler::kWeightedRoundRobin, "weighted-round-robin"},
                                               {Scheduler::kWeightedRandom, "weighted-random"},
                                               {Scheduler::kLeastFlows, "least-flows"},
                                               {Scheduler::kLeastLoad, "least-load"}};
  return kWords;
}

template <>
std::span<const Word<Weights>> words() {
  static constexpr Word<Weights> kWords[] = {{Weights::kConfigured, "configured"},
                                             {Weights::kAdaptive, "adaptive"}};
  return kWords;
}

template <>
std::span<const Word<Encapsulation>> words() {
  static constexpr Word<Encapsulation> kWords[] = {{Encapsulation::kIpIp, "ipip"},
                                                   {Encapsulation::kGue, "gue"}};
  return kWords;
}

template <>
std::span<const Word<OuterSource>> words() {
  static constexpr Word<OuterSource> kWords[] = {
      {OuterSource::kMux, "mux"}, {OuterSource::kClient, "client"}, {OuterSource::kPrefix, "prefix"}};
  return kWords;
}

template <>
std::span<const Word<FlowTypes>> words() {
  static constexpr Word<FlowTypes> kWords[] = {
      {FlowTypes::kBoth, "both"}, {FlowTypes::kType1, "type1"}, {FlowTypes::kType2, "type2"}};
  return kWords;
}

template <>
std::span<const Word<FlowStart>> words() {
  static constexpr Word<FlowStart> kWords[] = {{FlowStart::kHandshake, "handshake"},
                                               {FlowStart::kGtpC, "gtp-c"},
                                               {FlowStart::kRadius, "radius"},
                                               {FlowStart::kDhcp, "dhcp"}};
  return kWords;
}

template <>
std::span<const Word<UnknownFlow>> words() {
  static constexpr Word<UnknownFlow> kWords[] = {
      {UnknownFlow::kHash, "hash"}, {UnknownFlow::kDrop, "drop"}, {UnknownFlow::kReset, "reset"}};
  return kWords;
}

template <>
std::span<const Word<AtDeadline>> words() {
  static constexpr Word<AtDeadline> kWords[] = {
      {AtDeadline::kTimeout, "timeout"}, {AtDeadline::kReset, "reset"}, {AtDeadline::kKeep, "keep"}};
  return kWords;
}

template <>
std::span<const Word<HealthType>> words() {
  static constexpr Word<HealthType> kWords[] = {
      {HealthType::kNone, "none"},   {HealthType::kIcmp, "icmp"},
      {HealthType::kTcp, "tcp"},     {HealthType::kHttp, "http"},
      {HealthType::kHttps, "https"}, {HealthType::kUdp, "udp"},
      {HealthType::kAgent, "agent"}, {HealthType::kAgentCheck, "agent-check"}};
  return kWords;
}

template <>
std::span<const Word<Announce>> words() {
  static constexpr Word<Announce> kWords[] = {
      {Announce::kLive, "live"}, {Announce::kAlways, "always"}, {Announce::kNever, "never"}};
  return kWords;
}

template <>
std::span<const Word<OnStall>> words() {
  static constexpr Word<OnStall> kWords[] = {
      {OnStall::kExit, "exit"}, {OnStall::kAbort, "abort"}, {OnStall::kLog, "log"}};
  return kWords;
}

template <>
std::span<const Word<OnStop>> words() {
  static constexpr Word<OnStop> kWords[] = {{OnStop::kWithdraw, "withdraw"}, {OnStop::kKeep, "keep"}};
  return kWords;
}

template <>
std::span<const Word<Seccomp>> words() {
  static constexpr Word<Seccomp> kWords[] = {
      {Seccomp::kKill, "kill"}, {Seccomp::kLog, "log"}, {Seccomp::kOff, "off"}};
  return kWords;
}

template <>
std::span<const Word<ProbeWay>> words() {
  static constexpr Word<ProbeWay> kWords[] = {{ProbeWay::kDip, "dip"}, {ProbeWay::kVip, "vip"}};
  return kWords;
}

template <>
std::span<const Word<Admit>> words() {
  static constexpr Word<Admit> kWords[] = {{Admit::kDoctor, "doctor"}, {Admit::kProbe, "probe"}};
  return kWords;
}

}  // namespace sluice::config
