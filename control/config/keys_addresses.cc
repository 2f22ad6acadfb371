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
          text("home", &Iip::home, "the name of a member",
               "In a pool: the member that takes it when nobody has it. Empty: the one with the fewest."),
      },
      [](Report&, const Node& node, Iip& iip) { iip.line = node.row; }};
  return table;
}

Key<Model> pool_key() {
  Key<Model> key = section("pool", &Model::pool, pool_keys,
                           "The MUXes that take over each other's IIPs. Read at the start only.");
  const auto print = key.print;
  const auto judge = key.judge;
  key.print = [print](const Model& model, unsigned indent) {
    return model.pool.name.empty() ? std::string() : print(model, indent);
  };
  key.judge = [judge](Report& report, const Model& model) {
    if (!model.pool.name.empty()) judge(report, model);
  };
  return key;
}

const Section<Pool>& pool_keys() {
  static const Section<Pool> table{
      "a pool",
      {
          needed(with_rule(text("name", &Pool::name, "a name", "The same for all its members."),
                           [](const Pool& p) { return rules::name("name", p.name); }),
                 "\"edge\""),
          needed(
              with_rule(
                  text("secret", &Pool::secret, "a secret",
                       "What members prove themselves by (HMAC-SHA256): 16 to 256 characters, the same for "
                       "all of them."),
                  [](const Pool& p) {
                    if (p.secret.size() < 16 || p.secret.size() > 256)
                      return "secret has " + std::to_string(p.secret.size()) +
                             " characters; write 16 to 256, as from `openssl rand -hex 32`";
                    return std::string();
                  }),
              "\"…\""),
          text("member", &Pool::member, "the name of a member",
               "Which member this MUX is. Empty: the one whose address a port has, so that all members may "
               "read "
               "one file."),
          number("port", &Pool::port, 1, 65535, "The UDP port of the adverts."),
          number("advert_ms", &Pool::advert_ms, 20, 10'000,
                 "How often a member says that it lives. Three adverts and a half without a word are its "
                 "death."),
          needed(sections("members", &Pool::members, pool_member_keys, true, "All members, this one too."),
                 "( { name = \"mux1\"; address = \"10.0.0.11\"; } )"),
          with_rule(
              number("probe_ms", &Pool::probe_ms, 0, 60'000,
                     "How often the data path of each other member is asked what clients ask. 0: never."),
              [](const Pool& p) {
                if (p.probe_ms > 0 && p.probe_ms < 50)
                  return "probe_ms = " + std::to_string(p.probe_ms) +
                         " leaves no time for answers; write 50 to 60000, or 0 for never";
                return std::string();
              }),
          number("probe_failures", &Pool::probe_failures, 2, 100,
                 "So many rounds in a row without any answer, and its IIPs go to another member."),
          number("exchange_busy_percent", &Pool::exchange_busy_percent, 0, 100,
                 "A member whose busiest worker is above this gives its IIPs to a spare. 0: never."),
          number("exchange_after_s", &Pool::exchange_after_s, 1, 86'400, "Once it was so for so long."),
          number("exchange_pause_s", &Pool::exchange_pause_s, 1, 86'400,
                 "At least so long between two such exchanges."),
      },
      {}};
  return table;
}

const Section<PoolMember>& pool_member_keys() {
  static const Section<PoolMember> table{
      "a member",
      {
          needed(with_rule(text("name", &PoolMember::name, "a name", "Its name in commands and logs."),
                           [](const PoolMember& m) { return rules::name("name", m.name); }),
                 "\"mux1\""),
          needed(with_rule(parsed("address", &PoolMember::address, form::kAddress,
                                  "Its own address, that adverts go to and come from."),
                           [](const PoolMember& m) {
                             return rules::host_address("address = " + quote(to_string(m.address)),
                                                        m.address);
                           }),
                 "\"10.0.0.11\""),
          number("priority", &PoolMember::priority, 0, 1'000,
                 "Of members that could take an IIP alike, the one with the most does."),
      },
      {}};
  return table;
}

}  // namespace sluice::config
