// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Questions that a member asks another one's data path, and what is taken for an answer.
#include "control/pool/path_frames.h"

#include <gtest/gtest.h>

#include <random>

#include "dataplane/wire/checksum.h"
#include "dataplane/wire/headers.h"

namespace sluice::pool::test {
namespace {

constexpr std::uint32_t kNumber = 0xfffe1234;
const Ends kV4{*parse_mac("02:00:00:00:00:01"), *parse_mac("02:00:00:00:00:02"), *parse_address("10.0.0.11"),
               *parse_address("203.0.113.10")};
const Ends kV6{*parse_mac("02:00:00:00:00:01"), *parse_mac("02:00:00:00:00:02"),
               *parse_address("2001:db8:a::11"), *parse_address("2001:db8:cb::10")};

std::size_t header_bytes(const Ends& ends) {
  return sizeof(EthernetHeader) + (ends.vip.is_v4() ? sizeof(Ipv4Header) : sizeof(Ipv6Header));
}

template <typename Header>
Header& header_at(Frame& frame, std::size_t at) {
  return *reinterpret_cast<Header*>(&frame[at]);
}

// As the VIP answers, but for checksums, which nobody looks at.
Frame turned_around(Frame frame, const Ends& ends) {
  auto& ethernet = header_at<EthernetHeader>(frame, 0);
  std::swap(ethernet.source, ethernet.destination);
  if (ends.vip.is_v4()) {
    auto& ip = header_at<Ipv4Header>(frame, sizeof(EthernetHeader));
    std::swap(ip.source, ip.destination);
  } else {
    auto& ip = header_at<Ipv6Header>(frame, sizeof(EthernetHeader));
    std::swap(ip.source, ip.destination);
  }
  return frame;
}

Frame echo_reply(const Ends& ends, std::uint32_t number) {
  Frame frame = turned_around(echo(ends, number), ends);
  header_at<IcmpHeader>(frame, header_bytes(ends)).type =
      ends.vip.is_v4() ? IcmpHeader::kEchoReply : IcmpHeader::kV6EchoReply;
  return frame;
}

Frame tcp_answer(const Ends& ends, std::uint8_t flags, std::uint16_t port = kFirstPort + 7) {
  Frame frame = turned_around(syn(ends, port, 80, kNumber), ends);
  auto& tcp = header_at<TcpHeader>(frame, header_bytes(ends));
  std::swap(tcp.source, tcp.destination);
  tcp.acknowledgement = Big32(kNumber + 1);
  tcp.flags = flags;
  return frame;
}

bool sum_is_right(const Frame& frame, const Ends& ends, std::uint8_t protocol) {
  const std::span<const std::uint8_t> body = std::span(frame).subspan(header_bytes(ends));
  PartialSum sum = partial_sum(body);
  if (protocol != kProtoIcmp)
    sum += pseudo_sum(ends.source, ends.vip, protocol, static_cast<std::uint32_t>(body.size()));
  return fold(sum) == 0xffff;
}

TEST(PathFrames, QuestionsAreAddressedToTheOtherMembersPortAndTheirSumsAreRight) {
  for (const Ends& ends : {kV4, kV6}) {
    for (Frame frame : {echo(ends, kNumber), syn(ends, kFirstPort, 443, kNumber)}) {
      EXPECT_EQ(header_at<EthernetHeader>(frame, 0).destination, ends.peer);
      EXPECT_EQ(header_at<EthernetHeader>(frame, 0).source, ends.own);
    }
    EXPECT_TRUE(sum_is_right(echo(ends, kNumber), ends, ends.vip.is_v4() ? kProtoIcmp : kProtoIcmpv6));
    EXPECT_TRUE(sum_is_right(syn(ends, kFirstPort, 443, kNumber), ends, kProtoTcp));
  }
  Frame frame = syn(kV4, kFirstPort, 443, kNumber);
  const auto& ip = header_at<Ipv4Header>(frame, sizeof(EthernetHeader));
  EXPECT_EQ(fold(partial_sum({reinterpret_cast<const std::uint8_t*>(&ip), sizeof ip})), 0xffff);
  EXPECT_EQ(ip.total_length.value(), frame.size() - sizeof(EthernetHeader));
}

TEST(PathFrames, AnEchoReplyAnAcceptedAndARefusedSynAreAnswers) {
  for (const Ends& ends : {kV4, kV6}) {
    EXPECT_EQ(answer_in(echo_reply(ends, kNumber)), (Answer{.number = kNumber, .vip = ends.vip}));
    EXPECT_EQ(answer_in(tcp_answer(ends, TcpHeader::kSyn | TcpHeader::kAck)),
              (Answer{.number = kNumber, .vip = ends.vip, .source_port = kFirstPort + 7, .port = 80}));
    EXPECT_EQ(answer_in(tcp_answer(ends, TcpHeader::kRst | TcpHeader::kAck)),
              (Answer{.number = kNumber, .vip = ends.vip}))
        << "a server that refuses was reached";
  }
}

TEST(PathFrames, WhatAnswersNoQuestionIsNothing) {
  EXPECT_FALSE(answer_in(echo(kV4, kNumber))) << "a question";
  EXPECT_FALSE(answer_in(echo(kV6, kNumber)));
  EXPECT_FALSE(answer_in(syn(kV4, kFirstPort, 80, kNumber)));
  EXPECT_FALSE(answer_in(tcp_answer(kV4, TcpHeader::kAck))) << "data of a connection";
  EXPECT_FALSE(answer_in(tcp_answer(kV4, TcpHeader::kSyn | TcpHeader::kAck, 40'000))) << "not our port";
  EXPECT_FALSE(answer_in(tcp_answer(kV4, TcpHeader::kSyn | TcpHeader::kAck, kFirstPort + kPorts)));
  Frame fragment = echo_reply(kV4, kNumber);
  header_at<Ipv4Header>(fragment, sizeof(EthernetHeader)).flags_offset = Big16(100);
  EXPECT_FALSE(answer_in(fragment));
}

TEST(PathFrames, AnyPrefixOfAnAnswerAndAnyRubbishIsReadWithinItsBounds) {
  std::mt19937 random(826);
  for (const Frame& whole : {echo_reply(kV4, kNumber), tcp_answer(kV6, TcpHeader::kSyn | TcpHeader::kAck)}) {
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes)
      EXPECT_FALSE(answer_in(Frame(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes))));
    for (int turn = 0; turn < 10'000; ++turn) {
      Frame frame = whole;
      frame[random() % frame.size()] = static_cast<std::uint8_t>(random());
      frame.resize(random() % (frame.size() + 1));
      answer_in(frame);
    }
  }
}

TEST(PathFrames, AResetEndsWhatTheSynBegan) {
  Frame frame = reset(kV4, kFirstPort, 80, kNumber);
  const auto& tcp = header_at<TcpHeader>(frame, header_bytes(kV4));
  EXPECT_EQ(tcp.flags, TcpHeader::kRst);
  EXPECT_EQ(tcp.sequence.value(), kNumber + 1);
  EXPECT_TRUE(sum_is_right(frame, kV4, kProtoTcp));
}

}  // namespace
}  // namespace sluice::pool::test
