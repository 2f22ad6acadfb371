// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Users of this machine, by name or number. Any thread.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace sluice::confine {

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;  // its primary group
};
// Nothing when there is none.
std::optional<User> user_named(const std::string& name_or_number);
// Its name, or the number as text.
std::string name_of(uid_t uid);

}  // namespace sluice::confine
