// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/wire/keyed_hash.h"

#include <string>

#include "dataplane/wire/siphash.h"

namespace sluice {
namespace {

void store(std::uint64_t value, std::uint8_t* at) {
  for (unsigned i = 0; i < 8; ++i) at[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

// Block `number` of the stream that the secret makes: SipHash in counter mode.
KeyedHash::Block stream(std::span<const std::uint8_t, 16> secret, std::uint8_t number) {
  KeyedHash::Block block;
  for (std::uint8_t half = 0; half < 2; ++half) {
    const std::array<std::uint8_t, 2> counter{number, half};
    store(siphash24(secret, counter), &block[half * 8u]);
  }
  return block;
}

}  // namespace

HashSecret derive_secret(std::span<const std::uint8_t> toeplitz_key, std::string_view purpose) {
  // All of the key enters twice: folded into SipHash's own key, and as the message.
  HashSecret folded{};
  for (std::size_t i = 0; i < toeplitz_key.size(); ++i) folded[i % folded.size()] ^= toeplitz_key[i];
  std::string message(toeplitz_key.begin(), toeplitz_key.end());
  message += purpose;
  message += '\0';  // the lane's number
  HashSecret secret;
  for (unsigned lane = 0; lane < 2; ++lane) {
    message.back() = static_cast<char>(lane);
    store(siphash24(folded, {reinterpret_cast<const std::uint8_t*>(message.data()), message.size()}),
          &secret[lane * 8]);
  }
  return secret;
}

KeyedHash::KeyedHash(std::span<const std::uint8_t, 16> secret) : aesni_(keyed_hash::aesni_supported()) {
  std::uint8_t number = 0;
  for (Block& key : round_keys_) key = stream(secret, number++);
  for (Block& offset : offsets_) offset = stream(secret, number++);
}

std::uint64_t KeyedHash::operator()(const FlowKey& flow, HashFields fields) const {
  std::uint64_t out;
  const keyed_hash::Burst one{&flow, &fields, 0, 1};
  aesni_ ? keyed_hash::burst_aesni(*this, one, &out) : keyed_hash::burst_software(*this, one, &out);
  return out;
}

std::uint64_t KeyedHash::bytes(std::span<const std::uint8_t> bytes) const {
  return aesni_ ? keyed_hash::bytes_aesni(*this, bytes) : keyed_hash::bytes_software(*this, bytes);
}

void hash_burst(const KeyedHash& hash, const FlowKey* flows, HashFields fields, std::uint64_t mask,
                std::uint64_t* out) {
  const keyed_hash::Burst burst{flows, &fields, 0, mask};
  hash.uses_aesni() ? keyed_hash::burst_aesni(hash, burst, out)
                    : keyed_hash::burst_software(hash, burst, out);
}

void hash_burst(const KeyedHash& hash, const FlowKey* flows, const HashFields* fields, std::uint64_t mask,
                std::uint64_t* out) {
  const keyed_hash::Burst burst{flows, fields, 1, mask};
  hash.uses_aesni() ? keyed_hash::burst_aesni(hash, burst, out)
                    : keyed_hash::burst_software(hash, burst, out);
}

}  // namespace sluice
