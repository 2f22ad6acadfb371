-- SPDX-License-Identifier: Apache-2.0
-- Copyright The Sluice Authors
-- SYNs of a million clients to the VIP: every packet is a flow never seen before. Pktgen's own TCP packets are
-- no SYNs, so they come from a capture: make-captures writes it, and Pktgen is started with -s 0:syn-flood.pcap.
-- Meanwhile, on the appliance: sluicectl drop list, sluicectl service list (flows), sluicectl worker list.
package.path = "scripts/pktgen/?.lua;?.lua;" .. package.path
local settings = require "settings"
local trial = require "trial"

pktgen.stop("all")
pktgen.screen("off")
pktgen.set_range(settings.send_port, "off")
pktgen.pcap(settings.send_port, "on")
pktgen.set(settings.send_port, "count", 0)
for _, percent in ipairs({1, 10, 50, 100}) do
  local sent, received, lost = trial(percent)
  print(string.format("SYN flood at %d %% of the line: sent %d, forwarded %d, lost %.3f %%", percent, sent, received, 100 * lost))
end
pktgen.pcap(settings.send_port, "off")
