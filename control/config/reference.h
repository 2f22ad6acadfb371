// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The reference of the configuration file, written by the program that reads it.
#pragma once

#include <string>

namespace sluice::config {

// The whole of docs/configuration.md. A unit test holds the file against it; with SLUICE_REGENERATE=1 in the
// environment the test writes the file instead.
std::string reference_markdown();

}  // namespace sluice::config
