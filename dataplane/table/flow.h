// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What tier 2 remembers of one flow: where it goes, and in 20 bytes enough to know how far it has come, when
// it was last seen and how fast it is. The key lies in front of it in the same cache line (flow_store.h).
//
// How a flow goes on, as seen from the client's side alone (answers do not pass here):
//
//   first packet -> kProbation -- TCP, SCTP: a packet that opens nothing; others: the third packet -->
//   kEstablished -- FIN, RST, ABORT --> kClosing -- SYN, INIT --> kProbation again ("reopened")
//
// A flood of first packets never gets further than probation, which is a bounded share of the table.
#pragma once

#include <cstdint>

namespace sluice {

// Coarse time: sixteenths of a second, modulo 2^32 (8.5 years). Only differences are looked at; one that is
// negative, as clocks of two cores may give, counts as zero.
struct FlowClock {
  static constexpr std::uint32_t kTicksPerSecond = 16;

  static constexpr std::uint32_t idle(std::uint32_t now, std::uint32_t seen) {
    const std::uint32_t ticks = now - seen;
    return ticks < (1u << 31) ? ticks : 0;
  }
};

// How long a flow may be silent, in seconds, at most kMost. Configurable per service.
struct FlowTimeouts {
  static constexpr std::uint32_t kMost = 7 * 86400;

  std::uint32_t syn_s = 10;  // TCP and SCTP in probation
  std::uint32_t established_s = 900;
  std::uint32_t closing_s = 30;
  std::uint32_t udp_s = 60;
  std::uint32_t other_s = 60;
};

enum class FlowState : std::uint8_t { kFree, kProbation, kEstablished, kClosing };

// What a packet says about its flow.
struct FlowPacket {
  std::uint32_t bytes = 0;  // of the IP packet
  bool opens = false;       // TCP SYN, SCTP INIT
  bool closes = false;      // TCP FIN or RST, SCTP SHUTDOWN or ABORT
};

// What a packet did to its flow.
enum class FlowEvent : std::uint8_t {
  kNothing,
  kEstablished,  // left probation
  kClosing,
  kReopened,  // a new connection with the old key: the caller may choose a new DIP
};

class Flow {
 public:
  // Rates are measured in windows of a quarter second: long enough for a mean, short enough for 16 bits.
  static constexpr std::uint32_t kWindowTicks = FlowClock::kTicksPerSecond / 4;
  static constexpr std::uint32_t kWindowsPerSecond = FlowClock::kTicksPerSecond / kWindowTicks;

  // Stable id of the DIP (Target::counter). The owner may write it at any time; counting flows by target is
  // the owner's too (FlowObserver).
  std::uint32_t target = 0;
  // The owner's own; the table starts it at 0 and never looks.
  std::uint8_t flags = 0;

  [[nodiscard]] FlowState state() const { return static_cast<FlowState>(place_ & 3); }
  [[nodiscard]] std::uint8_t protocol() const { return protocol_; }
  [[nodiscard]] std::uint32_t seen() const { return seen_; }
  // In the window that `seen()` lies in, both saturating; bytes are 0 in probation. 65,535 packets a window
  // stand for 262,140 packets a second or more.
  [[nodiscard]] std::uint32_t window_bytes() const {
    return state() == FlowState::kProbation ? 0 : bytes_or_node_;
  }
  [[nodiscard]] std::uint32_t window_packets() const { return packets_; }

 private:
  template <typename>
  friend class FlowStore;
  friend class FlowTable;

  enum class Kind : std::uint8_t { kHandshake, kUdp, kOther };  // which timeouts, and when established

  // place_, from the lowest bit: state 2, kind 2, packets in probation 2, lives in its second bucket 1, IPv6
  // 1, bucket 24.
  static constexpr std::uint32_t kKindShift = 2, kCountShift = 4, kBucketShift = 8;
  static constexpr std::uint32_t kCountOne = 1u << kCountShift, kSecond = 1u << 6, kV6 = 1u << 7;
  static constexpr std::uint32_t kTimeoutMask = 15;  // state and kind choose the timeout

  std::uint8_t protocol_ = 0;
  std::uint16_t packets_ = 0;
  std::uint32_t seen_ = 0;
  std::uint32_t bytes_or_node_ = 0;  // kProbation: its node in the list by age; else window_bytes
  std::uint32_t place_ = 0;

  void set_state(FlowState state) { place_ = (place_ & ~3u) | static_cast<std::uint32_t>(state); }
  [[nodiscard]] Kind kind() const { return static_cast<Kind>(place_ >> kKindShift & 3); }
  [[nodiscard]] bool is_v6() const { return place_ & kV6; }
  [[nodiscard]] bool is_second() const { return place_ & kSecond; }
  [[nodiscard]] std::uint32_t bucket() const { return place_ >> kBucketShift; }

  // A packet at `now`; not in probation.
  void count(std::uint32_t bytes, std::uint32_t now) {
    if (((now ^ seen_) & ~(kWindowTicks - 1)) != 0) {
      packets_ = 0;
      bytes_or_node_ = 0;
    }
    seen_ = now;
    packets_ = static_cast<std::uint16_t>(packets_ + (packets_ != 0xffff));
    const std::uint32_t sum = bytes_or_node_ + bytes;
    bytes_or_node_ = sum < bytes ? 0xffffffff : sum;
  }
};
static_assert(sizeof(Flow) == 20 && alignof(Flow) == 4);

// Why a flow is no longer in the table.
enum class FlowGone : std::uint8_t {
  kExpired,  // its timeout
  kEvicted,  // made room for another
  kErased,   // by the owner
};

// Told of each flow that leaves, from whatever call removes it (find, insert, age, erase), while the flow is
// still readable. Must not call the table. The owner counts flows by target with it.
struct FlowObserver {
  void* context = nullptr;
  void (*gone)(void* context, const Flow& flow, FlowGone why) noexcept = nullptr;
};

}  // namespace sluice
