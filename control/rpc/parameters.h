// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// Holds what a caller sent against what a method says it takes, before the method sees it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "control/rpc/router.h"

namespace sluice::rpc {

// "string", "integer", ...: the word in messages and in rpc.describe.
const char* type_word(Type type);

// `params` (an object, or null for none) without its null members. Throws Error{kInvalidParams, sentence} for
// the first thing that is wrong: no object, an unknown name (with the nearest), a missing one, a wrong type,
// a value out of range or not among the choices.
nlohmann::json checked_parameters(const Method& method, const nlohmann::json& params);

}  // namespace sluice::rpc
