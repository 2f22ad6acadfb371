// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/confine/users.h"

#include <pwd.h>

#include <charconv>
#include <vector>

namespace sluice::confine {
namespace {

constexpr std::size_t kEntryBytes = 64 * 1024;

// `find` is getpwnam_r or getpwuid_r without its first argument.
template <class Find>
std::optional<User> look_up(Find find) {
  std::vector<char> room(kEntryBytes);
  passwd entry{};
  passwd* found = nullptr;
  if (find(&entry, room.data(), room.size(), &found) != 0 || !found) return {};
  return User{entry.pw_name, entry.pw_uid, entry.pw_gid};
}

std::optional<User> user_of(uid_t uid) {
  return look_up([&](auto... rest) { return getpwuid_r(uid, rest...); });
}

}  // namespace

std::optional<User> user_named(const std::string& name) {
  uid_t uid = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), uid);
  if (error == std::errc() && end == name.data() + name.size()) return user_of(uid);
  return look_up([&](auto... rest) { return getpwnam_r(name.c_str(), rest...); });
}

std::string name_of(uid_t uid) {
  const auto user = user_of(uid);
  return user ? user->name : std::to_string(uid);
}

}  // namespace sluice::confine
