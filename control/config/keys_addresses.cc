// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/forms.h"
#include "control/config/keys.h"
#include "control/config/kinds.h"
#include "control/config/rules.h"

namespace sluice::config {

using namespace kind;

const Section<Iip>& iip_keys() {
  static const Section<Iip> table{
      "an IIP",
      {
          needed(with_rule(parsed("address", &Iip::address, form::kIip,
                                  "The address. Without a length it gets that of the port's subnet."),
                           [](const Iip& iip) {
                             const IpAddress& address = iip.address.address;
                             return rules::host_address("address = " + quote(to_string(address)), address);
                           }),
                 "\"10.0.0.100/24\""),
          text("port", &Iip::port, "the name of a port",
               "The port that it is on. Empty: the first one with that subnet."),
          number("probe_ms", &Iip::probe_ms, 20, 10'000,
                 "Before the address is taken it is asked for three times, so far apart, and a last time is "
                 "waited. RFC 5227 proposes 1000 to 2000."),
          number("announce_s", &Iip::announce_s, 1, 86'400,
                 "How often it is announced again, for as long as it is held."),
      },
      [](Report&, const Node& node, Iip& iip) { iip.line = node.row; }};
  return table;
}

}  // namespace sluice::config
