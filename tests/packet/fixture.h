// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A fixture is a sentence, frames that come in, and what must become of them. Each is a test of its own; the
// table of a file is one function that gives its fixtures.
#pragma once

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "tests/packet/decode.h"
#include "tests/packet/packet.h"
#include "tests/packet/sluice.h"
#include "tests/packet/world.h"

namespace sluice::test {

// What went in and what came of it.
struct Scene {
  const World& world;
  const std::vector<Bytes>& in;
  const Outcome& out;
};

struct Then {
  std::function<void(const Scene&)> check;
  std::vector<DropReason> names;  // the drop reasons that the fixture is about
};

struct Fixture {
  std::string sentence;
  std::vector<Bytes> in;
  Then then;
  World (*world)() = town;
  RigOptions options{};
  Arrival arrival{};
};

void PrintTo(const Fixture& fixture, std::ostream* out);  // for GoogleTest

// Everything that came in is dropped, for this reason, and nothing comes out.
Then dropped(DropReason reason);
// Everything goes to the kernel, byte for byte.
Then punted();

// Each frame leaves, in order, as one encapsulated frame. What is named here is compared; what is not,
// follows the rules: the inner packet is the one that came, one hop older and without padding; lengths and
// checksums are right; DSCP and ECN are copied (RFC 6040); DF is set for IPv6 and where it was set (RFC
// 2003); outer TTL 64; the outer source is the MUX; the destination is a DIP of the service that is up, and
// one for one flow.
struct Outer {
  std::string_view service;  // its VIP, as it was given to the world
  bool gue = false;
  std::string_view source{};     // empty: the MUX's address of the outer family
  std::string_view source_in{};  // a prefix, and not always the same address of it
  std::string_view mac = kServersMac;
  std::vector<unsigned> tags{};
  unsigned port = 0;
};
Then leaves(const Outer& outer);
// The same with one more look at each frame's outer packet.
Then leaves(const Outer& outer, std::function<void(const Ip& outer, const Ip& inner)> look);

// Each echo request comes back as its reply.
Then echo_reply();

// The one frame is dropped for `reason`, and this error goes back the way it came.
struct Error {
  DropReason reason = DropReason::kTooBig;
  std::string_view from, to;
  unsigned type = 0, code = 0, rest = 0;
};
Then error(const Error& expected);

std::vector<Fixture> all_fixtures();
std::vector<Fixture> forwarding_fixtures();
std::vector<Fixture> service_fixtures();
std::vector<Fixture> malformed_fixtures();
std::vector<Fixture> extension_fixtures();
std::vector<Fixture> answer_fixtures();
std::vector<Fixture> icmp_error_fixtures();
std::vector<Fixture> kernel_fixtures();

// One outer packet and what it carries.
struct Tunnelled {
  Ip outer;
  Bytes inner;
  unsigned udp_source = 0;  // of GUE
};
// Opens an encapsulated frame; throws with a sentence where it is malformed.
Tunnelled open_tunnel(const Bytes& frame);
// The outer destination.
std::string dip_of(const Sent& sent);

}  // namespace sluice::test
