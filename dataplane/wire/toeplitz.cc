// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/wire/toeplitz.h"

#include <bit>
#include <cstring>

namespace sluice {
namespace {

// For one flow alone: twice the cost of its share in a burst.
std::uint32_t hash_one(const ToeplitzKey& key, const FlowKey& flow, toeplitz::Take take) {
  if (!key.uses_gfni()) return toeplitz::scalar(key, flow, take);
  std::uint32_t out;
  const std::uint64_t is_v4 = flow.is_v4();
  toeplitz::gfni(key, {&flow, &take, is_v4, is_v4 ^ 1}, &out);
  return out;
}

template <typename FieldsOf>
void burst(const ToeplitzKey& key, const FlowKey* flows, FieldsOf fields_of, std::uint64_t mask,
           std::uint32_t* out) {
  if (!key.uses_gfni()) {
    for (std::uint64_t left = mask; left != 0; left &= left - 1) {
      const auto i = static_cast<unsigned>(std::countr_zero(left));
      out[i] = toeplitz::scalar(key, flows[i], toeplitz::take(flows[i], fields_of(i)));
    }
    return;
  }
  toeplitz::Take take[64];
  std::uint64_t v4 = 0;
  for (std::uint64_t left = mask; left != 0; left &= left - 1) {
    const auto i = static_cast<unsigned>(std::countr_zero(left));
    take[i] = toeplitz::take(flows[i], fields_of(i));
    v4 |= std::uint64_t{flows[i].is_v4()} << i;
  }
  toeplitz::gfni(key, {flows, take, v4, mask ^ v4}, out);
}

}  // namespace

ToeplitzKey::ToeplitzKey(std::span<const std::uint8_t, kBytes> key) : gfni_(toeplitz::gfni_supported()) {
  std::memcpy(bytes_.data(), key.data(), kBytes);
  for (std::size_t word = 0; word < windows_.size(); ++word) {
    Big64 window;
    std::memcpy(&window, &bytes_[word * 4], 8);
    windows_[word] = window.value();
  }
  // Row r (byte r of the matrix) makes output bit r, counted from the highest, out of key bits 8o+r ..
  // 8o+r+7.
  for (std::size_t o = 0; o + 1 < kBytes; ++o) {
    const unsigned pair = key[o] * 256u + key[o + 1];
    for (unsigned row = 0; row < 8; ++row)
      matrices_[o] |= static_cast<std::uint64_t>(pair >> (8 - row) & 0xff) << (8 * row);
  }
}

std::uint32_t ToeplitzKey::hash_addresses(const FlowKey& flow) const {
  return hash_one(*this, flow, toeplitz::kTakeAddresses);
}
std::uint32_t ToeplitzKey::hash_with_ports(const FlowKey& flow) const {
  return hash_one(*this, flow, toeplitz::kTakePorts);
}
std::uint32_t ToeplitzKey::hash_source(const FlowKey& flow) const {
  return hash_one(*this, flow, toeplitz::kTakeSource);
}
std::uint32_t ToeplitzKey::hash(const FlowKey& flow, HashFields fields) const {
  return hash_one(*this, flow, toeplitz::take(flow, fields));
}

void hash_burst(const ToeplitzKey& key, const FlowKey* flows, HashFields fields, std::uint64_t mask,
                std::uint32_t* out) {
  burst(
      key, flows, [=](unsigned) { return fields; }, mask, out);
}
void hash_burst(const ToeplitzKey& key, const FlowKey* flows, const HashFields* fields, std::uint64_t mask,
                std::uint32_t* out) {
  burst(
      key, flows, [=](unsigned i) { return fields[i]; }, mask, out);
}

}  // namespace sluice
