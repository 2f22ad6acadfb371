// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Keeps the fragments of one datagram together: the first fragment carries the ports and teaches them to the
// table; later ones get them from it and then go the way of every packet of their flow. A later fragment that
// comes before its first one is held for a short time.
//
// Bounded in every direction: a fixed number of entries in sets of four, held packets limited per datagram
// and in total. A flood replaces the oldest entries of a set chosen by the keyed hash; packets that are no
// fragments never look here. One owner thread. (F1, RFC 791, RFC 8200 section 4.5.)
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/wire/flow_key.h"
#include "dataplane/wire/headers.h"
#include "dataplane/wire/keyed_hash.h"

struct rte_mbuf;

namespace sluice {

class FragmentTable {
 public:
  struct Limits {
    std::uint32_t sets = 1024;          // a power of two
    std::uint32_t held_packets = 1024;  // in total
    std::uint32_t held_per_datagram = 64;
    std::uint64_t life_tsc = 0;  // how long ports are remembered
    std::uint64_t hold_tsc = 0;  // how long an early fragment waits
  };
  // What the first fragment tells of the others.
  struct Transport {
    PortPair ports;
    std::uint8_t protocol = 0;
    friend bool operator==(const Transport& a, const Transport& b) {
      return a.ports.source == b.ports.source && a.ports.destination == b.ports.destination &&
             a.protocol == b.protocol;
    }
  };
  // A datagram: source, destination and protocol as in a FlowKey; the identification in place of the ports.
  // An IPv6 datagram is known without its protocol: later fragments may name another header than that in
  // which the first one's chain ends (RFC 8200 section 4.5).
  static FlowKey datagram(const FlowKey& flow, std::uint32_t fragment_id);

  FragmentTable(const KeyedHash& hash, const Limits& limits);
  FragmentTable(const FragmentTable&) = delete;
  FragmentTable& operator=(const FragmentTable&) = delete;

  // What the datagram's first fragment told, or null while it is not known.
  const Transport* find(const FlowKey& datagram, std::uint64_t now_tsc);
  // A first fragment passed. Packets held for this datagram become released.
  void learn(const FlowKey& datagram, const Transport& transport, std::uint64_t now_tsc);
  // Keeps an early fragment; false when a limit is reached (the packet stays the caller's).
  bool hold(const FlowKey& datagram, rte_mbuf* packet, std::uint64_t now_tsc);

  // Packets whose datagram is known by now, to be sent through the stages again. Oldest first; the count.
  unsigned take_released(rte_mbuf** out, unsigned most);
  // Packets that were given up (time, or pushed out by a flood), to be dropped; the count.
  unsigned take_expired(rte_mbuf** out, unsigned most);
  // Looks at the next `sets` sets for held packets whose time is over. Called in bounded slices.
  void expire(std::uint64_t now_tsc, std::uint32_t sets);

  // Everything held becomes expired: the end of the worker.
  void give_up_all();

  [[nodiscard]] std::uint32_t held() const { return held_; }

 private:
  struct Chain {  // through rte_mbuf::next, which is free in packets of one segment
    rte_mbuf* first = nullptr;
    rte_mbuf* last = nullptr;
    std::uint32_t count = 0;

    void push(rte_mbuf* packet);
    rte_mbuf* pop();
    void move_all_to(Chain& other);
  };
  struct Entry {
    FlowKey datagram;
    Transport transport;
    bool used = false, known = false;
    std::uint64_t since_tsc = 0;
    Chain waiting;
  };
  static constexpr unsigned kWays = 4;

  Entry* lookup(const FlowKey& datagram, std::uint64_t now_tsc);
  Entry& claim(const FlowKey& datagram, std::uint64_t now_tsc);
  [[nodiscard]] bool over(const Entry& entry, std::uint64_t now_tsc) const;
  void give_up(Entry& entry);
  Entry* set_of(const FlowKey& datagram);

  const KeyedHash hash_;
  const Limits limits_;
  std::vector<Entry> entries_;
  std::uint32_t next_set_ = 0;
  std::uint32_t held_ = 0;  // waiting, released and expired together
  Chain released_, expired_;
};

}  // namespace sluice
