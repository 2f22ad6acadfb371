// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/pool/advert.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace sluice::pool {
namespace {

constexpr std::array<std::uint8_t, 4> kMagic = {'S', 'L', 'P', '2'};
constexpr std::size_t kSealBytes = 32, kMostName = 63;
constexpr std::uint8_t kReady = 1, kLeaving = 2, kDraining = 4, kAccuses = 8;  // of a word
constexpr std::uint8_t kClaim = 3, kOffered = 4, kUnable = 8;                  // of an IIP

using Seal = std::array<std::uint8_t, kSealBytes>;

Seal seal_of(std::span<const std::uint8_t> body, std::string_view secret) {
  Seal seal{};
  unsigned length = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), body.data(), body.size(), seal.data(),
       &length);
  return seal;
}

class Writer {
 public:
  template <std::size_t kBytes>
  void number(std::uint64_t value) {
    for (std::size_t i = kBytes; i-- > 0;) bytes_.push_back(static_cast<std::uint8_t>(value >> 8 * i));
  }
  void text(std::string_view text) {
    const std::string_view bounded = text.substr(0, kMostName);
    number<1>(bounded.size());
    bytes_.insert(bytes_.end(), bounded.begin(), bounded.end());
  }
  void bytes(std::span<const std::uint8_t> bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  std::vector<std::uint8_t> take() { return std::move(bytes_); }

 private:
  std::vector<std::uint8_t> bytes_;
};

// Hands out zeros once something did not fit; good() tells.
class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : left_(bytes) {}

  template <std::size_t kBytes>
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : take(kBytes)) value = value << 8 | byte;
    return value;
  }
  std::string text() {
    const std::size_t length = number<1>();
    if (length > kMostName) good_ = false;
    const auto bytes = take(length);
    return {bytes.begin(), bytes.end()};
  }
  std::span<const std::uint8_t> take(std::size_t count) {
    if (!good_ || count > left_.size()) {
      good_ = false;
      return {};
    }
    const auto taken = left_.first(count);
    left_ = left_.subspan(count);
    return taken;
  }
  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] bool at_end() const { return good_ && left_.empty(); }

 private:
  std::span<const std::uint8_t> left_;
  bool good_ = true;
};

void write_iip(Writer& out, const IipWord& iip) {
  out.bytes(iip.address.byte);
  out.number<1>(static_cast<std::uint64_t>(iip.claim) | (iip.offered ? kOffered : 0u) |
                (iip.unable ? kUnable : 0u));
  out.number<4>(iip.term);
}

bool read_iip(Reader& in, IipWord& iip) {
  const auto address = in.take(iip.address.byte.size());
  const auto flags = static_cast<std::uint8_t>(in.number<1>());
  iip.term = static_cast<std::uint32_t>(in.number<4>());
  if (!in.good() || (flags & kClaim) > static_cast<unsigned>(Claim::kHolding)) return false;
  std::memcpy(iip.address.byte.data(), address.data(), address.size());
  iip.claim = static_cast<Claim>(flags & kClaim);
  iip.offered = flags & kOffered;
  iip.unable = flags & kUnable;
  return true;
}

}  // namespace

std::vector<std::uint8_t> seal(const Advert& advert, std::string_view secret) {
  Writer body;
  for (const std::uint64_t number :
       {advert.stamp.boot, advert.stamp.sequence, advert.stamp.echo_boot, advert.stamp.echo_sequence})
    body.number<8>(number);
  const Word& word = advert.word;
  body.number<1>((word.ready ? kReady : 0u) | (word.leaving ? kLeaving : 0u) |
                 (word.draining ? kDraining : 0u) | (word.accuses ? kAccuses : 0u));
  body.number<1>(word.busy_percent);
  body.bytes(advert.mac.byte);
  for (const std::string& name : {advert.pool, word.member, advert.to, word.offer_to}) body.text(name);
  const std::size_t iips = std::min(word.iips.size(), kMostIips);
  body.number<1>(iips);
  for (std::size_t i = 0; i < iips; ++i) write_iip(body, word.iips[i]);
  return sealed(body.take(), secret);
}

std::vector<std::uint8_t> sealed(std::span<const std::uint8_t> body, std::string_view secret) {
  Writer out;
  out.bytes(kMagic);
  out.bytes(seal_of(body, secret));
  out.bytes(body);
  return out.take();
}

std::optional<Advert> open(std::span<const std::uint8_t> datagram, std::string_view secret) {
  if (datagram.size() < kMagic.size() + kSealBytes || datagram.size() > kMostAdvertBytes) return std::nullopt;
  if (!std::ranges::equal(datagram.first(kMagic.size()), kMagic)) return std::nullopt;
  const auto seal = datagram.subspan(kMagic.size(), kSealBytes);
  const auto body = datagram.subspan(kMagic.size() + kSealBytes);
  // In a time that does not tell how many bytes were right.
  if (CRYPTO_memcmp(seal.data(), seal_of(body, secret).data(), kSealBytes) != 0) return std::nullopt;
  Reader in(body);
  Advert advert;
  for (std::uint64_t* number :
       {&advert.stamp.boot, &advert.stamp.sequence, &advert.stamp.echo_boot, &advert.stamp.echo_sequence})
    *number = in.number<8>();
  Word& word = advert.word;
  const std::uint64_t flags = in.number<1>();
  word.ready = flags & kReady;
  word.leaving = flags & kLeaving;
  word.draining = flags & kDraining;
  word.accuses = flags & kAccuses;
  word.busy_percent = static_cast<std::uint8_t>(std::min<std::uint64_t>(in.number<1>(), 100));
  if (const auto mac = in.take(advert.mac.byte.size()); in.good())
    std::ranges::copy(mac, advert.mac.byte.begin());
  for (std::string* name : {&advert.pool, &word.member, &advert.to, &word.offer_to}) *name = in.text();
  const std::size_t iips = in.number<1>();
  if (!in.good() || iips > kMostIips) return std::nullopt;
  word.iips.resize(iips);
  for (IipWord& iip : word.iips)
    if (!read_iip(in, iip)) return std::nullopt;
  return in.at_end() ? std::optional(std::move(advert)) : std::nullopt;
}

}  // namespace sluice::pool
