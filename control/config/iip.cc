// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/iip.h"

#include "control/config/key.h"

namespace sluice::config {
namespace {

// The length of the port's subnet that holds the address; 0 when none does.
std::uint8_t subnet_length(const Port& port, const IpAddress& address) {
  std::uint8_t longest = 0;
  for (const InterfaceAddress& own : port.addresses) {
    if (own.address.is_v4() != address.is_v4()) continue;
    const Prefix subnet{mask(own.address, own.prefix_length), own.prefix_length};
    if (subnet.contains(address) && own.prefix_length > longest) longest = own.prefix_length;
  }
  return longest;
}

IipPlace placed(const Dataplane& dataplane, std::size_t port, const InterfaceAddress& address) {
  IipPlace place{port, address};
  if (place.address.prefix_length == 0)
    place.address.prefix_length = subnet_length(dataplane.ports[port], address.address);
  if (place.address.prefix_length == 0) place.address.prefix_length = address.address.is_v4() ? 32 : 128;
  return place;
}

std::optional<std::size_t> named(const Dataplane& dataplane, const std::string& name, std::string& why) {
  std::string known;
  for (std::size_t i = 0; i < dataplane.ports.size(); ++i) {
    const Port& port = dataplane.ports[i];
    if (port.name != name) {
      (known += known.empty() ? "" : ", ") += port.name;
    } else if (!port.kernel_interface.empty()) {
      return i;
    } else {
      why =
          "port " + name + " has no kernel_interface, through which an address is answered for; give it one";
      return std::nullopt;
    }
  }
  why = "port = " + quote(name) + " is no port of the dataplane; write one of: " + known;
  return std::nullopt;
}

}  // namespace

std::optional<IipPlace> place_of(const Dataplane& dataplane, const Iip& iip, std::string& why) {
  const IpAddress& address = iip.address.address;
  if (!iip.port.empty()) {
    const auto port = named(dataplane, iip.port, why);
    return port ? std::optional(placed(dataplane, *port, iip.address)) : std::nullopt;
  }
  std::optional<std::size_t> only;
  std::size_t able = 0;
  for (std::size_t i = 0; i < dataplane.ports.size(); ++i) {
    const Port& port = dataplane.ports[i];
    if (port.kernel_interface.empty()) continue;
    if (subnet_length(port, address) != 0) return placed(dataplane, i, iip.address);
    only = i;
    ++able;
  }
  if (able == 1) return placed(dataplane, *only, iip.address);
  why = able == 0 ? "the IIP " + to_string(address) +
                        " needs a port with a kernel_interface, through which it is answered for; give one"
                  : "the IIP " + to_string(address) +
                        " is in no port's subnet; say which port it is on, as in "
                        "port = \"uplink\"";
  return std::nullopt;
}

}  // namespace sluice::config
