// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Messages of the kernel as one read of a netlink socket brings them, some in a dump and some as news, into
// the mirror of its tables; now and then the mirror is asked. (F3.)
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>

#include <cstring>
#include <memory>

#include "control/neighbor/netlink.h"
#include "control/route/message.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/must.h"

namespace sluice::fuzz {
namespace {

using neighbor::Kind;
using neighbor::Mirror;

void ask(Mirror& mirror) {
  for (const char* text : {"10.1.0.11", "10.0.0.1", "0.0.0.0", "2001:db8:1::11", "fe80::1", "::"}) {
    const IpAddress address = *parse_address(text);
    must(!mirror.describe(address).empty(), "the mirror has nothing to say");
    const auto hops = mirror.candidates(address);
    const auto answer = mirror.lookup(address);
    if (const auto* resolved = std::get_if<neighbor::Resolved>(&answer)) {
      must(!hops.empty() && resolved->port < 2, "a way without a next hop, or by no port of ours");
      const neighbor::Neighbor* known = mirror.neighbor({resolved->ifindex, resolved->next_hop_ip});
      must(known && known->mac == resolved->mac, "a next hop that is no neighbour");
    }
  }
  mirror.settle();
}

// The product's walk over one read.
void take(Mirror& mirror, nlmsghdr* message, int bytes, bool dumped) {
  for (; nlmsg_ok(message, bytes); message = nlmsg_next(message, &bytes)) {
    if (const auto route = route::read_route(message))
      must(route->prefix.length <= (route->prefix.address.is_v4() ? 32 : 128), "a prefix that cannot be");
    const auto event = neighbor::decode(message);
    if (!event) continue;
    dumped ? mirror.apply_dumped(*event) : mirror.apply(*event);
  }
}

}  // namespace
}  // namespace sluice::fuzz

// Each part of an input: what it is, 2 length, and so many bytes of messages.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::fuzz;
  Input input(data, size);
  Mirror mirror;
  mirror.set_interfaces({"up", "down"});
  for (const char* text : {"10.1.0.11", "2001:db8:1::11", "0.0.0.0"})
    mirror.watch({*sluice::parse_address(text)});
  while (!input.empty()) {
    const unsigned what = input.number8();
    const auto bytes = input.bytes(input.number16());
    const auto kind = static_cast<Kind>(what / 4 % sluice::neighbor::kKinds);
    // Memory of exactly this size, aligned as the kernel's buffers are.
    const std::unique_ptr<std::uint8_t[]> copy(new std::uint8_t[bytes.size()]);
    if (!bytes.empty()) std::memcpy(copy.get(), bytes.data(), bytes.size());
    if (what & 1) mirror.begin_dump(kind);
    take(mirror, reinterpret_cast<nlmsghdr*>(copy.get()), static_cast<int>(bytes.size()), what & 1);
    if (what & 2) mirror.end_dump(kind, 1 + what / 16 % 3);
    ask(mirror);
  }
  return 0;
}
