// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/judge_flows.h"

#include "control/config/key.h"
#include "control/config/words.h"

namespace sluice::config {
namespace {

// A flow that is wider than what is hashed would meet itself in two slots.
bool holds_hashed_fields(const Service& service) {
  return static_cast<unsigned>(service.flow_key) <= static_cast<unsigned>(service.hash_fields);
}

std::string quoted(std::string_view key, std::string_view word) {
  return std::string(key) + " = " + quote(word);
}

}  // namespace

void judge_flows(Report& report, const std::string& path, const Service& service) {
  const std::string key = quoted("flow_key", to_word(service.flow_key));
  const std::string start = quoted("flow_start", to_word(service.flow_start));
  if (!holds_hashed_fields(service))
    report.broken(path + ".flow_key",
                  key + " is less than " + quoted("hash_fields", to_word(service.hash_fields)) +
                      " chooses a slot by; write " + quoted("hash_fields", to_word(service.flow_key)),
                  {path + ".flow_key", path + ".hash_fields"});
  if (service.flow_start == FlowStart::kHandshake) return;
  if (service.flow_start == FlowStart::kGtpC) {
    if (service.protocol != Protocol::kUdp)
      report.broken(path + ".flow_start",
                    start + " needs protocol = \"udp\"; write that, or flow_start = \"handshake\"",
                    {path + ".flow_start", path + ".protocol"});
    return;
  }
  if (service.flow_key != HashFields::kSource)
    report.broken(path + ".flow_start",
                  start +
                      " makes a flow of all that a subscriber sends; write flow_key = \"source\" and "
                      "hash_fields = \"source\" too",
                  {path + ".flow_start", path + ".flow_key"});
  if (service.protocol != Protocol::kAny)
    report.broken(path + ".flow_start",
                  start + " needs protocol = \"any\", which takes its messages and all that subscribers send",
                  {path + ".flow_start", path + ".protocol"});
  if (service.outer_source == OuterSource::kClient)
    report.broken(path + ".outer_source",
                  "outer_source = \"client\" does not go with " + start +
                      ", whose messages are not sent by the client; write \"mux\" or \"prefix\"",
                  {path + ".outer_source", path + ".flow_start"});
  if (service.flow_start == FlowStart::kDhcp && !service.vip.address.is_v4())
    report.broken(path + ".flow_start", start + " needs an IPv4 VIP; for IPv6 write flow_start = \"radius\"",
                  {path + ".flow_start", path + ".vip"});
}

}  // namespace sluice::config
