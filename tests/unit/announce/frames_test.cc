// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What hosts say about addresses: byte for byte as the RFCs draw it, and read back from whatever arrives.
#include "control/announce/frames.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace sluice::announce::test {
namespace {

using Kind = Heard::Kind;

const MacAddress kOwn = *parse_mac("02:00:0a:00:00:0b"), kOther = *parse_mac("02:00:0a:00:00:0c");

IpAddress ip(const std::string& text) {
  return parse_address(text).value();
}

std::string hex(const Frame& frame) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : frame) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

TEST(Frames, AnArpProbeHasNoSenderAddress) {
  EXPECT_EQ(hex(probe(ip("10.0.0.100"), kOwn)),
            "ffffffffffff02000a00000b0806"
            "0001080006040001"
            "02000a00000b"
            "00000000"
            "000000000000"
            "0a000064");
}

TEST(Frames, AGratuitousArpNamesTheAddressTwice) {
  EXPECT_EQ(hex(announcement(ip("10.0.0.100"), kOwn)),
            "ffffffffffff02000a00000b0806"
            "0001080006040001"
            "02000a00000b"
            "0a000064"
            "000000000000"
            "0a000064");
}

TEST(Frames, ASolicitationForDuplicateDetectionComesFromNobody) {
  EXPECT_EQ(hex(probe(ip("2001:db8:a::100"), kOwn)).substr(0, 2 * (14 + 40 + 1)),
            "3333ff00010002000a00000b86dd"
            "6000000000183aff"
            "00000000000000000000000000000000"
            "ff0200000000000000000001ff000100"
            "87");
}

TEST(Frames, AnUnsolicitedAdvertisementOverridesAndCarriesTheMac) {
  const std::string frame = hex(announcement(ip("2001:db8:a::100"), kOwn));
  EXPECT_EQ(frame.substr(0, 2 * (14 + 40 + 2)),
            "33330000000102000a00000b86dd"
            "6000000000203aff"
            "20010db8000a00000000000000000100"
            "ff020000000000000000000000000001"
            "8800");
  EXPECT_EQ(frame.substr(2 * (14 + 40 + 4)),
            "2000000020010db8000a00000000000000000100"
            "020102000a00000b");
}

TEST(Frames, EachIsReadBackAsWhatItSays) {
  for (const std::string text : {"10.0.0.100", "2001:db8:a::100"}) {
    const IpAddress address = ip(text),
                    asker = ip(text.find(':') == text.npos ? "10.0.0.11" : "2001:db8:a::11");
    EXPECT_EQ(heard_in(probe(address, kOther)), (Heard{Kind::kProbe, address, kOther})) << text;
    EXPECT_EQ(heard_in(announcement(address, kOther)), (Heard{Kind::kHolder, address, kOther})) << text;
    EXPECT_EQ(heard_in(question(address, asker, kOther)), (Heard{Kind::kHolder, asker, kOther})) << text;
  }
}

TEST(Frames, AnArpReplyNamesItsSender) {
  Frame reply = announcement(ip("10.0.0.100"), kOther);
  reply[21] = 2;
  EXPECT_EQ(heard_in(reply), (Heard{Kind::kHolder, ip("10.0.0.100"), kOther}));
}

TEST(Frames, PaddingBehindThemMeansNothing) {
  for (const char* text : {"10.0.0.100", "2001:db8:a::100"}) {
    Frame padded = announcement(ip(text), kOther);
    padded.resize(padded.size() + 18, 0xab);
    EXPECT_EQ(heard_in(padded), (Heard{Kind::kHolder, ip(text), kOther})) << text;
  }
}

TEST(Frames, OneThatWasRoutedOrDamagedSaysNothing) {
  const Frame good = announcement(ip("2001:db8:a::100"), kOther);
  Frame routed = good, damaged = good;
  routed[14 + 7] = 254;
  damaged[14 + 40 + 10] ^= 1;
  EXPECT_TRUE(heard_in(good));
  EXPECT_FALSE(heard_in(routed));
  EXPECT_FALSE(heard_in(damaged));
}

TEST(Frames, OfAnotherHardwareOrProtocolSaysNothing) {
  for (const std::size_t at : {14u, 15u, 16u, 18u, 19u, 20u}) {
    Frame odd = announcement(ip("10.0.0.100"), kOther);
    odd[at] ^= 0x40;
    EXPECT_FALSE(heard_in(odd)) << "byte " << at;
  }
}

TEST(Frames, EveryShortenedFrameSaysNothing) {
  for (const char* text : {"10.0.0.100", "2001:db8:a::100"}) {
    const Frame whole = announcement(ip(text), kOther);
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes)
      EXPECT_FALSE(heard_in({whole.data(), bytes})) << text << " cut to " << bytes;
  }
}

// Exact copies on the heap, so that a sanitizer sees every byte read too far.
TEST(Frames, AHundredThousandBrokenFramesAreReadWithinTheirBounds) {
  std::mt19937_64 random(5227);
  std::size_t understood = 0;
  for (int turn = 0; turn < 100'000; ++turn) {
    Frame frame = turn % 2 ? announcement(ip("2001:db8:a::100"), kOther) : probe(ip("10.0.0.100"), kOther);
    for (auto changes = 1 + random() % 4; changes > 0; --changes)
      frame[random() % frame.size()] ^= 1u << random() % 8;
    frame.resize(random() % (frame.size() + 1));
    frame.shrink_to_fit();
    understood += heard_in(frame).has_value();
  }
  EXPECT_GT(understood, 100u);
}

}  // namespace
}  // namespace sluice::announce::test
