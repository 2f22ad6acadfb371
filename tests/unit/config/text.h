// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Small valid configurations around the part that a test is about. Their line numbers are part of the tests.
#pragma once

#include <string>
#include <vector>

#include "control/config/parse.h"

namespace sluice::config::test {

inline const std::string kPorts = "ports = ( { name = \"up\"; device = \"net_null0\"; } );";
inline const std::string kWorkers = "workers = ( { lcore = 1; } );";

// Line 1 is `dataplane: {`; `keys` begin on line 2.
inline std::string with_dataplane(const std::string& keys) {
  return "dataplane: {\n" + keys + "\n};\n";
}

// Ports and workers on line 1; `text` begins on line 2.
inline std::string after_dataplane(const std::string& text) {
  return "dataplane: { " + kPorts + " " + kWorkers + " };\n" + text;
}

// `keys` of the section control begin on line 3.
inline std::string with_control(const std::string& keys) {
  return after_dataplane("control: {\n" + keys + "\n};\n");
}

// `keys` of the only port begin on line 3; it has a name and a device.
inline std::string with_port(const std::string& keys) {
  return with_dataplane("ports = ( { name = \"up\"; device = \"net_null0\";\n" + keys + " } );\n" + kWorkers);
}

// `services` (what stands between the brackets) begin on line 3.
inline std::string with_services(const std::string& services) {
  return after_dataplane("services: (\n" + services + "\n);\n");
}

// `keys` of the only service begin on line 4; it has a name and a VIP.
inline std::string with_service(const std::string& keys) {
  return with_services("{ name = \"web\"; vip = \"203.0.113.10\";\n" + keys + " }");
}

// `dips` (what stands between the brackets) begin on line 5.
inline std::string with_dips(const std::string& dips) {
  return with_service("port = 80; dips = (\n" + dips + " );");
}

inline std::vector<std::string> problems_of(const std::string& text) {
  std::vector<std::string> lines;
  for (const Problem& problem : parse_text(text, "f").problems) lines.push_back(to_string(problem));
  return lines;
}

}  // namespace sluice::config::test
