// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Every way to lose a packet, with its name and its sentence: one list that feeds the enum, the command line,
// the metrics and the captures. A packet that is not sent, punted or held is dropped for one of these.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sluice {

// clang-format off
#define SLUICE_DROP_REASONS(X)                                                                              \
  X(kFrameTruncated,     "frame-truncated",      "the frame ends inside its Ethernet, VLAN or IP header")    \
  X(kFrameSegmented,     "frame-segmented",      "the frame is larger than one packet buffer")               \
  X(kNestedVlan,         "nested-vlan",          "the frame carries more than one 802.1Q tag")               \
  X(kBadIpVersion,       "bad-ip-version",       "the IP version does not match the EtherType")              \
  X(kBadIpHeader,        "bad-ip-header",        "the IPv4 header length is below 20 bytes or beyond the packet") \
  X(kBadIpLength,        "bad-ip-length",        "the IP length does not fit the frame")                     \
  X(kBadIpChecksum,      "bad-ip-checksum",      "the IPv4 header checksum is wrong")                        \
  X(kBadExtensionHeader, "bad-extension-header", "an IPv6 extension header is cut off, out of place, or one too many") \
  X(kTruncatedL4,        "truncated-l4",         "the packet ends inside its TCP, UDP, SCTP, ICMP, ESP or AH header") \
  X(kBadL4Header,        "bad-l4-header",        "the transport header states a length that cannot be")      \
  X(kBadFragment,        "bad-fragment",         "the fragment reaches beyond 65,535 bytes, is empty, or is not a multiple of 8 bytes") \
  X(kSourceIsDestination,"source-is-destination","source and destination address are the same")              \
  X(kSourceMulticast,    "source-multicast",     "the source is a multicast address")                        \
  X(kSourceBroadcast,    "source-broadcast",     "the source is the broadcast address")                      \
  X(kSourceLoopback,     "source-loopback",      "the source is a loopback address")                         \
  X(kSourceUnspecified,  "source-unspecified",   "the source is the unspecified address")                    \
  X(kMappedAddress,      "mapped-address",       "an IPv6 packet carries an IPv4-mapped address (RFC 4291 2.5.5.2)") \
  X(kNoService,          "no-service",           "no service has this destination address, protocol and port") \
  X(kNoLiveDip,          "no-live-dip",          "the service has no DIP that is up")                        \
  X(kIcmpUnrelated,      "icmp-unrelated",       "the ICMP error does not carry a packet of a flow")         \
  X(kFragmentTimeout,    "fragment-timeout",     "the first fragment of the datagram did not come in time")  \
  X(kFragmentTableFull,  "fragment-table-full",  "too many fragments wait for the first one of their datagram") \
  X(kTtlExpired,         "ttl-expired",          "the TTL or hop limit ran out here")                        \
  X(kTooBig,             "too-big",              "the packet does not fit the path to the DIP and must not be fragmented") \
  X(kUnknownFlow,        "unknown-flow",         "the packet opens no flow and belongs to none that is known") \
  X(kFlowReset,          "flow-reset",           "the flow had to leave its DIP; the client was told by a TCP RST")           \
  X(kHandoverFull,       "handover-full",        "the ring to the tier-2 worker is full")                    \
  X(kNoNextHop,          "no-next-hop",          "there is no route to the DIP, or its next hop does not answer ARP or ND") \
  X(kProbeUnwanted,      "probe-unwanted",       "the DIP that a health probe was for is gone")              \
  X(kTxFull,             "tx-full",              "the port did not take the packet")                         \
  X(kNoHeadroom,         "no-headroom",          "the packet buffer has no room in front for the outer header") \
  X(kNoBuffer,           "no-buffer",            "no packet buffer was free for a packet that Sluice makes itself") \
  X(kAnswerRate,         "answer-rate",          "an answer was due, but the limit on answers was reached")  \
  X(kNoKernelPath,       "no-kernel-path",       "the packet is for the kernel, and the port has no kernel_interface") \
  X(kKernelRate,         "kernel-rate",          "the limit on packets to the kernel was reached")           \
  X(kKernelQueueFull,    "kernel-queue-full",    "the queue to or from the kernel is full")                  \
  X(kKernelRefused,      "kernel-refused",       "the kernel did not take the packet from the TAP")
// clang-format on

enum class DropReason : std::uint8_t {
#define SLUICE_X(name, word, text) name,
  SLUICE_DROP_REASONS(SLUICE_X)
#undef SLUICE_X
      kCount
};
inline constexpr unsigned kDropReasons = static_cast<unsigned>(DropReason::kCount);

struct DropReasonText {
  std::string_view word;  // kebab-case, fixed: other programs read it
  std::string_view text;
};
inline constexpr std::array<DropReasonText, kDropReasons> kDropReasonTexts = {{
#define SLUICE_X(name, word, text) {word, text},
    SLUICE_DROP_REASONS(SLUICE_X)
#undef SLUICE_X
}};

constexpr const DropReasonText& describe(DropReason reason) {
  return kDropReasonTexts[static_cast<unsigned>(reason)];
}

}  // namespace sluice
