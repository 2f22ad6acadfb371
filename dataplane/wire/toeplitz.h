// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The Toeplitz hash of receive side scaling: the first hash of a packet, and the one a NIC may have done
// already. It is linear in its input (H(a xor b) = H(a) xor H(b)): whoever knows the key can compute flows
// that collide, so the key is a secret and everything behind tier 1 uses keyed_hash.h.
//
// Input bytes, in network byte order, as NICs take them: source address, destination address, source port,
// destination port; IPv4 addresses (v4-mapped in a FlowKey) are four bytes. Because of linearity a field that
// is left out at the end hashes like zeros, so one layout serves every choice of fields.
//
// Three twins give the same value: reference (bit by bit, for tests), scalar, and GFNI with AVX-512, chosen
// at construction by what the cpu can do whatever -march was. Cost of an IPv4 flow on a 2.6 GHz Zen 5: 3.3 ns
// in a burst by GFNI (1.3 of them for the hash itself, the rest for family and fields), 6 alone, 25 to 60 by
// the scalar twin (clang, gcc); IPv6 4.1, 7.5, 80 to 190.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/wire/flow_key.h"
#include "dataplane/wire/headers.h"

namespace sluice {

// Immutable after construction; any thread. 448 bytes, seven cache lines.
class ToeplitzKey {
 public:
  static constexpr std::size_t kBytes = 40;
  static constexpr std::size_t kMatrices = 40;

  explicit ToeplitzKey(std::span<const std::uint8_t, kBytes> key);

  // Results in host byte order, as in the published vectors and in an mbuf's RSS field.
  [[nodiscard]] std::uint32_t hash_addresses(const FlowKey& flow) const;   // 8 or 32 bytes
  [[nodiscard]] std::uint32_t hash_with_ports(const FlowKey& flow) const;  // 12 or 36 bytes
  [[nodiscard]] std::uint32_t hash_source(const FlowKey& flow) const;      // 4 or 16 bytes
  // What the service asks for (A2). The protocol number itself is no input of RSS; ports count only for TCP,
  // UDP and SCTP, as NICs do it, and a three-tuple is the two addresses.
  [[nodiscard]] std::uint32_t hash(const FlowKey& flow, HashFields fields) const;

  [[nodiscard]] const std::array<std::uint8_t, kBytes>& bytes() const { return bytes_; }
  // For output byte k and input byte j the matrix j+k, in the form of GF2P8AFFINEQB.
  [[nodiscard]] const std::uint64_t* matrices() const { return matrices_.data(); }
  // 32 input bits against the 64 key bits that start at the same place.
  [[nodiscard]] std::uint64_t window(unsigned word) const { return windows_[word]; }
  [[nodiscard]] bool uses_gfni() const { return gfni_; }

 private:
  alignas(64) std::array<std::uint64_t, kMatrices> matrices_{};
  std::array<std::uint64_t, kBytes / 4 - 1> windows_{};
  std::array<std::uint8_t, kBytes> bytes_{};
  bool gfni_ = false;
};

// out[i] = key.hash(flows[i], fields) for each i whose bit is set in `mask`; the other out[i] stay as they
// are. flows, fields (second form) and out have an element for the highest bit of mask. Never allocates or
// fails.
void hash_burst(const ToeplitzKey& key, const FlowKey* flows, HashFields fields, std::uint64_t mask,
                std::uint32_t* out);
void hash_burst(const ToeplitzKey& key, const FlowKey* flows, const HashFields* fields, std::uint64_t mask,
                std::uint32_t* out);

// The twins. `take` has a bit for each of a FlowKey's 40 bytes that is hashed; the rest counts as zero.
namespace toeplitz {

using Take = std::uint64_t;
inline constexpr Take kTakeSource = 0xffff;
inline constexpr Take kTakeAddresses = 0xffffffff;
inline constexpr Take kTakePorts = 0xfffffffff;

// Without branches: protocols are mixed in a burst, and a wrong guess costs more than the hash.
[[nodiscard]] inline Take take(const FlowKey& flow, HashFields fields) {
  static constexpr Take kBy[2][3] = {{kTakeAddresses, kTakeAddresses, kTakeSource},
                                     {kTakePorts, kTakeAddresses, kTakeSource}};
  const bool ports =
      (flow.protocol == kProtoTcp) | (flow.protocol == kProtoUdp) | (flow.protocol == kProtoSctp);
  return kBy[ports][static_cast<unsigned>(fields)];
}

// By the definition, bit by bit; `input` of at most 36 bytes.
std::uint32_t reference(std::span<const std::uint8_t, ToeplitzKey::kBytes> key,
                        std::span<const std::uint8_t> input);
std::uint32_t scalar(const ToeplitzKey& key, const FlowKey& flow, Take take);

// A burst: out[i] is made of the bytes take[i] of flows[i] for each bit i of v4 (an IPv4 flow) or v6.
struct Burst {
  const FlowKey* flows;
  const Take* take;
  std::uint64_t v4, v6;
};
bool gfni_supported();
// Only where gfni_supported().
void gfni(const ToeplitzKey& key, const Burst& burst, std::uint32_t* out);

}  // namespace toeplitz
}  // namespace sluice
