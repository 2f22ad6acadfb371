-- SPDX-License-Identifier: Apache-2.0
-- Copyright The Sluice Authors
-- The clients: a range of sources to the VIP, each packet from another one. No traffic starts here.
local settings = require "settings"
local clients = {}

-- "udp" or "tcp".
function clients.prepare(protocol)
  local port, range = settings.send_port, pktgen.range
  pktgen.stop("all")
  pktgen.clr()
  pktgen.screen("off")
  range.dst_mac(port, "start", settings.appliance_mac)
  range.src_mac(port, "start", settings.client_mac)
  for what, value in pairs({start = settings.vip, min = settings.vip, max = settings.vip, inc = "0.0.0.0"}) do
    range.dst_ip(port, what, value)
  end
  range.src_ip(port, "start", settings.first_client)
  range.src_ip(port, "min", settings.first_client)
  range.src_ip(port, "max", settings.last_client)
  range.src_ip(port, "inc", "0.0.0.1")
  range.ip_proto(port, protocol)
  for what, value in pairs({start = settings.vip_port, min = settings.vip_port, max = settings.vip_port, inc = 0}) do
    range.dst_port(port, what, value)
  end
  range.src_port(port, "start", settings.first_client_port)
  range.src_port(port, "min", settings.first_client_port)
  range.src_port(port, "max", settings.last_client_port)
  range.src_port(port, "inc", 1)
  local bytes = settings.frame_bytes
  for what, value in pairs({start = bytes, min = bytes, max = bytes, inc = 0}) do
    range.pkt_size(port, what, value)
  end
  pktgen.set(port, "count", 0) -- until stopped
  pktgen.set(port, "size", bytes)
  pktgen.set_range(port, "on")
end

return clients
