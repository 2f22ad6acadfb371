// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The `udp` probe: a datagram goes out, one that holds the expected bytes comes back. The socket is
// connected, so only the DIP's own datagrams are read, and an ICMP error ends the wait ("connection
// refused"). Each probe has a socket, and so a port, of its own: a late answer to the one before is not taken
// for its own.
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "control/health/lone_prober.h"

namespace sluice::health {
namespace {

using boost::asio::ip::udp;
using boost::system::error_code;

class Question : public std::enable_shared_from_this<Question> {
 public:
  Question(boost::asio::io_context& io, const Spec& spec, Prober::Done done)
      : socket_(io), spec_(spec), done_(std::move(done)) {}

  void start(DataPath* path) {
    std::optional<Answer> wrong = open_socket(socket_, spec_, path, lease_);
    if (!wrong) wrong = send();
    if (wrong) {
      boost::asio::post(socket_.get_executor(), [self = shared_from_this(), wrong] { self->finish(*wrong); });
      return;
    }
    socket_.async_receive(
        boost::asio::buffer(datagram_),
        [self = shared_from_this()](error_code e, std::size_t bytes) { self->got(e, bytes); });
  }

  void stop() {
    done_ = nullptr;
    error_code ignored;
    socket_.close(ignored);
  }

  [[nodiscard]] static std::string_view waits_for() { return "an answer"; }

 private:
  std::optional<Answer> send() {
    error_code error;
    socket_.connect(endpoint_of<udp>(spec_), error);
    if (!error) socket_.non_blocking(true, error);
    if (!error) socket_.send(boost::asio::buffer(spec_.payload), 0, error);
    return error ? std::optional(trouble(error)) : std::nullopt;
  }

  void got(error_code error, std::size_t bytes) {
    if (!done_) return;
    if (error) return finish(trouble(error));
    const std::string_view answer(datagram_.data(), bytes);
    if (answer.find(spec_.expect) == std::string_view::npos)
      return finish({.judgement = Judgement::kBad,
                     .text = "the answer of " + std::to_string(bytes) + " bytes is not the expected one",
                     .heard = true});
    finish({.judgement = Judgement::kGood,
            .text = "an answer of " + std::to_string(bytes) + " bytes",
            .heard = true});
  }

  void finish(Answer answer) {
    const Prober::Done done = std::exchange(done_, nullptr);
    error_code ignored;
    socket_.close(ignored);
    if (done) done(std::move(answer));
  }

  DataPath::Lease lease_;
  udp::socket socket_;
  const Spec spec_;
  Prober::Done done_;
  std::array<char, kLongestDatagram> datagram_;
};

}  // namespace

std::unique_ptr<Prober> make_udp_prober(Surroundings& around, const Spec& spec) {
  return std::make_unique<LoneProber<Question>>(around, spec);
}

}  // namespace sluice::health
