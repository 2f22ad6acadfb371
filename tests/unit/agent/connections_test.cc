// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Counting connections: what a dump of the kernel says, whole or damaged, and which service a socket belongs
// to.
#include "control/agent/connections.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <random>

namespace sluice::agent::test {
namespace {

using Bytes = std::vector<std::byte>;

void append(Bytes& to, const void* data, std::size_t size) {
  const auto* bytes = static_cast<const std::byte*>(data);
  to.insert(to.end(), bytes, bytes + size);
  to.resize(NLMSG_ALIGN(to.size()));
}

void append_message(Bytes& to, std::uint16_t type, const void* body, std::size_t size) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof(header) + size);
  header.nlmsg_type = type;
  append(to, &header, sizeof(header));
  append(to, body, size);
}

void append_socket(Bytes& to, const char* address, std::uint16_t port) {
  inet_diag_msg message{};
  message.idiag_family = std::strchr(address, ':') != nullptr ? AF_INET6 : AF_INET;
  message.id.idiag_sport = htons(port);
  inet_pton(message.idiag_family, address, message.id.idiag_src);
  append_message(to, SOCK_DIAG_BY_FAMILY, &message, sizeof(message));
}

Bytes small_dump() {
  Bytes dump;
  append_socket(dump, "203.0.113.10", 80);
  append_socket(dump, "::ffff:203.0.113.10", 8080);
  append_socket(dump, "2001:db8:cb::10", 443);
  return dump;
}

TEST(Dump, NamesTheLocalEndOfEverySocketInOneFormOfAddress) {
  std::vector<std::string> seen;
  EXPECT_EQ(read_dump(small_dump(), Protocol::kTcp,
                      [&](const LocalSocket& s) {
                        EXPECT_EQ(s.protocol, Protocol::kTcp);
                        seen.push_back(to_string(s.address) + ' ' + std::to_string(s.port));
                      }),
            Dump::kMore);
  EXPECT_EQ(seen, (std::vector<std::string>{"203.0.113.10 80", "203.0.113.10 8080", "2001:db8:cb::10 443"}));
}

TEST(Dump, EndsWhereTheKernelSaysDone) {
  Bytes dump = small_dump();
  const int zero = 0;
  append_message(dump, NLMSG_DONE, &zero, sizeof(zero));
  append_socket(dump, "203.0.113.10", 80);
  int sockets = 0;
  EXPECT_EQ(read_dump(dump, Protocol::kTcp, [&](const LocalSocket&) { ++sockets; }), Dump::kDone);
  EXPECT_EQ(sockets, 3);
}

TEST(Dump, HandsOnTheKernelsError) {
  Bytes dump;
  nlmsgerr refused{};
  refused.error = -ENOENT;
  append_message(dump, NLMSG_ERROR, &refused, sizeof(refused));
  int error = 0;
  EXPECT_EQ(read_dump(
                dump, Protocol::kUdp, [](const LocalSocket&) {}, &error),
            Dump::kBroken);
  EXPECT_EQ(error, ENOENT);
}

TEST(Dump, CutAnywhereIsBrokenOrShorterButNeverReadBeyond) {
  const Bytes whole = small_dump();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut(whole.begin(),
                    whole.begin() + static_cast<std::ptrdiff_t>(size));  // own allocation: ASan looks on
    std::size_t sockets = 0;
    const Dump result = read_dump(cut, Protocol::kTcp, [&](const LocalSocket&) { ++sockets; });
    const std::size_t message = whole.size() / 3;
    EXPECT_EQ(sockets, size / message) << size;
    EXPECT_EQ(result, size % message == 0 ? Dump::kMore : Dump::kBroken) << size;
  }
}

TEST(Dump, OfAnyContentIsSurvived) {
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (int i = 0; i < 20'000; ++i) {
    Bytes dump = small_dump();
    for (int flips = 0; flips < 4; ++flips) dump[random() % dump.size()] = static_cast<std::byte>(random());
    std::size_t sockets = 0;
    read_dump(dump, Protocol::kTcp, [&](const LocalSocket&) { ++sockets; });
    EXPECT_LE(sockets, dump.size() / sizeof(nlmsghdr));
  }
}

LocalSocket on(const char* address, std::uint16_t port, Protocol protocol = Protocol::kTcp) {
  return {*parse_address(address), port, protocol};
}

TEST(ConnectionCount, FindsTheLongestPrefixAndTheMostExactService) {
  const std::vector<Vip> vips = {{*parse_prefix("203.0.113.0/24"), {Service{}}},
                                 {*parse_prefix("203.0.113.10"),
                                  {{Protocol::kAny, 0, 0},
                                   {Protocol::kTcp, 0, 0},
                                   {Protocol::kTcp, 80, 8080},
                                   {Protocol::kUdp, 53, 0}}}};
  ConnectionCount count(vips);
  count.add(on("203.0.113.10", 8080));
  count.add(on("203.0.113.10", 80));  // nothing listens for the VIP there: any port of tcp
  count.add(on("203.0.113.10", 53, Protocol::kUdp));
  count.add(on("203.0.113.10", 54, Protocol::kUdp));
  count.add(on("203.0.113.99", 8080));
  count.add(on("10.1.0.11", 8080));
  EXPECT_EQ(count.result(), (std::vector<VipConnections>{{1, {1}}, {4, {1, 1, 1, 1}}}));
}

TEST(ConnectionCount, OfAVipWithoutThatServiceCountsForTheVipAlone) {
  const std::vector<Vip> vips = {{*parse_prefix("203.0.113.10"), {{Protocol::kTcp, 443, 0}}}};
  ConnectionCount count(vips);
  count.add(on("203.0.113.10", 22));
  EXPECT_EQ(count.result(), (std::vector<VipConnections>{{1, {0}}}));
}

// Loopback stands in for a VIP; only the kernel's answer is of interest.
TEST(Connections, AreThoseThatTheKernelHas) {
  const int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(0x7f5a0001);  // 127.90.0.1
  ASSERT_EQ(bind(server, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(server, 1), 0);
  socklen_t length = sizeof(address);
  getsockname(server, reinterpret_cast<sockaddr*>(&address), &length);
  const std::vector<Vip> vips = {
      {*parse_prefix("127.90.0.1"), {{Protocol::kTcp, ntohs(address.sin_port), 0}}}};
  EXPECT_EQ(count_connections(vips), (std::vector<VipConnections>{{0, {0}}}))
      << "a listener is no connection";
  ASSERT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(count_connections(vips), (std::vector<VipConnections>{{1, {1}}}))
      << "the client's end has another address";
  close(client);
  close(server);
}

}  // namespace
}  // namespace sluice::agent::test
