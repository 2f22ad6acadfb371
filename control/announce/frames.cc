// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/announce/frames.h"

#include <cstring>

#include "dataplane/wire/checksum.h"
#include "dataplane/wire/headers.h"
#include "dataplane/wire/reader.h"

namespace sluice::announce {
namespace {

constexpr std::uint16_t kEthernet = 1, kRequest = 1, kReply = 2;        // RFC 826
constexpr std::uint8_t kSolicitation = 135, kAdvertisement = 136;       // RFC 4861 sections 4.3, 4.4
constexpr std::uint8_t kSourceLinkAddress = 1, kTargetLinkAddress = 2;  // section 4.6.1
constexpr std::uint8_t kOwnLinkOnly = 255;                              // hop limit, section 7.1
constexpr std::uint32_t kOverride = 0x20000000;                         // section 4.4
constexpr MacAddress kBroadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

struct NeighborMessage {  // solicitation and advertisement; options follow
  std::uint8_t type = 0, code = 0;
  Big16 checksum{};
  Big32 flags{};
  std::array<std::uint8_t, 16> target{};
};
static_assert(sizeof(NeighborMessage) == 24);

struct LinkAddressOption {
  std::uint8_t type = 0, units = 1;  // of 8 bytes
  MacAddress mac;
};
static_assert(sizeof(LinkAddressOption) == 8);

template <typename Header>
void append(Frame& frame, const Header& header) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&header);
  frame.insert(frame.end(), bytes, bytes + sizeof header);
}

Frame arp(std::uint16_t operation, Big32 sender, Big32 target, const MacAddress& own) {
  Frame frame;
  append(frame, EthernetHeader{kBroadcast, own, Big16(kEtherArp)});
  append(frame, ArpHeader{Big16(kEthernet), Big16(kEtherIpv4), sizeof(MacAddress), sizeof(Big32),
                          Big16(operation), own, sender, MacAddress{}, target});
  return frame;
}

// 33:33 and the last four bytes (RFC 2464 section 7).
MacAddress multicast_mac(const IpAddress& group) {
  return {{0x33, 0x33, group.byte[12], group.byte[13], group.byte[14], group.byte[15]}};
}

// ff02::1:ff00:0/104 and the last three bytes (RFC 4291 section 2.7.1).
IpAddress solicited_node(const IpAddress& address) {
  IpAddress group{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0}};
  std::memcpy(&group.byte[13], &address.byte[13], 3);
  return group;
}

