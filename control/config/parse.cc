// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/parse.h"

#include "control/config/dip_lists.h"
#include "control/config/keys.h"
#include "control/config/source.h"
#include "control/config/tree.h"
#include "control/config/validate.h"

namespace sluice::config {
namespace {

// The readers noted rows of the joined text; the operator knows lines of files.
void rows_to_lines(Model& model, const Source& source) {
  for (DipList& list : model.dip_lists)
    for (Dip& dip : list.dips) dip.line = source.origin(dip.line).line;
  for (Service& service : model.services) {
    service.line = source.origin(service.line).line;
    for (Group& group : service.groups)
      for (Dip& dip : group.dips) dip.line = source.origin(dip.line).line;
  }
  for (Iip& iip : model.iips) iip.line = source.origin(iip.line).line;
}

Result read(const Source& source, std::optional<Problem> problem) {
  std::optional<Node> root;
  if (!problem) root = read_tree(source, problem);
  if (!root) return {std::nullopt, {*std::move(problem)}};
  Model model;
  Report report(&source);
  read_section(report, *root, model_keys(), model);
  share_dips(model);
  judge(report, model);
  if (!report.empty()) return {std::nullopt, report.problems()};
  rows_to_lines(model, source);
  return {std::move(model), {}};
}

}  // namespace

std::optional<Service> read_service(const Node& node, std::string& error) {
  Report report;
  Service service;
  if (node.kind == Node::Kind::kGroup)
    read_section(report, node, service_keys(), service);
  else
    report.add("a service is " + std::string(to_word(node.kind)) + "; give a group of keys");
  judge_section(report, service, service_keys());
  if (report.empty()) return service;
  error = report.problems().front().what;
  return std::nullopt;
}

Result parse_file(const std::string& path) {
  Source source;
  auto problem = gather_file(path, source);
  return read(source, std::move(problem));
}

Result parse_text(std::string_view text, const std::string& name) {
  Source source;
  auto problem = gather_text(text, name, source);
  return read(source, std::move(problem));
}

}  // namespace sluice::config
