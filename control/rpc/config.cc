// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/diff.h"
#include "control/config/parse.h"
#include "control/config/print.h"
#include "control/rpc/appliance.h"

namespace sluice::rpc {

using nlohmann::json;

namespace {

std::string first_lines(const std::vector<config::Problem>& problems) {
  constexpr std::size_t kShown = 5;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, problems.size()); ++i) {
    text += (i ? "; " : "") + config::to_string(problems[i]);
  }
  if (problems.size() > kShown) text += "; and " + std::to_string(problems.size() - kShown) + " more";
  return text;
}

config::Model read(const std::string& file) {
  config::Result result = config::parse_file(file);
  if (!result.model) throw Error(kBadConfiguration, first_lines(result.problems));
  return std::move(*result.model);
}

json check(const Appliance& appliance, const std::string& file) {
  const config::Model model = read(file);
  json changes = json::array();
  for (const config::Action& action : config::diff(appliance.live.model(), model)) {
    changes.push_back(config::describe(action));
  }
  return {{"file", file}, {"valid", true}, {"changes", changes}};
}

}  // namespace

void add_config(Router& router, Appliance& appliance) {
  // Reading a file of the caller's choice with our rights is a change's privilege.
  router.add({.name = "config.check",
              .access = Access::kChange,
              .parameters = {{.name = "file", .required = true, .help = "the file to examine"}},
              .help = "Says what is wrong with a file, or what a reload of it would change.",
              .handler = [&appliance](const json& params) { return check(appliance, params.at("file")); }});
  router.add({.name = "config.reload",
              .access = Access::kChange,
              .parameters = {{.name = "file", .help = "another file than the one in use"}},
              .help = "Applies the difference between what runs and the file.",
              .handler = [&appliance](const json& params) -> json {
                const std::string file = params.value("file", appliance.config_file);
                const auto done = appliance.apply(read(file), {});
                appliance.config_file = file;
                return {{"file", file}, {"done", done}};
              }});
  router.add({.name = "config.show",
              .help = "What runs, as a file that can be loaded again; without the hash key, which is secret.",
              .handler = [&appliance](const json&) -> json {
                return config::to_text_without_secrets(appliance.live.model());
              }});
}

}  // namespace sluice::rpc
