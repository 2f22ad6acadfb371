// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What tells our routes from others, in messages as they should be and as no kernel sends them.
#include "control/route/message.h"

#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>
#include <vector>

namespace sluice::route {
namespace {

struct Attribute {
  std::uint16_t type;
  std::vector<std::uint8_t> bytes;
};

// The memory is as long as the message.
std::optional<RouteMessage> read(const rtmsg& head, const std::vector<Attribute>& attributes,
                                 std::size_t cut_to = ~std::size_t{0}) {
  std::vector<std::uint8_t> bytes(NLMSG_HDRLEN);
  const auto append = [&](const void* from, std::size_t count) {
    const auto* at = static_cast<const std::uint8_t*>(from);
    bytes.insert(bytes.end(), at, at + count);
    bytes.resize(NLMSG_ALIGN(bytes.size()));
  };
  append(&head, sizeof head);
  for (const Attribute& attribute : attributes) {
    const rtattr given{.rta_len = static_cast<unsigned short>(RTA_LENGTH(attribute.bytes.size())),
                       .rta_type = attribute.type};
    append(&given, sizeof given);
    append(attribute.bytes.data(), attribute.bytes.size());
  }
  bytes.resize(std::min(bytes.size(), cut_to));
  const nlmsghdr header{.nlmsg_len = static_cast<std::uint32_t>(bytes.size()),
                        .nlmsg_type = RTM_NEWROUTE,
                        .nlmsg_flags = 0,
                        .nlmsg_seq = 1,
                        .nlmsg_pid = 0};
  std::memcpy(bytes.data(), &header, sizeof header);
  return read_route(reinterpret_cast<nlmsghdr*>(bytes.data()));
}

rtmsg host_route() {
  rtmsg head{};
  head.rtm_family = AF_INET;
  head.rtm_dst_len = 32;
  head.rtm_table = 202;
  head.rtm_protocol = 203;
  return head;
}
const Attribute kTo{RTA_DST, {203, 0, 113, 10}};

TEST(RouteMessage, SaysWhereToByWhomAndInWhichTable) {
  const auto route = read(host_route(), {kTo, {RTA_PRIORITY, {7, 0, 0, 0}}});
  ASSERT_TRUE(route.has_value());
  EXPECT_EQ(to_string(route->prefix), "203.0.113.10");
  EXPECT_EQ(route->table, 202u);
  EXPECT_EQ(route->protocol, 203u);
  EXPECT_EQ(route->priority, 7u);
  EXPECT_FALSE(route->removed);
  EXPECT_EQ(read(host_route(), {kTo, {RTA_TABLE, {0, 1, 0, 0}}})->table, 256u) << "a number beyond one byte";
}

TEST(RouteMessage, ThatIsShorterThanWhatItStatesIsNone) {
  EXPECT_FALSE(read(host_route(), {}, NLMSG_HDRLEN).has_value()) << "nothing behind its header";
  EXPECT_FALSE(read(host_route(), {}, NLMSG_HDRLEN + 2).has_value());
  EXPECT_FALSE(read(host_route(), {{RTA_DST, {203, 0}}}).has_value()) << "half an address";
}

TEST(RouteMessage, ANumberOfTooFewBytesIsNotRead) {
  const auto route = read(host_route(), {kTo, {RTA_TABLE, {9}}, {RTA_PRIORITY, {}}});
  ASSERT_TRUE(route.has_value());
  EXPECT_EQ(route->table, 202u);
  EXPECT_EQ(route->priority, 0u);
}

TEST(RouteMessage, WithAPrefixLongerThanItsAddressIsNone) {
  rtmsg head = host_route();
  head.rtm_dst_len = 33;
  EXPECT_FALSE(read(head, {kTo}).has_value());
}

}  // namespace
}  // namespace sluice::route
