// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The last chunk of a body, cut wherever a peer may cut it: an end of the process, once
// (tests/fuzz/answers.cc found it).
#include "control/http/beast.h"

#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <string>

namespace sluice {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

const std::string kHeaderEnd = "Transfer-Encoding: chunked\r\n\r\n";

// Gives the parser one byte more each time, as from packets of one byte; what it has used is not given again.
template <class Parser>
error_code feed(Parser& parser, const std::string& text) {
  std::size_t used = 0;
  error_code error;
  for (std::size_t end = 1; end <= text.size(); ++end) {
    used += parser.put(boost::asio::buffer(text.data() + used, end - used), error);
    if (parser.is_done() || (error && error != http::error::need_more)) break;
  }
  return error;
}

template <class Parser>
class LastChunk : public testing::Test {};

struct Answer : http::response_parser<http::string_body> {
  Answer() { eager(true); }
  static std::string head() { return "HTTP/1.1 200 OK\r\n" + kHeaderEnd; }
};
struct Request : http::request_parser<http::string_body> {
  Request() { eager(true); }
  static std::string head() { return "POST / HTTP/1.1\r\n" + kHeaderEnd; }
};
using Both = testing::Types<Answer, Request>;
TYPED_TEST_SUITE(LastChunk, Both);

TYPED_TEST(LastChunk, OfAnEmptyBodyMayComeByteByByte) {
  TypeParam parser;
  EXPECT_EQ(feed(parser, TypeParam::head() + "0\r\n\r\n"), error_code());
  EXPECT_TRUE(parser.is_done());
}

TYPED_TEST(LastChunk, MayHaveTrailers) {
  TypeParam parser;
  EXPECT_EQ(feed(parser, TypeParam::head() + "5\r\nhello\r\n0\r\nX: y\r\n\r\n"), error_code());
  EXPECT_TRUE(parser.is_done());
  EXPECT_EQ(parser.get().body(), "hello");
}

TYPED_TEST(LastChunk, FollowedByNonsenseIsAnError) {
  TypeParam parser;
  EXPECT_NE(feed(parser, TypeParam::head() + "0\r\nsluic\r\n4;x=y\r\n\r\n"), error_code());
  EXPECT_FALSE(parser.is_done());
}

}  // namespace
}  // namespace sluice
