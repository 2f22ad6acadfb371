// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// How values that are written as text are read and printed.
#pragma once

#include "control/config/kinds.h"
#include "control/config/model.h"

namespace sluice::config::form {

extern const kind::Form<IpAddress> kIpv4, kIpv6, kAddress;
extern const kind::Form<MacAddress> kMac;
extern const kind::Form<InterfaceAddress> kInterfaceAddress;
extern const kind::Form<InterfaceAddress> kIip;  // prefix length 0 when not given
extern const kind::Form<Prefix> kVip, kPrefix4, kPrefix6;
extern const kind::Form<std::vector<std::uint8_t>> kHashKey;
extern const kind::Form<unsigned> kMode;
extern const kind::Form<std::string> kText, kWord;

}  // namespace sluice::config::form
