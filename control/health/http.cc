// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The probes over HTTP/1.1: `http`, `https` and `agent`. A GET; good is status 2xx with the magic word in the
// first kLongestBody bytes of the body, or for an agent a /status that it may be judged by. What is
// compressed is not unpacked: a probe asks for plain text, and a word that cannot be seen is not there.
//
// A persistent connection that the peer has closed since the last probe is made anew within the same probe
// and is no failure (A9); a peer that closes after the first byte of its answer has failed.
//
// `https` does not verify the certificate: servers behind a VIP are known by address, and their certificates
// are made for clients' names. The host goes out as SNI (RFC 6066 section 3) when it is a name.
#include <netinet/tcp.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include "control/config/address_port.h"
#include "control/health/prober.h"
#include "control/health/word_finder.h"
#include "control/http/beast.h"

namespace sluice::health {

// One for all connections; OpenSSL shares what it can.
class TlsContext {
 public:
  TlsContext() : context(boost::asio::ssl::context::tls_client) {
    context.set_verify_mode(boost::asio::ssl::verify_none);
  }
  boost::asio::ssl::context context;
};

namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace ssl = boost::asio::ssl;
using boost::asio::ip::tcp;
using boost::system::error_code;
using Tls = ssl::stream<tcp::socket>;

constexpr std::size_t kPiece = 4096;  // of a body, read at once

std::string request_text(const Spec& spec) {
  const std::string host =
      spec.host.empty() ? config::to_string(config::AddressPort{spec.address, spec.port}) : spec.host;
  return "GET " + spec.path + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: sluice-health/" SLUICE_VERSION +
         "\r\nAccept: */*\r\nAccept-Encoding: identity\r\nConnection: " +
         (spec.persistent ? "keep-alive" : "close") +
         (spec.fill_bytes == 0 ? "" : "\r\nX-Fill: " + std::string(spec.fill_bytes, 'x')) + "\r\n\r\n";
}

// As a client's behind an Ethernet (RFC 6691), so that the packets are as large as clients' are.
void limit_segments(int socket, const Spec& spec) {
  const IpAddress& peer = spec.through == config::ProbeWay::kVip ? spec.vip : spec.address;
  const int full = peer.is_v4() ? 1460 : 1440, bytes = spec.segment_bytes != 0 ? spec.segment_bytes : full;
  setsockopt(socket, IPPROTO_TCP, TCP_MAXSEG, &bytes, sizeof bytes);
}

template <class Stream>
struct Connection {
  Connection(boost::asio::io_context& io, TlsContext* tls) requires std::is_same_v<Stream, Tls>
      : stream(io, tls->context) {}
  Connection(boost::asio::io_context& io, TlsContext*) requires std::is_same_v<Stream, tcp::socket>
      : stream(io) {}

  tcp::socket& socket() {
    if constexpr (std::is_same_v<Stream, Tls>)
      return stream.next_layer();
    else
      return stream;
  }
  void close() {
    error_code ignored;
    socket().close(ignored);
  }

  DataPath::Lease lease;
  Stream stream;
  beast::flat_buffer buffer{2 * kLongestHeader};
};

// One request and its answer. Lives as long as one of its operations is pending.
template <class Stream>
class Exchange : public std::enable_shared_from_this<Exchange<Stream>> {
 public:
  using Link = std::unique_ptr<Connection<Stream>>;
  // The answer, and the connection when it may serve again.
  using Done = std::function<void(Answer, Link)>;

  Exchange(boost::asio::io_context& io, TlsContext* tls, std::shared_ptr<DataPath> path, const Spec& spec,
           Done done)
      : io_(io),
        tls_(tls),
        path_(std::move(path)),
        spec_(spec),
        request_(request_text(spec)),
        done_(std::move(done)),
        finder_(spec.expect) {}

  void start(Link kept) {
    reused_ = kept != nullptr;
    link_ = std::move(kept);
    reused_ ? send() : connect();
  }

  // Pending operations end with an error, and their handlers do nothing but let go of this.
  void stop() {
    done_ = nullptr;
    if (link_) link_->close();
  }

  [[nodiscard]] std::string_view waits_for() const { return stage_; }

