// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// An advert on the wire: a word with the numbers that tell old from new, sealed by HMAC-SHA256 (RFC 2104,
// RFC 6234) with the pool's secret. Every byte is under the seal, and nothing is read before the seal holds.
// All numbers are big endian.
//
//   4 "SLP2"  32 seal  8 boot  8 sequence  8 echo of boot  8 echo of sequence  1 flags  1 busy percent  6 MAC
//   pool, from, to, offer_to: 1 length and so many bytes each
//   1 number of IIPs, each 16 address  1 claim and flags  4 term
//
// Adverts are addressed: one for another member is refused, so that it cannot be played back to its sender or
// to a third. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control/pool/election.h"

namespace sluice::pool {

inline constexpr std::size_t kMostIips = 48, kMostMembers = 16;  // an advert fits into one packet
inline constexpr std::size_t kMostAdvertBytes = 1400;

// Which advert this is, and the last that its sender has heard of its receiver.
struct Stamp {
  std::uint64_t boot = 0, sequence = 0;
  std::uint64_t echo_boot = 0, echo_sequence = 0;
  friend bool operator==(const Stamp&, const Stamp&) = default;
};

struct Advert {
  std::string pool, to;
  Stamp stamp;
  Word word;       // word.member is the sender
  MacAddress mac;  // of the sender's port, for frames that are to take its data path; 0 = none
  friend bool operator==(const Advert&, const Advert&) = default;
};

// At most kMostIips IIPs and names of 63 bytes.
std::vector<std::uint8_t> seal(const Advert& advert, std::string_view secret);
// A body under its seal; for seal() and for tests of what a broken member may send.
std::vector<std::uint8_t> sealed(std::span<const std::uint8_t> body, std::string_view secret);
// Nothing when the seal does not hold or anything does not fit.
std::optional<Advert> open(std::span<const std::uint8_t> datagram, std::string_view secret);

}  // namespace sluice::pool
