// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What this process got from the one before, for `status` and the metrics.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "dataplane/table/flow_record.h"

namespace sluice::restart {

struct Outcome {
  enum class Kind : std::uint8_t {
    kNothing,  // there was no file: a first start, or a process that was killed
    kTaken,
    kRefused,
  } kind = Kind::kNothing;
  std::string why = {};               // kRefused, and what of a file that was taken could not be
  std::string program = {};           // the version that wrote it
  std::chrono::milliseconds away{0};  // from when it was written until packets could flow again
  std::chrono::milliseconds took{0};  // of these, for reading it
  std::uint64_t tables = 0, tables_refused = 0;
  std::uint64_t transitions = 0;
  FlowsRestored flows = {};
};

std::string_view to_word(Outcome::Kind kind);

}  // namespace sluice::restart
