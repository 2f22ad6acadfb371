// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/rpc/session.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace sluice::rpc {

namespace asio = boost::asio;

Session::Session(Socket socket, const Router& router, const ServerOptions& limits, Caller caller, Gone gone)
    : socket_(std::move(socket)),
      router_(router),
      limits_(limits),
      caller_(caller),
      gone_(std::move(gone)),
      timer_(socket_.get_executor()) {}

void Session::start() {
  read();
}

void Session::read() {
  if (!idle_since_) idle_since_ = Clock::now();
  asio::async_read_until(socket_, asio::dynamic_buffer(in_, limits_.max_line_bytes + 1), '\n',
                         [self = shared_from_this()](const ErrorCode& error, std::size_t bytes) {
                           self->on_line(error, bytes);
                         });
}

void Session::on_line(const ErrorCode& error, std::size_t bytes) {
  if (closed_) return;
  if (error == asio::error::not_found) {
    return refuse(Error(kInvalidRequest, "a request has at most " + std::to_string(limits_.max_line_bytes) +
                                             " bytes in one line; the connection is closed"));
  }
  std::string line;
  if (!error) {
    line = in_.substr(0, bytes - 1);
    in_.erase(0, bytes);
  } else if (error == asio::error::eof) {
    last_ = true;
    line = std::exchange(in_, {});  // a last line may lack its newline
  } else {
    return close();
  }
  if (line.find_first_not_of(" \t\r") == std::string::npos) return last_ ? close() : read();
  ask(line);
}

void Session::ask(const std::string& line) {
  idle_since_.reset();
  waiting_ = true;
  router_.handle(line, caller_, [weak = weak_from_this()](std::string answer) {
    if (const auto self = weak.lock()) self->answered(std::move(answer));
  });
  if (waiting_ && !closed_) arm(limits_.answer_timeout, &Session::answer_overdue);
}

void Session::answered(std::string line) {
  if (closed_ || !waiting_) return;  // too late
  waiting_ = false;
  disarm();
  if (line.empty()) return last_ ? close() : read();
  out_ = std::move(line);
  write();
}

void Session::write() {
  out_ += '\n';
  arm(refusing_ ? limits_.linger : limits_.write_timeout, &Session::reader_overdue);
  asio::async_write(socket_, asio::buffer(out_),
                    [self = shared_from_this()](const ErrorCode& error, std::size_t) {
                      if (self->closed_) return;
                      if (error) return self->close();
                      self->out_ = {};
                      if (self->refusing_) {
                        ErrorCode ignored;
                        self->socket_.shutdown(Socket::shutdown_send, ignored);
                        return self->linger();  // the timer stays armed
                      }
                      self->disarm();
                      self->last_ ? self->close() : self->read();
                    });
}

void Session::refuse(const Error& error) {
  idle_since_.reset();
  refusing_ = true;
  out_ = error_line(nullptr, error);
  write();
}

void Session::linger() {
  socket_.async_read_some(asio::buffer(trash_),
                          [self = shared_from_this()](const ErrorCode& error, std::size_t) {
                            if (self->closed_) return;
                            error ? self->close() : self->linger();
                          });
}

void Session::arm(std::chrono::milliseconds after, void (Session::*expired)()) {
  timer_.expires_after(after);
  timer_.async_wait([weak = weak_from_this(), turn = ++timer_turn_, expired](const ErrorCode& error) {
    const auto self = weak.lock();
    if (error || !self || self->closed_ || turn != self->timer_turn_) return;
    ((*self).*expired)();
  });
}

void Session::disarm() {
  ++timer_turn_;
  ErrorCode ignored;
  timer_.cancel(ignored);
}

void Session::answer_overdue() {
  waiting_ = false;
  refuse(Error(kBusy, "no answer within " + std::to_string(limits_.answer_timeout.count()) +
                          " ms; the connection is closed, the request may still take effect"));
}

void Session::reader_overdue() {
  if (!refusing_ && limits_.log) {
    limits_.log("control client with pid " + std::to_string(caller_.pid) +
                " did not take its answer within " + std::to_string(limits_.write_timeout.count()) +
                " ms and was dropped");
  }
  close();
}

void Session::close() {
  if (std::exchange(closed_, true)) return;
  disarm();
  ErrorCode ignored;
  socket_.close(ignored);
  if (const Gone gone = std::exchange(gone_, nullptr)) gone(shared_from_this());
}

}  // namespace sluice::rpc
