// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The ledger: what the agent has changed on this host, written down before it is changed, so that the next
// agent can take over from one that was killed (kill -9) and still knows how the host was before. It lies
// below /run: a reboot clears it together with what it describes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::agent {

struct Ledger {
  struct Sysctl {
    std::string path;    // below /proc/sys
    std::string before;  // the value to restore
    std::string set;     // what the agent wrote; another value found there is somebody else's wish
    friend bool operator==(const Sysctl&, const Sysctl&) = default;
  };
  std::vector<Sysctl> sysctls;
  std::vector<std::string> addresses;   // VIPs (prefixes as text) put on loopback
  std::vector<std::string> interfaces;  // that carry our programs
  std::vector<std::string> qdiscs;      // interfaces whose clsact qdisc was made here
  std::uint16_t tc_priority = 0;        // of our programs
  friend bool operator==(const Ledger&, const Ledger&) = default;
};

// Which running kernel and network namespace a ledger speaks of. A ledger of another one says nothing here.
struct Place {
  std::string boot_id;
  std::uint64_t namespace_id = 0;
  static Place here();  // throws std::system_error
};

std::string to_json(const Ledger& ledger, const Place& place);
// An empty ledger when the text is none or is about another place.
Ledger from_json(const std::string& text, const Place& place);

// The file; all calls from one thread. Writing is atomic (rename); errors throw std::system_error.
class LedgerFile {
 public:
  // `path` empty: a file below /run named after the network namespace.
  explicit LedgerFile(std::string path);
  [[nodiscard]] Ledger load() const;
  void store(const Ledger& ledger) const;
  void remove() const;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  Place place_;
  std::string path_;
};

}  // namespace sluice::agent
