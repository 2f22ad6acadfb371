// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The probes that are a TCP connection and little more: `tcp` (it is accepted), and `agent-check` (HAProxy's:
// one line comes back).
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "control/health/lone_prober.h"

namespace sluice::health {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

// One question; lives as long as one of its operations is pending.
class Conversation : public std::enable_shared_from_this<Conversation> {
 public:
  Conversation(boost::asio::io_context& io, const Spec& spec, Prober::Done done)
      : socket_(io), spec_(spec), done_(std::move(done)) {}

  void start(DataPath* path) {
    error_code error;
    if (const auto wrong = open_socket(socket_, spec_, path, lease_)) {
      boost::asio::post(socket_.get_executor(), [self = shared_from_this(), wrong] { self->finish(*wrong); });
      return;
    }
    // Closing resets: thousands of probes a second would leave as many sockets in TIME-WAIT.
    socket_.set_option(tcp::socket::linger(true, 0), error);
    socket_.async_connect(endpoint_of<tcp>(spec_),
                          [self = shared_from_this()](error_code e) { self->connected(e); });
  }

  void stop() {
    done_ = nullptr;
    error_code ignored;
    socket_.close(ignored);
  }

  [[nodiscard]] std::string_view waits_for() const { return connected_ ? "an answer" : "the connection"; }

 private:
  void connected(error_code error) {
    if (!done_) return;
    if (error) return finish(trouble(error));
    connected_ = true;
    if (spec_.type == config::HealthType::kTcp) return finish({Judgement::kGood, "connected"});
    if (spec_.payload.empty()) return read();
    boost::asio::async_write(socket_, boost::asio::buffer(spec_.payload),
                             [self = shared_from_this()](error_code e, std::size_t) {
                               if (!self->done_) return;
                               if (e) return self->finish(trouble(e));
                               self->read();
                             });
  }

  void read() {
    socket_.async_read_some(
        boost::asio::buffer(line_.data() + filled_, line_.size() - filled_),
        [self = shared_from_this()](error_code e, std::size_t bytes) { self->got(e, bytes); });
  }

  void got(error_code error, std::size_t bytes) {
    if (!done_) return;
    filled_ += bytes;
    const std::string_view line(line_.data(), filled_);
    const bool whole = line.find_first_of("\r\n") != std::string_view::npos;
    if (whole || (error == boost::asio::error::eof && filled_ > 0)) return finish(read_agent_check(line));
    if (error) return finish(trouble(error));
    if (filled_ == line_.size())
      return finish({Judgement::kBad, "no end of line in the first " + std::to_string(filled_) + " bytes"});
    read();
  }

  void finish(Answer answer) {
    const Prober::Done done = std::exchange(done_, nullptr);
    error_code ignored;
    socket_.close(ignored);
    if (done) done(std::move(answer));
  }

  DataPath::Lease lease_;
  tcp::socket socket_;
  const Spec spec_;
  Prober::Done done_;
  bool connected_ = false;
  std::array<char, kLongestAgentCheck> line_;
  std::size_t filled_ = 0;
};

}  // namespace

std::unique_ptr<Prober> make_tcp_prober(Surroundings& around, const Spec& spec) {
  return std::make_unique<LoneProber<Conversation>>(around, spec);
}

}  // namespace sluice::health
