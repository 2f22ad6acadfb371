// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Messages of control protocols: what they say, and that nothing in them is believed which is not there. Each
// message lies in memory of exactly its size, so that the address sanitizer sees a read of one byte too much.
#include "dataplane/wire/session_message.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <random>

#include "tests/packet/packet.h"

namespace sluice::test {
namespace {

using Read = std::function<SessionMessage(Reader)>;

SessionMessage read(const Read& how, const Bytes& message) {
  const auto exact = std::make_unique<std::uint8_t[]>(message.size());
  std::ranges::copy(message, exact.get());
  return how(Reader(exact.get(), message.size()));
}
SessionMessage radius(const Bytes& message) {
  return read([](Reader r) { return read_radius(r, false); }, message);
}
SessionMessage radius6(const Bytes& message) {
  return read([](Reader r) { return read_radius(r, true); }, message);
}
SessionMessage dhcp(const Bytes& message) {
  return read(read_dhcp, message);
}
SessionMessage gtp(const Bytes& message) {
  return read(read_gtp_c, message);
}

// "open 100.64.0.1", "close …", "about …", "nothing".
std::string words(const SessionMessage& m) {
  std::string text = m.opens ? "open" : m.closes ? "close" : m.subscriber ? "about" : "nothing";
  return m.subscriber ? text + ' ' + to_string(*m.subscriber) : text;
}

const std::string kWho = "100.64.0.1";

TEST(Radius, StartOpensStopClosesInterimSaysWho) {
  EXPECT_EQ(words(radius(radius_accounting(kRadiusStart, kWho))), "open 100.64.0.1");
  EXPECT_EQ(words(radius(radius_accounting(kRadiusStop, kWho))), "close 100.64.0.1");
  EXPECT_EQ(words(radius(radius_accounting(kRadiusInterim, kWho))), "about 100.64.0.1");
  EXPECT_EQ(words(radius(radius_accounting(7, kWho))), "about 100.64.0.1") << "Accounting-On";
  EXPECT_EQ(words(radius(radius_accounting(kRadiusStart, ""))), "nothing");
}

TEST(Radius, AnIpv6SubscriberIsASixtyFour) {
  EXPECT_EQ(words(radius6(radius_accounting(kRadiusStart, "2001:db8:5:6::"))), "open 2001:db8:5:6::");
  EXPECT_EQ(words(radius6(radius_accounting(kRadiusStart, kWho))), "nothing") << "of the other family";
  EXPECT_EQ(words(radius(radius_accounting(kRadiusStart, "2001:db8:5:6::"))), "nothing");
  Bytes wide = radius_accounting(kRadiusStart, "2001:db8:5:6::");
  wide[20 + 9 + 6 + 3] = 56;
  EXPECT_EQ(words(radius6(wide)), "nothing") << "56 bits are more than one subscriber";
}

TEST(Radius, ThatWhichIsNoAddressOfAHostNamesNobody) {
  for (const char* address : {"0.0.0.0", "255.255.255.255", "255.255.255.254", "224.0.0.1", "127.0.0.1"}) {
    EXPECT_EQ(words(radius(radius_accounting(kRadiusStart, address))), "nothing") << address;
  }
  EXPECT_EQ(words(radius6(radius_accounting(kRadiusStart, "ff02::"))), "nothing");
  EXPECT_EQ(words(radius6(radius_accounting(kRadiusStart, "::"))), "nothing");
}

TEST(Radius, OtherCodesSayNothing) {
  Bytes message = radius_accounting(kRadiusStart, kWho);
  for (const unsigned code : {1, 2, 3, 5, 11}) {
    message[0] = static_cast<std::uint8_t>(code);
    EXPECT_EQ(words(radius(message)), "nothing");
  }
}

TEST(Radius, WhatLiesAboutItsLengthSaysNothing) {
  const Bytes good = radius_accounting(kRadiusStart, kWho);
  for (std::size_t bytes = 0; bytes < good.size(); ++bytes) {
    EXPECT_EQ(words(radius(slice(good, 0, bytes))), "nothing") << bytes << " bytes of it";
  }
  for (const unsigned length : {0u, 19u, 25u, static_cast<unsigned>(good.size()) + 1, 0xffffu}) {
    Bytes message = good;
    set16(message, 2, length);
    EXPECT_EQ(words(radius(message)), "nothing") << "a length of " << length;
  }
  Bytes padded = good;
  padded.resize(good.size() + 7, 0xff);
  EXPECT_EQ(words(radius(padded)), "open 100.64.0.1") << "padding is none of it (RFC 2865 section 3)";
  for (const unsigned length : {0u, 1u, 255u}) {
    Bytes message = good;
    message[20 + 1] = static_cast<std::uint8_t>(length);
    EXPECT_EQ(words(radius(message)), "nothing") << "an attribute of " << length << " bytes";
  }
}

TEST(Radius, NoMoreThanSoManyAttributesAreRead) {
  Bytes message = radius_accounting(kRadiusStart, kWho);
  const auto fill = [&](std::size_t attributes) {
    Bytes out = message;
    for (std::size_t n = 4; n < attributes; ++n) append(out, {25, 2});
    set16(out, 2, static_cast<unsigned>(out.size()));
    return words(radius(out));
  };
  EXPECT_EQ(fill(kMostElements), "open 100.64.0.1");
  EXPECT_EQ(fill(kMostElements + 1), "nothing");
}

TEST(Dhcp, ARequestOpensForTheAddressThatItIsAbout) {
  EXPECT_EQ(words(dhcp(dhcp_message(kDhcpRequest, kWho, ""))), "open 100.64.0.1") << "it asks";
  EXPECT_EQ(words(dhcp(dhcp_message(kDhcpRequest, "", kWho))), "open 100.64.0.1") << "it renews";
  EXPECT_EQ(words(dhcp(dhcp_message(kDhcpRelease, "", kWho))), "close 100.64.0.1");
  EXPECT_EQ(words(dhcp(dhcp_message(4, kWho, ""))), "close 100.64.0.1") << "DHCPDECLINE";
  for (const unsigned type : {0, 1, 2, 5, 6, 8}) {
    EXPECT_EQ(words(dhcp(dhcp_message(type, kWho, ""))), "nothing") << type;
  }
  EXPECT_EQ(words(dhcp(dhcp_message(kDhcpRequest, "", ""))), "nothing");
}

TEST(Dhcp, WhatIsCutOffOrNoDhcpSaysNothing) {
  const Bytes good = dhcp_message(kDhcpRequest, kWho, "");
  for (std::size_t bytes = 0; bytes + 1 < good.size(); ++bytes) {
    EXPECT_EQ(words(dhcp(slice(good, 0, bytes))), "nothing") << bytes << " bytes of it";
  }
  EXPECT_EQ(words(dhcp(slice(good, 0, good.size() - 1))), "open 100.64.0.1") << "only the end is missing";
  Bytes reply = good, bootp = good, lie = good;
  reply[0] = 2;
  bootp[239] ^= 1;
  lie[241] = 255;
  for (const Bytes& message : {reply, bootp, lie}) EXPECT_EQ(words(dhcp(message)), "nothing");
  Bytes endless = slice(good, 0, 240);
  endless.resize(240 + 2 * kMostElements, 0);
  append(endless, slice(good, 240));
  EXPECT_EQ(words(dhcp(endless)), "nothing") << "nobody pads so much";
}

TEST(GtpC, CreateRequestsOpen) {
  EXPECT_EQ(words(gtp(gtp1_message(kCreatePdpContext))), "open");
  EXPECT_EQ(words(gtp(gtp2_message(kCreateSession))), "open");
  for (unsigned type = 0; type < 256; ++type) {
    EXPECT_EQ(gtp(gtp1_message(type)).opens, type == kCreatePdpContext);
    EXPECT_EQ(gtp(gtp2_message(type)).opens, type == kCreateSession);
  }
}

TEST(GtpC, WhatIsCutOffOrOfAnotherKindSaysNothing) {
  for (const Bytes& good : {gtp1_message(kCreatePdpContext), gtp2_message(kCreateSession)}) {
    for (std::size_t bytes = 0; bytes < good.size(); ++bytes) {
      EXPECT_EQ(words(gtp(slice(good, 0, bytes))), "nothing") << bytes << " bytes of it";
    }
  }
  Bytes prime = gtp1_message(kCreatePdpContext), version0 = prime, version7 = prime;
  prime[0] &= 0xef;  // GTP', of charging
  version0[0] &= 0x1f;
  version7[0] |= 0xe0;
  Bytes without_tunnel = gtp2_message(kCreateSession), short_one = without_tunnel;
  without_tunnel[0] = 0x40;
  set16(short_one, 2, 7);
  for (const Bytes& message : {prime, version0, version7, without_tunnel, short_one})
    EXPECT_EQ(words(gtp(message)), "nothing");
}

TEST(SessionMessages, OfRandomBytesNameOnlyHosts) {
  std::mt19937 random(7);
  const std::vector<Bytes> corpus = {
      radius_accounting(kRadiusStart, kWho), radius_accounting(kRadiusStart, "2001:db8:5:6::"),
      dhcp_message(kDhcpRequest, kWho, ""), gtp1_message(kCreatePdpContext), gtp2_message(kCreateSession)};
  for (unsigned round = 0; round < 200'000; ++round) {
    Bytes message = corpus[random() % corpus.size()];
    for (auto changes = random() % 6; changes > 0; --changes) {
      message[random() % message.size()] = static_cast<std::uint8_t>(random());
    }
    message.resize(random() % (message.size() + 1));
    for (const SessionMessage& m : {radius(message), radius6(message), dhcp(message), gtp(message)}) {
      ASSERT_FALSE(m.opens && m.closes);
      if (!m.subscriber) continue;
      ASSERT_FALSE(m.subscriber->is_unspecified() || m.subscriber->is_multicast() ||
                   (m.subscriber->is_v4() && m.subscriber->is_loopback()));
    }
  }
}

}  // namespace
}  // namespace sluice::test
