// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The configuration of the frames' fuzz target: a service of each kind, small tables, short lives.
#pragma once

namespace sluice::fuzz {

inline constexpr char kConfiguration[] = R"(
dataplane: {
  slots = 61;
  flows = 65536;
  ports = ( { name = "up"; device = "net_null0"; address = [ "10.0.0.10/24", "2001:db8:a::10/64" ];
              gateway_mac = "02:00:00:00:00:fe"; kernel_interface = "up"; },
            { name = "down"; device = "net_null1"; address = [ "10.9.0.10/24" ]; vlan = 7;
              gateway_mac = "02:00:00:00:07:fe"; kernel_interface = "down"; } );
  workers = ( { lcore = 1; }, { lcore = 2; } );
};
dip_lists: ( { name = "farm"; dips = ( { address = "10.1.0.11"; }, { address = "10.1.0.12"; weight = 3; },
                                       { address = "10.2.0.13"; }, { address = "10.2.0.14"; weight = 0; } ); },
             { name = "farm6"; dips = ( { address = "2001:db8:1::11"; }, { address = "2001:db8:1::12"; } ); } );
services: (
  { name = "web"; vip = "203.0.113.10"; port = 80; dips = "farm"; flows = 1024;
    elephant = { bytes_per_s = 4000; packets_per_s = 8; };
    timeouts = { syn_s = 2; established_s = 20; closing_s = 3; }; transition = { deadline_s = 10; }; },
  { name = "web6"; vip = "2001:db8:cb::10"; port = 80; flows = 1024;
    groups = ( { name = "a"; dips = "farm6"; }, { name = "b"; weight = 3; dips = ( { address = "2001:db8:2::13"; } ); } );
    elephant = { bytes_per_s = 4000; packets_per_s = 8; }; transition = { deadline_s = 5; at_deadline = "reset"; }; },
  { name = "4in6"; vip = "203.0.113.46"; port = 80; dips = "farm6"; stickiness = "none"; },
  { name = "6in4"; vip = "2001:db8:cb::64"; port = 80; dips = "farm"; flows = 1024; encapsulation = "gue";
    outer_source = "prefix"; outer_prefix4 = "10.99.0.0/16"; },
  { name = "dns"; vip = "203.0.113.53"; protocol = "udp"; port = 53; dips = "farm"; flows = 1024;
    scheduler = "round-robin"; timeouts = { udp_s = 2; }; },
  { name = "dns6"; vip = "2001:db8:cb::53"; protocol = "udp"; port = 53; dips = "farm6"; stickiness = "none";
    encapsulation = "gue"; },
  { name = "any-port"; vip = "203.0.113.20"; flows = 1024; scheduler = "least-flows"; unknown_flow = "reset";
    dips = ( { address = "10.1.0.20"; }, { address = "10.1.0.21"; } ); },
  { name = "any"; vip = "203.0.113.21"; protocol = "any"; flows = 1024; hash_fields = "3-tuple";
    flow_key = "3-tuple"; dips = ( { address = "10.1.0.30"; }, { address = "10.1.0.31"; weight = 2; } );
    outer_source = "client"; },
  { name = "any6"; vip = "2001:db8:cb::21"; protocol = "any"; dips = "farm6"; flows = 1024; },
  { name = "esp"; vip = "203.0.113.22"; protocol = "esp"; dips = "farm"; flows = 1024; },
  { name = "sctp"; vip = "203.0.113.23"; protocol = "sctp"; port = 5060; dips = "farm"; flows = 1024; },
  { name = "ping"; vip = "203.0.113.24"; protocol = "icmp"; dips = ( { address = "10.1.0.40"; } ); },
  { name = "ah"; vip = "203.0.113.25"; protocol = "ah"; dips = "farm"; flow_types = "type1"; unknown_flow = "drop"; },
  { name = "prefix"; vip = "203.0.114.0/24"; port = 80; flows = 1024; unknown_flow = "drop";
    dips = ( { address = "10.1.0.50"; }, { address = "10.1.0.51"; } ); },
  { name = "lost"; vip = "203.0.113.31"; port = 80; dips = ( { address = "10.66.0.1"; } ); },
  { name = "groups"; vip = "203.0.113.33"; port = 80; flows = 1024;
    groups = ( { name = "a"; worker = 1; dips = ( { address = "10.1.0.80"; }, { address = "10.1.0.81"; } ); },
               { name = "b"; worker = 2; dips = ( { address = "10.1.0.82"; } ); },
               { name = "c"; dips = ( { address = "10.1.0.83"; } ); } );
    elephant = { bytes_per_s = 4000; packets_per_s = 8; }; transition = { deadline_s = 5; }; },
  { name = "tagged"; vip = "203.0.113.34"; port = 80; dips = ( { address = "10.7.0.1"; } ); scheduler = "least-load"; },
  { name = "narrow"; vip = "203.0.113.35"; protocol = "udp"; port = 53; dips = ( { address = "10.8.0.1"; } ); },
  { name = "narrow6"; vip = "2001:db8:cb::35"; protocol = "udp"; port = 53; dips = ( { address = "2001:db8:8::1"; } ); },
  { name = "source"; vip = "203.0.113.36"; port = 80; dips = "farm"; hash_fields = "source"; flow_key = "source";
    flows = 1024; },
  { name = "gtp"; vip = "203.0.113.60"; protocol = "udp"; flow_start = "gtp-c"; dips = "farm"; flows = 1024; },
  { name = "radius"; vip = "203.0.113.61"; protocol = "any"; flow_start = "radius"; hash_fields = "source";
    flow_key = "source"; dips = "farm"; flows = 1024; },
  { name = "dhcp"; vip = "203.0.113.62"; protocol = "any"; flow_start = "dhcp"; hash_fields = "source";
    flow_key = "source"; flow_types = "type1"; dips = "farm"; flows = 1024; scheduler = "weighted-random"; }
);
)";

}  // namespace sluice::fuzz