constexpr IpAddress kAllNodes{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

Frame neighbor_frame(NeighborMessage message, const IpAddress& source, const IpAddress& destination,
                     const MacAddress& own, std::uint8_t option) {
  Frame body;
  append(body, message);
  if (option != 0) append(body, LinkAddressOption{.type = option, .mac = own});
  const auto length = static_cast<std::uint16_t>(body.size());
  const Big16 sum =
      finish(pseudo_sum(source.byte, destination.byte, kProtoIcmpv6, length) + partial_sum(body));
  std::memcpy(&body[offsetof(NeighborMessage, checksum)], &sum, sizeof sum);
  Frame frame;
  append(frame, EthernetHeader{multicast_mac(destination), own, Big16(kEtherIpv6)});
  append(frame, Ipv6Header{Big32(std::uint32_t{6} << 28), Big16(length), kProtoIcmpv6, kOwnLinkOnly,
                           source.byte, destination.byte});
  frame.insert(frame.end(), body.begin(), body.end());
  return frame;
}

std::optional<Heard> heard_in_arp(Reader& reader) {
  const auto* arp = reader.take<ArpHeader>();
  if (!arp || arp->hardware.value() != kEthernet || arp->protocol.value() != kEtherIpv4 ||
      arp->hardware_bytes != sizeof(MacAddress) || arp->protocol_bytes != sizeof(Big32))
    return std::nullopt;
  const std::uint16_t operation = arp->operation.value();
  if (operation != kRequest && operation != kReply) return std::nullopt;
  if (arp->sender != Big32{}) return Heard{Heard::Kind::kHolder, IpAddress::v4(arp->sender), arp->sender_mac};
  if (operation != kRequest) return std::nullopt;
  return Heard{Heard::Kind::kProbe, IpAddress::v4(arp->target), arp->sender_mac};
}

// The link address among the options, else the sender of the frame. Nothing when an option is broken
// (RFC 4861 section 4.6: a length of zero).
std::optional<MacAddress> link_address(Reader reader, std::uint8_t wanted, const MacAddress& sender) {
  MacAddress mac = sender;
  while (reader.left() != 0) {
    const std::uint8_t* option = reader.here();
    if (reader.left() < 2 || option[1] == 0) return std::nullopt;
    if (option[0] == wanted && reader.left() >= sizeof(LinkAddressOption))
      std::memcpy(&mac, option + 2, sizeof mac);
    if (!reader.skip(std::size_t{option[1]} * 8)) return std::nullopt;
  }
  return mac;
}

std::optional<Heard> heard_in_ipv6(Reader& reader, const MacAddress& sender) {
  const auto* ip = reader.take<Ipv6Header>();
  if (!ip || ip->version_class_flow.value() >> 28 != 6 || ip->next_header != kProtoIcmpv6 ||
      ip->hop_limit != kOwnLinkOnly || !reader.limit(ip->payload_length.value()))
    return std::nullopt;
  const std::span<const std::uint8_t> body(reader.here(), reader.left());
  const auto* message = reader.take<NeighborMessage>();
  if (!message || message->code != 0) return std::nullopt;
  const PartialSum sum =
      pseudo_sum(ip->source, ip->destination, kProtoIcmpv6, static_cast<std::uint32_t>(body.size())) +
      partial_sum(body);
  if (fold(sum) != 0xffff) return std::nullopt;
  const IpAddress source = IpAddress::v6(ip->source.data()), target = IpAddress::v6(message->target.data());
  if (message->type == kSolicitation && source.is_unspecified())
    return Heard{Heard::Kind::kProbe, target, sender};
  if (message->type == kSolicitation) {
    const auto mac = link_address(reader, kSourceLinkAddress, sender);
    return mac ? std::optional(Heard{Heard::Kind::kHolder, source, *mac}) : std::nullopt;
  }
  if (message->type != kAdvertisement) return std::nullopt;
  const auto mac = link_address(reader, kTargetLinkAddress, sender);
  return mac ? std::optional(Heard{Heard::Kind::kHolder, target, *mac}) : std::nullopt;
}

}  // namespace

Frame probe(const IpAddress& address, const MacAddress& own) {
  if (address.is_v4()) return arp(kRequest, Big32{}, address.v4(), own);
  return neighbor_frame({.type = kSolicitation, .target = address.byte}, IpAddress{}, solicited_node(address),
                        own, 0);
}

Frame announcement(const IpAddress& address, const MacAddress& own) {
  if (address.is_v4()) return arp(kRequest, address.v4(), address.v4(), own);
  return neighbor_frame({.type = kAdvertisement, .flags = Big32(kOverride), .target = address.byte}, address,
                        kAllNodes, own, kTargetLinkAddress);
}

Frame question(const IpAddress& address, const IpAddress& asker, const MacAddress& own) {
  if (address.is_v4()) return arp(kRequest, asker.v4(), address.v4(), own);
  return neighbor_frame({.type = kSolicitation, .target = address.byte}, asker, solicited_node(address), own,
                        kSourceLinkAddress);
}

std::optional<Heard> heard_in(std::span<const std::uint8_t> frame) {
  Reader reader(frame.data(), frame.size());
  const auto* ethernet = reader.take<EthernetHeader>();
  if (!ethernet) return std::nullopt;
  if (ethernet->type.value() == kEtherArp) return heard_in_arp(reader);
  if (ethernet->type.value() == kEtherIpv6) return heard_in_ipv6(reader, ethernet->source);
  return std::nullopt;
}

}  // namespace sluice::announce
