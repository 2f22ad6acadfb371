// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A prober whose every question has a socket of its own: `Question(io, spec, done)` with start(DataPath*),
// stop() and waits_for() does all of it, and lives as long as one of its operations is pending.
#pragma once

#include <memory>
#include <utility>

#include "control/health/prober.h"

namespace sluice::health {

template <class Question>
class LoneProber : public Prober {
 public:
  LoneProber(Surroundings& around, const Spec& spec) : io_(around.io), path_(around.data_path), spec_(spec) {}
  ~LoneProber() override { stop(); }
  LoneProber(const LoneProber&) = delete;
  LoneProber& operator=(const LoneProber&) = delete;

  void ask(Done done) override {
    question_ = std::make_shared<Question>(io_, spec_, std::move(done));
    question_->start(path_.get());
  }
  void stop() override {
    if (question_) std::exchange(question_, nullptr)->stop();
  }
  [[nodiscard]] std::string_view waits_for() const override {
    return question_ ? question_->waits_for() : "nothing";
  }

 private:
  boost::asio::io_context& io_;
  const std::shared_ptr<DataPath> path_;
  const Spec spec_;
  std::shared_ptr<Question> question_;
};

}  // namespace sluice::health
