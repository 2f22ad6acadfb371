// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Datagrams on the pool's port. Whoever has no secret sends bytes; a member gone wrong sends what it likes
// under a right seal: then guard and election hear it, and none of it may break them. (A9, A10.)
#include <chrono>

#include "control/announce/frames.h"
#include "control/pool/advert.h"
#include "control/pool/election.h"
#include "control/pool/guard.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/must.h"

namespace sluice::fuzz {
namespace {

constexpr std::string_view kSecret = "a secret of the pool";

struct Member {
  pool::TimePoint now{};
  pool::Guard guard{7};
  pool::Election election{
      "mux1", {{100, "mux1"}, {100, "mux2"}, {90, "mux3"}}, std::chrono::milliseconds(100), now};

  Member() {
    election.set_iips({{*parse_address("10.0.0.100"), "mux1"},
                       {*parse_address("10.0.0.101"), ""},
                       {*parse_address("2001:db8::100"), "mux3"}});
  }
  void hear(std::span<const std::uint8_t> datagram) {
    const auto advert = pool::open(datagram, kSecret);
    if (!advert) return;
    const auto again = pool::open(pool::seal(*advert, kSecret), kSecret);
    must(again && *again == *advert, "an advert reads differently when it is sealed again");
    static_cast<void>(guard.accept(advert->word.member, advert->stamp));
    static_cast<void>(guard.next(advert->word.member));
    static_cast<void>(election.heard(advert->word, now));
  }
  void pass(unsigned ms) {
    now += std::chrono::milliseconds(ms);
    for (const pool::Order& order : election.tick(now)) {
      if (order.what == pool::Order::What::kAsk) election.wire_clear(order.address);
    }
  }
};

}  // namespace
}  // namespace sluice::fuzz

// Each part: what it is, 2 length, bytes. 0: a datagram as it is; 1: a body that gets its seal; 2: time
// passes; 3: a frame that the announcer of IIPs overhears.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::fuzz;
  Input input(data, size);
  Member member;
  while (!input.empty()) {
    const unsigned what = input.number8() % 4, length = input.number16();
    if (what == 2) {
      member.pass(length);
      continue;
    }
    const auto bytes = input.bytes(length);
    if (what == 0) member.hear(bytes);
    if (what == 1) member.hear(sluice::pool::sealed(bytes, kSecret));
    if (what == 3) static_cast<void>(sluice::announce::heard_in(bytes));
  }
  return 0;
}
