// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/table/pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <new>
#include <optional>
#include <string>

namespace sluice {
namespace {

constexpr std::size_t kSmall = 4096, kHuge = 2u << 20;

void* reserve(std::size_t bytes) {
  void* start =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return start == MAP_FAILED ? nullptr : start;
}

// The number after `name` in a file of lines "name number ...", as in /proc/meminfo and memory.stat.
std::optional<std::uint64_t> named_number(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name)) return std::strtoull(line.c_str() + name.size(), nullptr, 10);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  if (file >> number) return number;
  return std::nullopt;  // no such file, or "max"
}

// What one control group leaves: its limit less what it cannot give back.
std::uint64_t left_in_group(const std::string& directory) {
  const auto limit = number_in(directory + "/memory.max"), used = number_in(directory + "/memory.current");
  if (!limit || !used) return std::numeric_limits<std::uint64_t>::max();
  std::uint64_t cache = 0;
  for (const char* kind : {"inactive_file ", "active_file "}) {
    cache += named_number(directory + "/memory.stat", kind).value_or(0);
  }
  const std::uint64_t kept = *used - std::min(cache, *used);
  return *limit - std::min(kept, *limit);
}

}  // namespace

Pages::Pages(std::size_t bytes, bool at_once) : bytes_(bytes) {
  if (bytes == 0) return;
  // Whole huge pages only where there is at least one: a small table shall not cost 2 MiB.
  const std::size_t extra = bytes >= kHuge ? kHuge : 0;
  auto* start = static_cast<char*>(reserve(bytes + extra));
  if (!start) throw std::bad_alloc();
  if (extra) {
    const std::size_t front = -reinterpret_cast<std::uintptr_t>(start) & (kHuge - 1);
    const std::size_t kept = (bytes + kSmall - 1) & ~(kSmall - 1);
    if (front) munmap(start, front);
    if (extra > front) munmap(start + front + kept, extra - front);
    start += front;
    madvise(start, kept, MADV_HUGEPAGE);  // an advice: without huge pages it only is slower
  }
  start_ = start;
  if (at_once && madvise(start, bytes, MADV_POPULATE_WRITE) != 0) {  // not before Linux 5.14
    for (std::size_t page = 0; page < bytes; page += kSmall) start[page] = 0;
  }
}

Pages::~Pages() {
  if (start_) munmap(start_, bytes_);
}

std::size_t Pages::largest(std::size_t most) {
  constexpr std::size_t kStep = 1u << 20;
  std::size_t good = 0, bad = most / kStep + 1;
  while (bad - good > 1) {
    const std::size_t middle = good + (bad - good) / 2;
    void* start = reserve(middle * kStep);
    if (start) munmap(start, middle * kStep);
    (start ? good : bad) = middle;
  }
  return good * kStep;
}

std::uint64_t free_memory() {
  std::uint64_t left = std::numeric_limits<std::uint64_t>::max();
  if (const auto kib = named_number("/proc/meminfo", "MemAvailable:")) left = *kib * 1024;
  std::ifstream membership("/proc/self/cgroup");
  for (std::string line; std::getline(membership, line);) {
    if (!line.starts_with("0::/")) continue;
    for (std::string path = line.substr(3);; path.resize(path.rfind('/'))) {
      left = std::min(left, left_in_group("/sys/fs/cgroup" + path));
      if (path.empty() || path == "/") break;
    }
  }
  return left;
}

}  // namespace sluice
