// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/http/ask.h"

#include <memory>
#include <utility>

#include "control/config/to_asio.h"
#include "control/http/beast.h"

namespace sluice::http {
namespace {

namespace beast = boost::beast;
namespace bh = boost::beast::http;
using boost::system::error_code;

// Lives as long as one of its operations is pending.
class Asking : public std::enable_shared_from_this<Asking> {
 public:
  Asking(boost::asio::io_context& io, const Question& question, std::function<void(Answer)> done)
      : stream_(io), buffer_(2 * question.longest), done_(std::move(done)) {
    parser_.header_limit(static_cast<std::uint32_t>(question.longest));
    parser_.body_limit(question.longest);
    request_ = {question.order ? bh::verb::post : bh::verb::get, question.path, 11};
    request_.set(bh::field::host, question.host);
    request_.set(bh::field::user_agent, question.agent);
    request_.keep_alive(false);
    if (!question.order) return;
    request_.set(bh::field::content_type, "application/json");
    request_.body() = *question.order;
    request_.prepare_payload();
  }

  void start(const Question& question) {
    stream_.expires_after(question.timeout);
    stream_.async_connect(config::to_asio(question.server), [self = shared_from_this()](error_code error) {
      if (error) return self->fail("no connection: ", error);
      bh::async_write(self->stream_, self->request_, [self](error_code e, std::size_t) {
        if (e) return self->fail("cannot ask: ", e);
        bh::async_read(self->stream_, self->buffer_, self->parser_,
                       [self](error_code e2, std::size_t) { self->heard(e2); });
      });
    });
  }

 private:
  void fail(const char* what, error_code error) { done_({0, what + error.message()}); }

  void heard(error_code error) {
    if (error) return fail("no answer: ", error);
    done_({parser_.get().result_int(), std::move(parser_.get().body())});
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  bh::request<bh::string_body> request_;
  bh::response_parser<bh::string_body> parser_;
  std::function<void(Answer)> done_;
};

}  // namespace

void ask(boost::asio::io_context& io, const Question& question, std::function<void(Answer)> done) {
  std::make_shared<Asking>(io, question, std::move(done))->start(question);
}

}  // namespace sluice::http