 private:
  void connect() {
    link_ = std::make_unique<Connection<Stream>>(io_, tls_);
    stage_ = "the connection";
    error_code error;
    if (const auto wrong = open_socket(link_->socket(), spec_, path_.get(), link_->lease)) {
      boost::asio::post(io_, [self = this->shared_from_this(), wrong] { self->finish(*wrong); });
      return;
    }
    if (spec_.fill_bytes != 0) limit_segments(link_->socket().native_handle(), spec_);
    // Closing resets: thousands of probes a second would leave as many sockets in TIME-WAIT.
    link_->socket().set_option(tcp::socket::linger(true, 0), error);
    link_->socket().set_option(tcp::no_delay(true), error);
    link_->socket().async_connect(endpoint_of<tcp>(spec_), [self = this->shared_from_this()](error_code e) {
      if (!self->done_) return;
      if (e) return self->finish(trouble(e));
      self->connected();
    });
  }

  void connected() {
    if constexpr (std::is_same_v<Stream, Tls>) {
      stage_ = "the TLS handshake";
      error_code is_name;
      boost::asio::ip::make_address(spec_.host, is_name);
      if (!spec_.host.empty() && spec_.host[0] != '[' && is_name)
        SSL_set_tlsext_host_name(link_->stream.native_handle(), spec_.host.c_str());
      link_->stream.async_handshake(ssl::stream_base::client,
                                    [self = this->shared_from_this()](error_code e) {
                                      if (!self->done_) return;
                                      if (e) return self->finish(failed("TLS handshake", e));
                                      self->send();
                                    });
    } else {
      send();
    }
  }

  void send() {
    stage_ = "an answer";
    boost::asio::async_write(link_->stream, boost::asio::buffer(request_),
                             [self = this->shared_from_this()](error_code e, std::size_t) {
                               if (!self->done_) return;
                               if (e) return self->broken(e);
                               self->read_header();
                             });
  }

  void read_header() {
    parser_.emplace();
    parser_->header_limit(kLongestHeader);
    // Bounded here, since the word may stand at the front of a long body. (Not by boost::none: Beast of 1.74
    // compares a length with it and finds it longer.)
    parser_->body_limit(std::numeric_limits<std::uint64_t>::max());
    http::async_read_header(link_->stream, link_->buffer, *parser_,
                            [self = this->shared_from_this()](error_code e, std::size_t) {
                              if (!self->done_) return;
                              if (e) return self->broken(e);
                              self->judge_header();
                            });
  }

  // The peer is gone before or within the header.
  void broken(error_code error) {
    if (reused_ && !(parser_ && parser_->got_some())) {
      reused_ = false;
      parser_.reset();
      link_->close();
      return connect();
    }
    if (error == http::error::header_limit || error == http::error::buffer_overflow)
      return finish(
          {Judgement::kBad, "the header is longer than " + std::to_string(kLongestHeader) + " bytes"});
    if (error == http::error::end_of_stream) return finish(trouble(boost::asio::error::eof));
    finish(failed("no HTTP answer", error));
  }

  static Answer failed(const char* what, error_code error) {
    Answer answer = trouble(error);
    answer.text = std::string(what) + ": " + answer.text;
    return answer;
  }

  void judge_header() {
    const auto& header = parser_->get();
    const unsigned status = header.result_int();
    status_ = "HTTP status " + std::to_string(status);
    if (status < 200 || status > 299) return finish({Judgement::kBad, status_});
    const auto coding = header[http::field::content_encoding];
    if (!coding.empty() && coding != "identity") coding_ = one_line({coding.data(), coding.size()}, 20);
    if (!wants_body()) return finish(judge());
    read_body();
  }

  // Whether what comes next could matter: for the answer, or for using the connection again.
  [[nodiscard]] bool wants_body() const {
    if (parser_->is_done()) return false;
    if (body_bytes_ > (is_agent() ? kLongestStatus : kLongestBody)) return false;
    return spec_.persistent || is_agent() || !finder_.found();
  }

  void read_body() {
    stage_ = "the end of the answer";
    parser_->get().body().data = piece_.data();
    parser_->get().body().size = piece_.size();
    http::async_read_some(link_->stream, link_->buffer, *parser_,
                          [self = this->shared_from_this()](error_code e, std::size_t) {
                            if (!self->done_) return;
                            self->got_body(e);
                          });
  }

  void got_body(error_code error) {
    const std::size_t bytes = piece_.size() - parser_->get().body().size;
    body_bytes_ += bytes;
    const std::string_view piece(piece_.data(), bytes);
    if (is_agent())
      status_body_ += piece;
    else
      finder_.feed(piece);
    // need_buffer: the piece is full, and the next one is to come.
    if (error && error != http::error::need_buffer) return finish(failed("the answer broke off", error));
    if (wants_body()) return read_body();
    finish(judge());
  }

