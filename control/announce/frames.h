// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The frames by which hosts of one link agree on who has an address: ARP (RFC 826, RFC 5227) and neighbour
// discovery (RFC 4861, RFC 4862). Written whole, from the Ethernet header on, and read from bytes that
// anybody may have sent: what does not fit is nothing. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/wire/address.h"

namespace sluice::announce {

using Frame = std::vector<std::uint8_t>;

// "Has anybody this address?", which no host enters into a table: an ARP probe (RFC 5227 section 2.1.1), or a
// neighbour solicitation from the unspecified address (RFC 4862 section 5.4.2).
Frame probe(const IpAddress& address, const MacAddress& own);

// "I have this address", to all: a gratuitous ARP (RFC 5227 section 2.3) or an unsolicited neighbour
// advertisement that overrides (RFC 4861 section 7.2.6).
Frame announcement(const IpAddress& address, const MacAddress& own);

// "Who has this address? Tell me": an ordinary ARP request or neighbour solicitation of `asker`, who has
// `own`. Both addresses are of one family.
Frame question(const IpAddress& address, const IpAddress& asker, const MacAddress& own);

// What a frame of another host says about an address.
struct Heard {
  enum class Kind : std::uint8_t {
    kProbe,   // its sender would like to have it
    kHolder,  // its sender has it
  } kind = Kind::kHolder;
  IpAddress address;
  MacAddress mac;  // of that sender
  friend bool operator==(const Heard&, const Heard&) = default;
};

// Nothing for frames that say nothing about addresses, and for broken ones.
std::optional<Heard> heard_in(std::span<const std::uint8_t> frame);

}  // namespace sluice::announce
