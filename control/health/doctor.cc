// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/doctor.h"

#include <boost/asio/post.hpp>
#include <deque>
#include <utility>

namespace sluice::health {
namespace {

struct Patient {
  config::Service service;  // without its groups
  config::Dip dip;
  Walked done;
  unsigned tries = 0;  // walks on which something could not be asked
};

constexpr unsigned kMostTries = 3;

// The first step that failed, for one that nobody has examined.
std::string where_it_failed(const Diagnosis& diagnosis) {
  for (const Step& step : diagnosis.steps)
    if (step.ok == false) return step.name + ": " + step.text;
  return diagnosis.verdict;
}

Finding finding_of(const Diagnosis& diagnosis) {
  if (diagnosis.well) return {.text = "the doctor found its way good"};
  if (diagnosis.unclear) return {.text = "the doctor cannot tell: " + diagnosis.verdict};
  return {.refused = true, .text = diagnosis.verdict};
}

}  // namespace

struct Doctor::Practice : std::enable_shared_from_this<Practice> {
  Practice(boost::asio::io_context& io, DoctorOptions options)
      : means(std::make_shared<CheckupMeans>(std::move(options), io)) {}

  void next();
  void admit(std::shared_ptr<Patient> patient);
  bool comes_again(const std::shared_ptr<Patient>& patient, const Diagnosis& diagnosis);
  void walked(const std::shared_ptr<Patient>& patient, const Diagnosis& diagnosis);

  std::shared_ptr<CheckupMeans> means;
  unsigned checked = 0, examined = 0, walking = 0;  // under way: asked for; of admit()
  std::deque<std::shared_ptr<Patient>> waiting;
};

Doctor::Doctor(boost::asio::io_context& io, DoctorOptions options)
    : practice_(std::make_shared<Practice>(io, std::move(options))) {}

bool Doctor::check(const config::Service& service, const config::Dip& dip, Done done) {
  if (practice_->checked >= kMostAtOnce) return false;
  ++practice_->checked;
  check_up(practice_->means, Extent::kWhole, service, dip,
           [practice = practice_, done = std::move(done)](const Diagnosis& diagnosis) {
             --practice->checked;
             done(diagnosis);
           });
  return true;
}

void Doctor::admit(const config::Service& service, const config::Dip& dip, Walked done) {
  auto patient = std::make_shared<Patient>(Patient{service, dip, std::move(done)});
  patient->service.groups.clear();
  practice_->admit(std::move(patient));
}

void Doctor::Practice::admit(std::shared_ptr<Patient> patient) {
  waiting.push_back(std::move(patient));
  boost::asio::post(means->around.io, [self = shared_from_this()] { self->next(); });
}

// We were held up, or had no socket left: behind those who wait, there may be.
bool Doctor::Practice::comes_again(const std::shared_ptr<Patient>& patient, const Diagnosis& diagnosis) {
  if (!diagnosis.unable || ++patient->tries >= kMostTries) return false;
  admit(patient);
  return true;
}

// Every call begins one walk at most, so that the loop has its turn between two.
void Doctor::Practice::next() {
  if (walking >= kMostWalksAtOnce || waiting.empty()) return;
  const auto patient = std::move(waiting.front());
  waiting.pop_front();
  ++walking;
  const std::string unseen = why_no_walk(*means, patient->service, patient->dip);
  if (!unseen.empty()) {
    Diagnosis untried;
    untried.unclear = true;
    untried.verdict = unseen;
    return walked(patient, untried);
  }
  check_up(
      means, Extent::kClientsWay, patient->service, patient->dip,
      [self = shared_from_this(), patient](const Diagnosis& diagnosis) { self->walked(patient, diagnosis); });
}

void Doctor::Practice::walked(const std::shared_ptr<Patient>& patient, const Diagnosis& diagnosis) {
  --walking;
  boost::asio::post(means->around.io, [self = shared_from_this()] { self->next(); });
  if (comes_again(patient, diagnosis)) return;
  const bool untried = diagnosis.steps.empty();
  if (diagnosis.well || untried || diagnosis.unable) return patient->done(finding_of(diagnosis));
  if (examined >= kMostAtOnce)
    return patient->done({.refused = true, .text = where_it_failed(diagnosis), .examined = false});
  ++examined;
  check_up(means, Extent::kWhole, patient->service, patient->dip,
           [self = shared_from_this(), patient](const Diagnosis& whole) {
             --self->examined;
             if (self->comes_again(patient, whole)) return;
             patient->done(finding_of(whole));
           });
}

}  // namespace sluice::health
