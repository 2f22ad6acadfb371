// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Gathers the verdicts of one turn of the event loop, so that they come into force together: a publication
// takes the longer the more DIPs there are, and a thousand may join, or die, at once. Belongs to the
// io_context's thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace sluice::health {

class Verdicts {
 public:
  struct News {
    std::string service, dip;
    bool healthy = true;
    std::string why;
  };
  using Publish = std::function<void(const std::vector<News>&)>;  // in the order in which they were given

  Verdicts(boost::asio::io_context& io, Publish publish) : io_(io), publish_(std::move(publish)) {}

  // In force when the events at hand have been dealt with. This must outlive the loop.
  void give(News news) {
    news_.push_back(std::move(news));
    if (news_.size() == 1) boost::asio::post(io_, [this] { flush(); });
  }
  // At once.
  void flush() {
    if (!news_.empty()) publish_(std::exchange(news_, {}));
  }

 private:
  boost::asio::io_context& io_;
  Publish publish_;
  std::vector<News> news_;
};

}  // namespace sluice::health
