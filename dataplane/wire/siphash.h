// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// SipHash-2-4 (Aumasson, Bernstein, 2012): a keyed one-way function for what control derives from secrets and
// identities. Not for packets: about 15 ns for 16 bytes; keyed_hash.h is for those.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace sluice {

// The same on every machine: numbers are read and the result is defined in little-endian order.
[[nodiscard]] std::uint64_t siphash24(std::span<const std::uint8_t, 16> key,
                                      std::span<const std::uint8_t> message);

}  // namespace sluice
