// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// One question over HTTP/1.1, on a connection of its own: bounded in time and in the size of its answer.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "control/config/address_port.h"

namespace sluice::http {

struct Question {
  config::AddressPort server;
  std::string host;  // as the Host field has it
  std::string path;  // with query
  std::string agent;
  std::optional<std::string> order{};  // JSON, POSTed; else it is a GET
  std::chrono::milliseconds timeout{2000};
  std::size_t longest = 4096;  // bytes, of the header and of the body
};

struct Answer {
  unsigned status = 0;  // 0: there was none
  std::string text;     // the body, or why there is none, in words
};

// `done` is called once, later, on the io_context's thread, to which all of this belongs.
void ask(boost::asio::io_context& io, const Question& question, std::function<void(Answer)> done);

}  // namespace sluice::http