  [[nodiscard]] Answer judge() const {
    if (is_agent()) {
      if (!parser_->is_done())
        return {Judgement::kBad, "the status is longer than " + std::to_string(kLongestStatus) + " bytes"};
      return read_status(status_body_);
    }
    if (spec_.expect.empty()) return {Judgement::kGood, status_};
    if (finder_.found()) return {Judgement::kGood, status_ + ", the word is there"};
    if (!coding_.empty())
      return {Judgement::kBad,
              status_ + ", the answer is compressed (" + coding_ + "), the word cannot be seen"};
    if (!parser_->is_done())
      return {Judgement::kBad,
              status_ + ", the word is not in the first " + std::to_string(kLongestBody) + " bytes"};
    return {Judgement::kBad, status_ + ", the word is not there"};
  }

  [[nodiscard]] bool is_agent() const { return spec_.type == config::HealthType::kAgent; }

  void finish(Answer answer) {
    const Done done = std::exchange(done_, nullptr);
    answer.heard = parser_ && parser_->is_header_done();
    if (spec_.keep_body) answer.body = std::move(status_body_);
    // Bytes behind the answer would be taken for the next one.
    const bool usable = spec_.persistent && parser_ && parser_->is_done() && parser_->keep_alive() &&
                        link_->buffer.size() == 0;
    if (!usable) link_->close();
    if (done) done(std::move(answer), usable ? std::move(link_) : nullptr);
  }

  boost::asio::io_context& io_;
  TlsContext* tls_;
  const std::shared_ptr<DataPath> path_;
  const Spec spec_;
  const std::string request_;
  Done done_;
  Link link_;
  bool reused_ = false;
  std::string_view stage_ = "nothing";
  std::optional<http::response_parser<http::buffer_body>> parser_;
  std::array<char, kPiece> piece_;
  std::size_t body_bytes_ = 0;
  WordFinder finder_;
  std::string status_, coding_, status_body_;
};

template <class Stream>
class HttpProber : public Prober {
 public:
  HttpProber(Surroundings& around, const Spec& spec) : around_(around), tls_(around.tls), spec_(spec) {}
  ~HttpProber() override {
    stop();
    take_kept();
  }
  HttpProber(const HttpProber&) = delete;
  HttpProber& operator=(const HttpProber&) = delete;

  void ask(Done done) override {
    using Link = typename Exchange<Stream>::Link;
    exchange_ = std::make_shared<Exchange<Stream>>(around_.io, tls_.get(), around_.data_path, spec_,
                                                   [this, done = std::move(done)](Answer answer, Link link) {
                                                     keep(std::move(link));
                                                     done(std::move(answer));
                                                   });
    exchange_->start(take_kept());
  }

  void stop() override {
    if (exchange_) std::exchange(exchange_, nullptr)->stop();
  }

  [[nodiscard]] std::string_view waits_for() const override {
    return exchange_ ? exchange_->waits_for() : "nothing";
  }

 private:
  using Link = typename Exchange<Stream>::Link;

  void keep(Link link) {
    if (!link || around_.kept >= around_.most_kept) return;
    ++around_.kept;
    kept_ = std::move(link);
  }
  // Null when there is none that may be used: what a peer said unasked (a status 408 before it closes) is no
  // answer to the next request.
  Link take_kept() {
    if (!kept_) return nullptr;
    --around_.kept;
    Link link = std::move(kept_);
    error_code error;
    if (link->socket().available(error) > 0 || error) return nullptr;
    return link;
  }

  Surroundings& around_;
  std::shared_ptr<TlsContext> tls_;
  const Spec spec_;
  std::shared_ptr<Exchange<Stream>> exchange_;
  Link kept_;
};

}  // namespace

std::unique_ptr<Prober> make_http_prober(Surroundings& around, const Spec& spec) {
  return std::make_unique<HttpProber<tcp::socket>>(around, spec);
}

std::unique_ptr<Prober> make_https_prober(Surroundings& around, const Spec& spec) {
  if (!around.tls) around.tls = std::make_shared<TlsContext>();
  return std::make_unique<HttpProber<Tls>>(around, spec);
}

}  // namespace sluice::health
