// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Messages that no kernel sends: they are no facts.
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>
#include <vector>

#include "control/neighbor/netlink.h"

namespace sluice::neighbor {
namespace {

// A message about what begins with `head`, and one attribute of four bytes.
template <typename Head>
std::vector<nlmsghdr> message(std::uint16_t type, const Head& head, std::uint16_t attribute) {
  constexpr std::size_t kBytes = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(Head)) + RTA_LENGTH(4);
  std::vector<nlmsghdr> memory((kBytes + sizeof(nlmsghdr) - 1) / sizeof(nlmsghdr));
  auto* bytes = reinterpret_cast<std::uint8_t*>(memory.data());
  const nlmsghdr header{
      .nlmsg_len = kBytes, .nlmsg_type = type, .nlmsg_flags = 0, .nlmsg_seq = 1, .nlmsg_pid = 0};
  const rtattr given{.rta_len = RTA_LENGTH(4), .rta_type = attribute};
  constexpr std::uint8_t kAddress[4] = {10, 1, 0, 0};
  std::memcpy(bytes, &header, sizeof header);
  std::memcpy(bytes + NLMSG_HDRLEN, &head, sizeof head);
  std::memcpy(bytes + NLMSG_HDRLEN + NLMSG_ALIGN(sizeof head), &given, sizeof given);
  std::memcpy(bytes + NLMSG_HDRLEN + NLMSG_ALIGN(sizeof head) + sizeof given, kAddress, sizeof kAddress);
  return memory;
}

std::optional<Event> route_to_prefix_of(unsigned char bits) {
  rtmsg head{};
  head.rtm_family = AF_INET;
  head.rtm_dst_len = bits;
  head.rtm_table = RT_TABLE_MAIN;
  head.rtm_type = RTN_UNICAST;
  return decode(message(RTM_NEWROUTE, head, RTA_DST).data());
}

std::optional<Event> address_with_prefix_of(unsigned char bits) {
  ifaddrmsg head{};
  head.ifa_family = AF_INET;
  head.ifa_prefixlen = bits;
  head.ifa_index = 3;
  return decode(message(RTM_NEWADDR, head, IFA_LOCAL).data());
}

TEST(Decode, ARouteWhosePrefixIsLongerThanItsAddressIsNone) {
  EXPECT_TRUE(route_to_prefix_of(16).has_value());
  EXPECT_TRUE(route_to_prefix_of(32).has_value());
  EXPECT_FALSE(route_to_prefix_of(33).has_value());
  EXPECT_FALSE(route_to_prefix_of(246).has_value());
}

TEST(Decode, ARouteWithANextHopOfNoLengthIsNone) {
  rtmsg head{};
  head.rtm_family = AF_INET;
  head.rtm_table = RT_TABLE_MAIN;
  head.rtm_type = RTN_UNICAST;
  EXPECT_FALSE(decode(message(RTM_NEWROUTE, head, RTA_MULTIPATH).data()).has_value());
}

TEST(Decode, AnAddressWhosePrefixIsLongerThanItselfIsNone) {
  EXPECT_TRUE(address_with_prefix_of(24).has_value());
  EXPECT_FALSE(address_with_prefix_of(129).has_value());
}

}  // namespace
}  // namespace sluice::neighbor
