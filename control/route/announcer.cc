// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/route/announcer.h"

#include <utility>

namespace sluice::route {

using boost::system::error_code;

Options options_for(const config::Control& control, bool has_kernel,
                    std::function<void(const std::string&)> log) {
  Options options;
  options.adopt = control.on_stop == config::OnStop::kKeep;
  options.marks = {.table = has_kernel ? control.route_table : 0, .protocol = control.route_protocol};
  options.log = std::move(log);
  return options;
}

Announcer::Announcer(boost::asio::io_context& io, Options options)
    : options_(std::move(options)), check_(io) {
  if (options_.marks.table == 0) return;
  kernel_.emplace(options_.marks);
  news_.emplace(io, kernel_->news_descriptor());
  wait_for_news();
  compare();
  if (!there_.empty() && options_.log)
    options_.log("found " + std::to_string(there_.size()) + " routes that were left for this process");
  if (stats_.withdrawn > 0 && options_.log)
    options_.log("removed " + std::to_string(stats_.withdrawn) +
                 " routes that an earlier sluiced left behind");
}

Announcer::~Announcer() {
  withdraw();
  if (news_) news_->release();  // libnl closes the socket
}

void Announcer::want(std::vector<Announcement> announcements) {
  if (announcements == announcements_) return;
  announcements_ = std::move(announcements);
  reach();
}

void Announcer::begin() {
  if (phase_ != Phase::kBefore) return;
  phase_ = Phase::kAnnouncing;
  compare();
}

void Announcer::withdraw() {
  if (phase_ == Phase::kWithdrawn || phase_ == Phase::kLeft) return;
  phase_ = Phase::kWithdrawn;
  compare();
}

void Announcer::leave() {
  if (phase_ == Phase::kAnnouncing) phase_ = Phase::kLeft;
}

void Announcer::wait_for_news() {
  news_->async_wait(news_->wait_read, [this](error_code error) {
    if (error) return;
    if (kernel_->read_news()) check_after(options_.settle);
    wait_for_news();
  });
}

void Announcer::check_after(std::chrono::milliseconds pause) {
  if (!kernel_) return;
  const auto due = std::chrono::steady_clock::now() + pause;
  // A check that comes sooner anyway stays; one in progress has no time to come.
  if (check_.expiry() > std::chrono::steady_clock::now() && check_.expiry() <= due) return;
  error_code ignored;  // a timer of the clock cannot fail, and a destructor comes by here
  check_.expires_at(due, ignored);
  check_.async_wait([this](error_code error) {
    if (!error) compare();
  });
}

void Announcer::compare() {
  if (!kernel_) return;
  std::string trouble;
  if (auto found = kernel_->list(trouble)) {
    if (phase_ == Phase::kAnnouncing) {
      const Difference touched = difference(there_, found->routes);
      stats_.repaired += touched.add.size() + touched.remove.size() + found->strange.size();
    }
    if (phase_ == Phase::kLeft) return;
    for (const auto& [prefix, priority] : found->strange) {
      if (!kernel_->remove(prefix, priority)) ++stats_.withdrawn;
    }
    there_ = std::move(found->routes);
    reach();
  } else if (last_trouble_ != trouble && options_.log) {
    options_.log(trouble);
  }
  last_trouble_ = trouble;
  check_after(trouble.empty() ? options_.check_interval : options_.retry);
}

void Announcer::reach() {
  if (!kernel_ || phase_ == Phase::kLeft || (phase_ == Phase::kBefore && options_.adopt)) return;
  std::map<Prefix, std::string> before = std::exchange(refused_, {});
  const auto wanted = phase_ == Phase::kAnnouncing ? wanted_prefixes(announcements_) : std::set<Prefix>{};
  const Difference change = difference(there_, wanted);
  const auto settle = [&](const Prefix& prefix, std::optional<std::string> problem, std::uint64_t& count) {
    if (!problem) {
      ++count;
      return true;
    }
    ++stats_.refused;
    if (before[prefix] != *problem && options_.log) options_.log(*problem);
    refused_[prefix] = std::move(*problem);
    return false;
  };
  // New ones first: a router that loses one way has the other already.
  for (const Prefix& prefix : change.add) {
    if (settle(prefix, kernel_->add(prefix), stats_.announced)) there_.insert(prefix);
  }
  for (const Prefix& prefix : change.remove) {
    if (settle(prefix, kernel_->remove(prefix), stats_.withdrawn)) there_.erase(prefix);
  }
  if (!refused_.empty()) check_after(options_.retry);
}

std::vector<Row> Announcer::rows() const {
  std::vector<Row> rows;
  for (const Announcement& one : announcements_) {
    Row row{.prefix = one.prefix, .state = "withdrawn", .services = one.services, .why = one.why};
    if (const auto refused = refused_.find(one.prefix); refused != refused_.end()) {
      row.state = "refused";
      row.why = refused->second;
    } else if (there_.contains(one.prefix)) {
      row.state = "announced";
    } else if (!kernel_) {
      row.state = "off";
      row.why = "no table: control.route_table is 0, or no port has a kernel_interface";
    } else if (phase_ != Phase::kAnnouncing) {
      row.why = phase_ == Phase::kBefore ? "packets do not flow yet" : "sluiced leaves";
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace sluice::route
