// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "tests/bench/world.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <numeric>
#include <random>
#include <stdexcept>

#include "dataplane/table/group_state.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/headers.h"

namespace sluice::bench {
namespace {

constexpr unsigned kSlots = 65'537;
constexpr std::uint16_t kMtu = 1'500;
constexpr unsigned kMinFrameBytes = 60;  // Ethernet pads shorter ones
constexpr unsigned kPayloadBytes = 0;

IpAddress numbered(bool v6, const char* v4_base, const char* v6_base, std::uint32_t number) {
  IpAddress address = *parse_address(v6 ? v6_base : v4_base);
  Big32 low = address.v4();
  low.set(low.value() + number);
  std::memcpy(&address.byte[12], &low, 4);
  return address;
}
IpAddress dip(bool v6, std::uint32_t number) {
  return numbered(v6, "10.1.0.1", "2001:db8:1::1", number);
}
IpAddress mux(bool v6) {
  return numbered(v6, "10.0.0.10", "2001:db8::10", 0);
}

template <typename Header>
Header* put(Frame& frame, unsigned at) {
  return new (&frame.bytes[at]) Header{};
}

void write_ip(Frame& frame, const IpAddress& client, bool v6, unsigned tcp_bytes) {
  auto* ethernet = put<EthernetHeader>(frame, 0);
  ethernet->destination = *parse_mac("02:00:00:00:00:01");
  ethernet->source = *parse_mac("02:00:00:00:00:02");
  ethernet->type = Big16(v6 ? kEtherIpv6 : kEtherIpv4);
  if (v6) {
    auto* ip = put<Ipv6Header>(frame, sizeof(EthernetHeader));
    ip->version_class_flow.set(6u << 28);
    ip->payload_length.set(static_cast<std::uint16_t>(tcp_bytes));
    ip->next_header = kProtoTcp;
    ip->hop_limit = 64;
    ip->source = client.byte;
    ip->destination = service_vip(true, 0).byte;
  } else {
    auto* ip = put<Ipv4Header>(frame, sizeof(EthernetHeader));
    ip->version_ihl = 0x45;
    ip->total_length.set(static_cast<std::uint16_t>(sizeof(Ipv4Header) + tcp_bytes));
    ip->flags_offset.set(Ipv4Header::kDontFragment);  // as every TCP of today sends it
    ip->ttl = 64;
    ip->protocol = kProtoTcp;
    ip->source = client.v4();
    ip->destination = service_vip(false, 0).v4();
    ip->checksum = ipv4_checksum(*ip);
  }
}

Frame frame_of(const IpAddress& client, std::uint16_t client_port, bool v6, bool syn = false) {
  Frame frame;
  constexpr unsigned kTcpBytes = sizeof(TcpHeader) + kPayloadBytes;
  write_ip(frame, client, v6, kTcpBytes);
  const unsigned l4 = sizeof(EthernetHeader) + (v6 ? sizeof(Ipv6Header) : sizeof(Ipv4Header));
  auto* tcp = put<TcpHeader>(frame, l4);
  tcp->source.set(client_port);
  tcp->destination.set(kServicePort);
  tcp->data_offset = 0x50;
  tcp->flags = syn ? TcpHeader::kSyn : TcpHeader::kAck;
  tcp->window.set(1'000);
  tcp->checksum = finish(pseudo_sum(client, service_vip(v6, 0), kProtoTcp, kTcpBytes) +
                         partial_sum({&frame.bytes[l4], kTcpBytes}));
  frame.size = static_cast<std::uint16_t>(std::max(l4 + kTcpBytes, kMinFrameBytes));
  return frame;
}

Target make_target(bool v6, unsigned number) {
  Target target;
  target.next_hop = static_cast<std::uint16_t>(1 + number % 4);
  target.counter = number;
  target.outer_v6 = v6;
  if (v6) {
    auto* ip = new (target.outer.data()) Ipv6Header{};
    ip->version_class_flow.set(6u << 28);
    ip->next_header = kProtoIpv6;
    ip->hop_limit = 64;
    ip->source = mux(true).byte;
    ip->destination = dip(true, number).byte;
    target.outer_bytes = sizeof(Ipv6Header);
  } else {
    auto* ip = new (target.outer.data()) Ipv4Header{};
    ip->version_ihl = 0x45;
    ip->ttl = 64;
    ip->protocol = kProtoIpv4;
    ip->source = mux(false).v4();
    ip->destination = dip(false, number).v4();
    target.outer_bytes = sizeof(Ipv4Header);
    target.outer_checksum_seed = fold(ipv4_sum(*ip));
  }
  return target;
}

std::shared_ptr<const SlotMap> make_map(unsigned members, std::mt19937& random) {
  std::vector<std::uint16_t> slots(kSlots);
  for (unsigned i = 0; i < kSlots; ++i) slots[i] = static_cast<std::uint16_t>(i % members);
  std::ranges::shuffle(slots, random);
  return std::make_shared<const SlotMap>(std::move(slots));
}

// `map` with a share of its slots at other members.
std::shared_ptr<const SlotMap> moved_map(const SlotMap& map, double share, unsigned members,
                                         std::mt19937& random) {
  std::vector<std::uint16_t> slots(map.data(), map.data() + map.size());
  for (std::uint16_t& slot : slots) {
    if (random() < share * 4294967296.0) slot = static_cast<std::uint16_t>((slot + 1u) % members);
  }
  return std::make_shared<const SlotMap>(std::move(slots));
}

// As large as the flows need with some to spare, all of it there before the first packet.
std::shared_ptr<GroupState> make_state(const WorldShape& shape) {
  FlowTable::Limits limits;
  limits.flows_v4 = shape.flows / shape.groups + shape.flows / 4 + 1'024;
  limits.probation_share = 1;
  limits.memory_at_once = true;
  limits.timeouts.syn_s = 1;  // a flood of new flows finds room again by the time the table is full
  return std::make_shared<GroupState>(limits, FlowObserver{});
}

SlotView view_of(const SlotMap& map) {
  return {map.data(), map.mod()};
}

void add_next_hops(Snapshot& tables) {
  tables.next_hops.resize(5);
  for (unsigned i = 1; i < tables.next_hops.size(); ++i) {
    NextHop& hop = tables.next_hops[i];
    for (unsigned byte = 0; byte < 12; ++byte)
      hop.l2[byte] = static_cast<std::uint8_t>(byte % 6 == 0 ? 2 : i);
    hop.mtu = kMtu;
    hop.resolved = true;
  }
}

}  // namespace

IpAddress service_vip(bool v6, std::uint32_t number) {
  return numbered(v6, "203.0.113.10", "2001:db8:cb::10", number);
}

IpAddress client_of(std::uint64_t n) {
  return numbered(false, "100.64.0.1", "", static_cast<std::uint32_t>(n % (1u << 22)));
}

Frame make_frame(std::uint64_t n, bool syn) {
  return frame_of(client_of(n), client_port_of(n), false, syn);
}

std::vector<Frame> make_frames(const WorldShape& shape) {
  std::vector<Frame> frames;
  std::mt19937 random(shape.seed);
  for (unsigned i = 0; i < shape.flows; ++i) {
    const IpAddress client = numbered(shape.v6, "100.64.0.1", "2001:db8:c::1", random() % (1u << 22));
    frames.push_back(frame_of(client, static_cast<std::uint16_t>(1'024 + random() % 60'000), shape.v6));
  }
  return frames;  // drawn at random: their order is random too
}

void write_capture(const std::string& path, const std::vector<Frame>& frames) {
  struct FileHeader {
    std::uint32_t magic = 0xa1b2c3d4;
    std::uint16_t major = 2, minor = 4;
    std::uint32_t zone = 0, accuracy = 0, snap_bytes = 65'535, link_type = 1;
  };
  struct PacketHeader {
    std::uint32_t seconds, microseconds, captured_bytes, bytes;
  };
  std::ofstream file(path, std::ios::binary);
  const auto write = [&](const void* from, std::size_t bytes) {
    file.write(static_cast<const char*>(from), static_cast<std::streamsize>(bytes));
  };
  const FileHeader header;
  write(&header, sizeof header);
  for (const Frame& frame : frames) {
    const PacketHeader packet{0, 0, frame.size, frame.size};
    write(&packet, sizeof packet);
    write(frame.bytes.data(), frame.size);
  }
  if (!file.flush()) throw std::runtime_error("cannot write the capture " + path);
}

std::unique_ptr<const Snapshot> make_snapshot(const WorldShape& shape) {
  std::mt19937 random(shape.seed);
  auto tables = std::make_unique<Snapshot>(make_toeplitz_key(shape.seed), make_keyed_hash(shape.seed));
  add_next_hops(*tables);
  for (unsigned i = 0; i < shape.dips; ++i) {
    tables->targets.push_back(make_target(shape.v6, i));
    tables->target_of_id.push_back(i);
  }
  const unsigned members = shape.dips / shape.groups;
  for (unsigned g = 0; g < shape.groups; ++g) {
    tables->maps.push_back(make_map(members, random));
    Group& group = tables->groups.emplace_back();
    group.dips = view_of(*tables->maps.back());
    group.base_slots = group.dips.slots;
    group.first_target = g * members;
    group.members = members;
    group.owner = shape.owner;
    if (shape.moved > 0) {
      tables->maps.push_back(moved_map(*tables->maps.back(), shape.moved, members, random));
      group.base_slots = tables->maps.back()->data();
    }
    if (shape.sticky || shape.moved > 0) {
      tables->states.push_back(make_state(shape));
      group.state = tables->states.back().get();
    }
  }
  tables->maps.push_back(make_map(shape.groups, random));
  const SlotView groups = view_of(*tables->maps.back());
  std::vector<ServiceTable::Entry> entries;
  for (std::uint32_t i = 0; i < shape.services; ++i) {
    Service& service = tables->services.emplace_back();
    service.groups = groups;
    service.group_count = shape.groups;
    service.counter = i;
    service.protocol = kProtoTcp;
    service.sticky = shape.sticky;
    service.elephant_window_packets = shape.elephant_pps / Flow::kWindowsPerSecond;
    entries.push_back({Prefix::host(service_vip(shape.v6, i)), kProtoTcp, kServicePort, i});
  }
  tables->service_table = ServiceTable(entries);
  return tables;
}

ToeplitzKey make_toeplitz_key(std::uint32_t seed) {
  std::mt19937 random(seed);
  std::array<std::uint8_t, ToeplitzKey::kBytes> key;
  for (std::uint8_t& byte : key) byte = static_cast<std::uint8_t>(random());
  return ToeplitzKey(key);
}

KeyedHash make_keyed_hash(std::uint32_t seed) {
  std::mt19937 random(seed + 1);
  HashSecret secret;
  for (std::uint8_t& byte : secret) byte = static_cast<std::uint8_t>(random());
  return KeyedHash(secret);
}

}  // namespace sluice::bench
