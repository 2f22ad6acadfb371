// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/ledger.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace sluice::agent {
namespace {

using nlohmann::json;

constexpr const char* kNamespace = "/proc/self/ns/net";

std::string read_whole(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// The kernel's cookie is never used twice during a boot (Linux 5.14); the inode, which older kernels leave us
// with, may be, after a namespace was deleted.
std::uint64_t cookie_or_inode() {
  std::uint64_t cookie = 0;
  socklen_t length = sizeof(cookie);
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("cannot open a socket");
  const int unknown = getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length);
  close(fd);
  if (unknown == 0) return cookie;
  struct stat st {};
  if (stat(kNamespace, &st) != 0) fail(kNamespace);
  return st.st_ino;
}

}  // namespace

Place Place::here() {
  std::string boot = read_whole("/proc/sys/kernel/random/boot_id");
  if (!boot.empty() && boot.back() == '\n') boot.pop_back();
  return {boot, cookie_or_inode()};
}

std::string to_json(const Ledger& ledger, const Place& place) {
  json sysctls = json::array();
  for (const auto& s : ledger.sysctls)
    sysctls.push_back({{"path", s.path}, {"before", s.before}, {"set", s.set}});
  return json{{"boot", place.boot_id},
              {"namespace", place.namespace_id},
              {"sysctls", sysctls},
              {"addresses", ledger.addresses},
              {"interfaces", ledger.interfaces},
              {"qdiscs", ledger.qdiscs},
              {"tc_priority", ledger.tc_priority}}
             .dump(2) +
         "\n";
}

Ledger from_json(const std::string& text, const Place& place) {
  Ledger ledger;
  try {
    const json file = json::parse(text);
    if (file.at("boot") != place.boot_id || file.at("namespace") != place.namespace_id) return {};
    for (const json& s : file.at("sysctls"))
      ledger.sysctls.push_back({s.at("path"), s.at("before"), s.at("set")});
    file.at("addresses").get_to(ledger.addresses);
    file.at("interfaces").get_to(ledger.interfaces);
    file.at("qdiscs").get_to(ledger.qdiscs);
    file.at("tc_priority").get_to(ledger.tc_priority);
  } catch (const json::exception&) {
    return {};
  }
  return ledger;
}

LedgerFile::LedgerFile(std::string path) : place_(Place::here()), path_(std::move(path)) {
  if (!path_.empty()) return;
  struct stat st {};
  if (stat(kNamespace, &st) != 0) fail(kNamespace);
  path_ = "/run/sluice-agent-" + std::to_string(st.st_ino) + ".json";
}

Ledger LedgerFile::load() const {
  return from_json(read_whole(path_), place_);
}

void LedgerFile::store(const Ledger& ledger) const {
  const std::string fresh = path_ + ".new";
  std::ofstream out(fresh, std::ios::trunc);
  out << to_json(ledger, place_);
  out.close();
  if (!out) fail("cannot write " + fresh + ", point `state` at a directory that is there");
  if (rename(fresh.c_str(), path_.c_str()) != 0) fail("cannot rename " + fresh + " to " + path_);
}

void LedgerFile::remove() const {
  std::error_code ignored;  // it may be gone
  std::filesystem::remove(path_, ignored);
}

}  // namespace sluice::agent
