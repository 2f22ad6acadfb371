// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The kernel settings that direct server return needs, of the interfaces where tunnel packets come in:
//   arp_ignore 1    a VIP on loopback is not answered for on the wire: the MUX owns it there
//   arp_announce 2  nor is it told to neighbours as the sender of our own ARP requests
//   rp_filter 2     where it was 1 (strict): the client need not be routed back the way the tunnel came
// The kernel uses the larger of the value for "all" and the interface's own, so raising the latter suffices
// and leaves other interfaces alone. IPv6 answers neighbours only for addresses of the very interface.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace sluice::agent {

struct SysctlChange {
  std::string path;   // below /proc/sys
  std::string value;  // to write
};

using SysctlReader = std::function<std::optional<std::string>(const std::string& path)>;

// What must change for `interface`, given the values that `read` returns; settings that serve are not in it.
// Pure.
std::vector<SysctlChange> sysctls_for_dsr(const std::string& interface, const SysctlReader& read);

// The rp_filter that the kernel goes by on this interface, given the values that `read` returns. Pure.
unsigned effective_rp_filter(const std::string& interface, const SysctlReader& read);

// The value without its newline; nothing when there is no such setting.
std::optional<std::string> read_sysctl(const std::string& path);
// False, with errno set, when it could not be written.
bool write_sysctl(const std::string& path, const std::string& value);

}  // namespace sluice::agent
