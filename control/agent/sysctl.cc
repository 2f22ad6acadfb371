// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace sluice::agent {

std::vector<SysctlChange> sysctls_for_dsr(const std::string& interface, const SysctlReader& read) {
  const auto value = [&](const std::string& of, const char* name) {
    const auto text = read("net/ipv4/conf/" + of + "/" + name);
    return text ? std::atoi(text->c_str()) : 0;
  };
  const auto effective = [&](const char* name) {
    return std::max(value("all", name), value(interface, name));
  };
  const std::string own = "net/ipv4/conf/" + interface + "/";
  std::vector<SysctlChange> changes;
  if (effective("arp_ignore") < 1) changes.push_back({own + "arp_ignore", "1"});
  if (effective("arp_announce") < 2) changes.push_back({own + "arp_announce", "2"});
  if (effective("rp_filter") == 1) changes.push_back({own + "rp_filter", "2"});
  return changes;
}

unsigned effective_rp_filter(const std::string& interface, const SysctlReader& read) {
  const auto value = [&](const std::string& of) {
    const auto text = read("net/ipv4/conf/" + of + "/rp_filter");
    return text ? std::atoi(text->c_str()) : 0;
  };
  return static_cast<unsigned>(std::max({value("all"), value(interface), 0}));
}

std::optional<std::string> read_sysctl(const std::string& path) {
  const int fd = open(("/proc/sys/" + path).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  char text[256];
  const ssize_t length = read(fd, text, sizeof(text));
  close(fd);
  if (length < 0) return std::nullopt;
  std::string value(text, static_cast<std::size_t>(length));
  while (!value.empty() && value.back() == '\n') value.pop_back();
  return value;
}

bool write_sysctl(const std::string& path, const std::string& value) {
  const int fd = open(("/proc/sys/" + path).c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = write(fd, value.data(), value.size()) == static_cast<ssize_t>(value.size());
  close(fd);
  return written;
}

}  // namespace sluice::agent
