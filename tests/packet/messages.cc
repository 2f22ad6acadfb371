// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Messages of RADIUS, DHCP and GTP-C.
#include "tests/packet/packet.h"

namespace sluice::test {
namespace {

void attribute(Bytes& out, unsigned type, const Bytes& value) {
  out.push_back(static_cast<std::uint8_t>(type));
  out.push_back(static_cast<std::uint8_t>(value.size() + 2));
  append(out, value);
}

// Of DHCP: the length does not count itself and the type.
void option(Bytes& out, unsigned type, const Bytes& value) {
  out.push_back(static_cast<std::uint8_t>(type));
  out.push_back(static_cast<std::uint8_t>(value.size()));
  append(out, value);
}

}  // namespace

Bytes radius_accounting(unsigned status, std::string_view framed_address) {
  Bytes out(20);
  out[0] = 4;
  attribute(out, 44, {'s', 'e', 's', 's', 'i', 'o', 'n'});
  attribute(out, 40, {0, 0, 0, static_cast<std::uint8_t>(status)});
  if (!framed_address.empty()) {
    const Bytes address = address_bytes(framed_address);
    if (address.size() == 4) attribute(out, 8, address);
    Bytes prefix = {0, 64};
    append(prefix, slice(address, 0, 8));
    if (address.size() == 16) attribute(out, 97, prefix);
  }
  attribute(out, 61, {0, 0, 0, 5});
  set16(out, 2, static_cast<unsigned>(out.size()));
  return out;
}

Bytes dhcp_message(unsigned type, std::string_view requested, std::string_view own) {
  Bytes out(240);
  out[0] = 1;
  out[1] = 1;
  out[2] = 6;
  if (!own.empty()) {
    const Bytes address = address_bytes(own);
    std::copy(address.begin(), address.end(), out.begin() + 12);
  }
  set32(out, 236, 0x63825363);
  option(out, 53, {static_cast<std::uint8_t>(type)});
  out.push_back(0);
  if (!requested.empty()) option(out, 50, address_bytes(requested));
  out.push_back(255);
  return out;
}

Bytes gtp1_message(unsigned type) {
  Bytes out(16);
  out[0] = 0x32;  // version 1, GTP, a sequence number
  out[1] = static_cast<std::uint8_t>(type);
  set16(out, 2, 8);
  return out;
}

Bytes gtp2_message(unsigned type) {
  Bytes out(16);
  out[0] = 0x48;  // version 2, a tunnel's number
  out[1] = static_cast<std::uint8_t>(type);
  set16(out, 2, 12);
  return out;
}

}  // namespace sluice::test
