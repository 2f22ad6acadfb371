// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Messages of control protocols that say by themselves that a flow begins or ends (B3), and whose flow it is
// (B15): GTP-C, RADIUS accounting, DHCP. Anybody can send such bytes, so every length is checked against the
// payload, and no message is read further than kMostElements attributes or options. What is not well-formed,
// or says nothing of the kind, gives an empty answer: then the packet is one like any other.
//
// Pure; any thread; never fails.
#pragma once

#include <optional>

#include "dataplane/wire/address.h"
#include "dataplane/wire/reader.h"

namespace sluice {

inline constexpr std::uint16_t kPortGtpC = 2123, kPortRadiusAccounting = 1813, kPortDhcp = 67;

struct SessionMessage {
  bool opens = false, closes = false;
  std::optional<IpAddress> subscriber;  // whose flow it is; of IPv6 the first 64 bits, the rest zero
};

inline constexpr unsigned kMostElements = 128;

// An IPv6 subscriber is a /64, since hosts choose the rest of their addresses themselves (RFC 8981).
[[nodiscard]] inline IpAddress subscriber_of(IpAddress address) {
  if (!address.is_v4()) std::memset(&address.byte[8], 0, 8);
  return address;
}

// `r` stands at the UDP payload and ends with it.

// Opens: Create PDP Context Request (version 1, TS 29.060 sections 6 and 7.1), Create Session Request
// (version 2, TS 29.274 section 5.1 and table 6.1-1). A deletion closes nothing: one pair of endpoints
// carries many sessions.
[[nodiscard]] SessionMessage read_gtp_c(Reader r);

// Accounting-Request (RFC 2866): Start opens, Stop closes, an interim update only names the subscriber, which
// for IPv4 is Framed-IP-Address (RFC 2865 section 5.8), for IPv6 Framed-IPv6-Prefix (RFC 3162 section 2.3) of
// at least 64 bits, or Framed-IPv6-Address (RFC 6911 section 3.1). One that names nobody says nothing.
[[nodiscard]] SessionMessage read_radius(Reader r, bool v6);

// DHCPREQUEST opens, for the address that it asks for or has (RFC 2131 section 4.3.2); DHCPRELEASE and
// DHCPDECLINE close. IPv4 only.
[[nodiscard]] SessionMessage read_dhcp(Reader r);

}  // namespace sluice
