// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Valid models of every kind that the rules allow, for properties that must hold for all of them.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "control/config/model.h"

namespace sluice::config::test {

class RandomModel {
 public:
  explicit RandomModel(std::uint64_t seed) : random_(seed) {}

  Model model();
  // Another valid model: `model` with some services, groups, DIPs and policies changed, in another order.
  Model neighbour(Model model);
  Dip dip();

 private:
  std::uint64_t below(std::uint64_t end) {
    return std::uniform_int_distribution<std::uint64_t>(0, end - 1)(random_);
  }
  bool one_in(unsigned n) { return below(n) == 0; }
  template <class E>
  E word();
  std::string text();

  Control control();
  Port port(unsigned index);
  Dataplane dataplane();
  Service service(unsigned index);
  std::vector<Iip> iips(const Dataplane& dataplane);
  Pool pool();
  void policy(Service& service);
  void flow_policy(Service& service);
  Group group(const std::string& name);
  DipList list(unsigned index);
  void share(Model& model);
  void change(Service& service);

  std::mt19937_64 random_;
};

}  // namespace sluice::config::test
