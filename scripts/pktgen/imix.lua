-- SPDX-License-Identifier: Apache-2.0
-- Copyright The Sluice Authors
-- Simple IMIX: 7 packets of 64 bytes, 4 of 594, 1 of 1518, from twelve clients in turn.
-- The appliance puts 20 bytes (IPv4 in IPv4) in front, so its DIPs' side needs an MTU of 1520 or more for the
-- largest ones; without, it answers them with ICMP, and here they count as lost.
package.path = "scripts/pktgen/?.lua;?.lua;" .. package.path
local settings = require "settings"
local trial = require "trial"

local sizes = {64, 594, 64, 64, 594, 64, 1518, 64, 594, 64, 64, 594}
local port = settings.send_port
local net = settings.first_client:match("^(%d+%.%d+%.%d+%.)")

pktgen.stop("all")
pktgen.screen("off")
pktgen.set_range(port, "off")
for number, bytes in ipairs(sizes) do
  pktgen.seqTable(number - 1, port, {
    eth_dst_addr = settings.appliance_mac,
    eth_src_addr = settings.client_mac,
    ip_dst_addr = settings.vip,
    ip_src_addr = net .. number .. "/32",
    sport = settings.first_client_port + number,
    dport = settings.vip_port,
    ethType = "ipv4",
    ipProto = "udp",
    vlanid = 1,
    pktSize = bytes,
    gtpu_teid = 0,
  })
end
pktgen.set(port, "seq_cnt", #sizes)
pktgen.set(port, "count", 0)
local sent, received, lost = trial(100)
print(string.format("IMIX: sent %d, received %d, lost %.3f %%", sent, received, 100 * lost))
pktgen.set(port, "seq_cnt", 0)
