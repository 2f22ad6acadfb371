// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// IPv6 extension headers (RFC 8200 section 4): the transport is found behind every order of them, and a chain
// that cannot be is dropped.
#include <algorithm>
#include <array>

#include "tests/packet/fixture.h"

namespace sluice::test {
namespace {

Packet start() {
  return packet().ipv6(kClient6, kWeb6);
}

using Add = Packet& (*)(Packet&);
struct Named {
  const char* name;
  Add add;
};
constexpr std::array<Named, 3> kFree = {{
    {"routing", [](Packet& p) -> Packet& { return p.routing(); }},
    {"destination options", [](Packet& p) -> Packet& { return p.destination_options(); }},
    {"an atomic fragment", [](Packet& p) -> Packet& { return p.fragment_header(0, false, 77); }},
}};

// Every order of every choice of the headers that may stand anywhere, with and without hop-by-hop in front.
std::vector<Fixture> orders() {
  std::vector<Fixture> all;
  for (unsigned mask = 0; mask < 8; ++mask) {
    std::vector<unsigned> chosen;
    for (unsigned i = 0; i < 3; ++i) {
      if (mask >> i & 1) chosen.push_back(i);
    }
    do {
      for (const bool hop_by_hop : {false, true}) {
        Packet p = start();
        std::string sentence = "TCP is found";
        if (hop_by_hop) {
          p.hop_by_hop();
          sentence += " behind hop-by-hop";
        }
        for (const unsigned i : chosen) {
          kFree[i].add(p);
          sentence += std::string(" behind ") + kFree[i].name;
        }
        if (!hop_by_hop && chosen.empty()) continue;
        all.push_back({sentence, {p.tcp(1234, 80).syn()}, leaves({.service = kWeb6})});
      }
    } while (std::next_permutation(chosen.begin(), chosen.end()));
  }
  return all;
}

std::vector<Fixture> chains() {
  Packet eight = start(), nine = start();
  for (unsigned i = 0; i < 9; ++i) {
    if (i < 8) eight.destination_options();
    nine.destination_options();
  }
  return {
      {"eight extension headers are traffic", {eight.tcp(1, 80)}, leaves({.service = kWeb6})},
      {"nine extension headers are an attack", {nine.tcp(1, 80)}, dropped(DropReason::kBadExtensionHeader)},
      {"destination options of 256 bytes are passed over",
       {start().destination_options(256).tcp(1, 80)},
       leaves({.service = kWeb6})},
      {"UDP is found behind all four",
       {packet()
            .ipv6(kClient6, kDns6)
            .hop_by_hop()
            .destination_options()
            .routing()
            .fragment_header(0, false, 1)
            .destination_options(16)
            .udp(7, 53)},
       leaves({.service = kDns6})},
      {"ESP behind extension headers is a flow without ports",
       {packet().ipv6(kClient6, kAnyProtocolVip6).destination_options().esp(9)},
       leaves({.service = kAnyProtocolVip6})},
      {"hop-by-hop that is not the first header",
       {start().destination_options().hop_by_hop().tcp(1, 80)},
       dropped(DropReason::kBadExtensionHeader)},
      {"hop-by-hop twice",
       {start().hop_by_hop().hop_by_hop().tcp(1, 80)},
       dropped(DropReason::kBadExtensionHeader)},
      {"an extension header longer than the packet",
       {start().protocol(60).payload(Bytes{6, 3, 1, 4, 0, 0, 0, 0})},
       dropped(DropReason::kBadExtensionHeader)},
      {"an extension header that the packet does not hold",
       {packet().ipv6(kClient6, kWeb6).protocol(60)},
       dropped(DropReason::kBadExtensionHeader)},
      {"a jumbo payload, whose length is zero",
       {start().hop_by_hop().tcp(1, 80).ip_length(0)},
       dropped(DropReason::kBadExtensionHeader)},
      {"a source route that still has hops to visit",
       {start().routing(0, 1).tcp(1, 80)},
       dropped(DropReason::kBadExtensionHeader)},
      {"a source route that is used up", {start().routing(0, 0).tcp(1, 80)}, leaves({.service = kWeb6})},
      {"a fragment header cut off",
       {packet().ipv6(kClient6, kWeb6).protocol(44).payload(std::size_t{7})},
       dropped(DropReason::kBadExtensionHeader)},
      {"two fragment headers of which the first counts",
       {start().fragment_header(0, true, 1).fragment_header(0, true, 2).tcp(1, 80).payload(4)},
       dropped(DropReason::kBadExtensionHeader)},
  };
}

}  // namespace

std::vector<Fixture> extension_fixtures() {
  std::vector<Fixture> all = orders();
  for (const Fixture& fixture : chains()) all.push_back(fixture);
  return all;
}

}  // namespace sluice::test
