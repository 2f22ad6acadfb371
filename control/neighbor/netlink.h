// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// libnl in our types: owners that free, sockets, and messages of the kernel turned into events of the Mirror.
// libnl does all encoding and decoding. Inside this room only.
#pragma once

#include <netlink/addr.h>
#include <netlink/msg.h>
#include <netlink/socket.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "control/neighbor/mirror.h"
#include "dataplane/wire/address.h"

namespace sluice::neighbor {

template <auto kRelease>
struct Release {
  template <typename T>
  void operator()(T* object) const {
    kRelease(object);
  }
};
template <typename T, auto kRelease>
using Owned = std::unique_ptr<T, Release<kRelease>>;

using Socket = Owned<nl_sock, nl_socket_free>;
using Message = Owned<nl_msg, nlmsg_free>;
using NlAddress = Owned<nl_addr, nl_addr_put>;

// A socket joined to the groups of links, addresses, routes, next-hop objects and neighbours, non-blocking.
// Throws std::runtime_error with one sentence.
Socket open_events(int receive_buffer_bytes);
// A blocking socket for requests that the kernel answers at once. Throws like open_events().
Socket open_requests();

// Asks for a dump of all objects of `kind` without waiting; its messages carry the returned sequence number.
// Negative: a libnl error.
std::int64_t request_dump(nl_sock* socket, Kind kind);

// The fact that a message of the kernel states; none for messages that are none of the Mirror's business.
std::optional<Event> decode(nlmsghdr* header);

// Of an address of either family, with its prefix length.
NlAddress to_nl(const IpAddress& address, unsigned prefix_length);
NlAddress to_nl(const MacAddress& mac);

// Has the kernel use this neighbour as if a packet went there (NTF_USE): resolved when it is not, tested when
// it is stale. 0, or a negative libnl error.
int use_neighbor(nl_sock* socket, const NextHop& hop);

}  // namespace sluice::neighbor
