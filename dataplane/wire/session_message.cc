// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/wire/session_message.h"

#include <algorithm>

#include "dataplane/wire/big_endian.h"

namespace sluice {
namespace {

struct GtpHeader {  // the part that both versions have
  std::uint8_t flags, type;
  Big16 length;  // version 1: of what follows 8 bytes; version 2: of what follows 4
  Big32 tunnel;

  [[nodiscard]] unsigned version() const { return flags >> 5; }
};
static_assert(sizeof(GtpHeader) == 8);

struct RadiusHeader {  // RFC 2865 section 3
  std::uint8_t code, id;
  Big16 length;  // of all
  std::uint8_t authenticator[16];
};
static_assert(sizeof(RadiusHeader) == 20);

struct DhcpHeader {  // RFC 2131 section 2, with the cookie that begins the options (section 3)
  std::uint8_t op, hardware, hardware_bytes, hops;
  Big32 transaction;
  Big16 seconds, flags;
  Big32 client, yours, server, relay;
  std::uint8_t rest[16 + 64 + 128];
  Big32 cookie;
};
static_assert(sizeof(DhcpHeader) == 240);

// An address that one subscriber can have.
std::optional<IpAddress> host4(const std::uint8_t* bytes) {
  Big32 address;
  std::memcpy(&address, bytes, 4);
  const std::uint32_t number = address.value();
  const bool host = number >> 24 != 0 && number >> 24 != 127 && number >> 28 < 0xe;
  return host ? std::optional(IpAddress::v4(address)) : std::nullopt;
}

std::optional<IpAddress> host6(const std::uint8_t* bytes, std::size_t count) {
  IpAddress address;
  std::memcpy(address.byte.data(), bytes, std::min<std::size_t>(count, 8));
  const bool host = !address.is_multicast() && !address.is_unspecified();
  return host ? std::optional(address) : std::nullopt;
}

// Framed-IPv6-Prefix: a reserved byte, the length in bits, and as many bytes as that needs, or more.
std::optional<IpAddress> prefix6(const std::uint8_t* value, unsigned bytes) {
  if (bytes < 2 + 8 || bytes > 2 + 16 || value[1] < 64 || value[1] > 128) return {};
  return host6(value + 2, bytes - 2);
}

}  // namespace

SessionMessage read_gtp_c(Reader r) {
  constexpr std::uint8_t kProtocolType = 0x10, kHasTunnel = 0x08;
  constexpr std::uint8_t kCreatePdpContext = 16, kCreateSession = 32;
  const auto* gtp = r.peek<GtpHeader>();
  if (!gtp) return {};
  const unsigned length = gtp->length.value();
  SessionMessage message;
  if (gtp->version() == 1) {
    message.opens = (gtp->flags & kProtocolType) && gtp->type == kCreatePdpContext && length + 8 <= r.left();
  } else if (gtp->version() == 2) {
    message.opens =
        (gtp->flags & kHasTunnel) && gtp->type == kCreateSession && length >= 8 && length + 4 <= r.left();
  }
  return message;
}

SessionMessage read_radius(Reader r, bool v6) {
  constexpr std::uint8_t kAccountingRequest = 4;
  constexpr std::uint8_t kFramedAddress = 8, kStatusType = 40, kFramedPrefix6 = 97, kFramedAddress6 = 168;
  constexpr std::uint32_t kStart = 1, kStop = 2;
  const auto* radius = r.peek<RadiusHeader>();
  if (!radius || radius->code != kAccountingRequest || radius->length.value() < sizeof(RadiusHeader) ||
      !r.limit(radius->length.value())) {
    return {};
  }
  r.skip(sizeof(RadiusHeader));
  SessionMessage message;
  std::uint32_t status = 0;
  for (unsigned count = 0; r.left() != 0; ++count) {
    struct Attribute {
      std::uint8_t type, length;
    };
    const auto* attribute = r.take<Attribute>();
    if (count == kMostElements || !attribute || attribute->length < sizeof(Attribute)) return {};
    const unsigned bytes = attribute->length - static_cast<unsigned>(sizeof(Attribute));
    const std::uint8_t* value = r.here();
    if (!r.skip(bytes)) return {};
    if (attribute->type == kStatusType && bytes == 4) {
      status = Reader(value, bytes).peek<Big32>()->value();
    } else if (!v6 && attribute->type == kFramedAddress && bytes == 4) {
      message.subscriber = host4(value);
    } else if (v6 && attribute->type == kFramedPrefix6) {
      message.subscriber = prefix6(value, bytes);
    } else if (v6 && attribute->type == kFramedAddress6 && bytes == 16 && !message.subscriber) {
      message.subscriber = host6(value, bytes);
    }
  }
  message.opens = message.subscriber && status == kStart;
  message.closes = message.subscriber && status == kStop;
  return message;
}

SessionMessage read_dhcp(Reader r) {
  constexpr std::uint8_t kBootRequest = 1, kPad = 0, kRequestedAddress = 50, kMessageType = 53, kEnd = 255;
  constexpr std::uint8_t kRequest = 3, kDecline = 4, kRelease = 7;
  constexpr std::uint32_t kCookie = 0x63825363;
  const auto* dhcp = r.take<DhcpHeader>();
  if (!dhcp || dhcp->op != kBootRequest || dhcp->cookie.value() != kCookie) return {};
  std::uint8_t type = 0;
  std::optional<IpAddress> requested;
  for (unsigned count = 0; r.left() != 0 && *r.here() != kEnd; ++count) {
    if (count == kMostElements) return {};
    const std::uint8_t option = *r.here();
    r.skip(1);
    if (option == kPad) continue;
    if (r.left() == 0) return {};
    const unsigned bytes = *r.here();
    r.skip(1);
    const std::uint8_t* value = r.here();
    if (!r.skip(bytes)) return {};
    if (option == kMessageType && bytes == 1) type = *value;
    if (option == kRequestedAddress && bytes == 4) requested = host4(value);
  }
  SessionMessage message;
  if (type != kRequest && type != kDecline && type != kRelease) return {};
  // One that renews says who it is; one that begins asks for an address.
  const auto own = host4(reinterpret_cast<const std::uint8_t*>(&dhcp->client));
  message.subscriber = own ? own : requested;
  message.opens = message.subscriber && type == kRequest;
  message.closes = message.subscriber && type != kRequest;
  return message;
}

}  // namespace sluice
