// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Random flow keys for the tests of hashes; the seed is fixed, so a failure repeats.
#pragma once

#include <random>
#include <span>

#include "dataplane/wire/flow_key.h"
#include "dataplane/wire/headers.h"

namespace sluice::test {

class RandomFlows {
 public:
  explicit RandomFlows(std::uint64_t seed) : random_(seed) {}

  FlowKey v4() {
    FlowKey flow = with_ports();
    flow.source = IpAddress::v4(Big32(number()));
    flow.destination = IpAddress::v4(Big32(number()));
    return flow;
  }
  FlowKey v6() {
    FlowKey flow = with_ports();
    fill(flow.source.byte);
    fill(flow.destination.byte);
    flow.destination.byte[0] = 0x20;  // never an IPv4-mapped one
    return flow;
  }
  FlowKey any() { return number() % 2 ? v4() : v6(); }
  HashFields fields() { return static_cast<HashFields>(number() % 3); }
  std::uint32_t number() { return static_cast<std::uint32_t>(random_()); }
  void fill(std::span<std::uint8_t> bytes) {
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random_());
  }

 private:
  FlowKey with_ports() {
    constexpr std::uint8_t kProtocols[] = {kProtoTcp, kProtoUdp, kProtoSctp, kProtoIcmp, kProtoEsp};
    FlowKey flow;
    flow.source_port = Big16(static_cast<std::uint16_t>(number()));
    flow.destination_port = Big16(static_cast<std::uint16_t>(number()));
    flow.protocol = kProtocols[number() % 5];
    return flow;
  }
  std::mt19937_64 random_;
};

}  // namespace sluice::test
