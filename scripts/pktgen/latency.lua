-- SPDX-License-Identifier: Apache-2.0
-- Copyright The Sluice Authors
-- Delays through the appliance at 10, 50 and 90 % of its maximum: set `maximum` to what search.lua found.
-- Pktgen's figures are those of packets that it marks, there and back; it keeps the mean and the extremes, and no
-- percentiles: for those see scripts/bench --memif.
package.path = "scripts/pktgen/?.lua;?.lua;" .. package.path
local settings = require "settings"
local maximum = maximum or 50 -- percent of the line: the PDR

require("clients").prepare("udp")
local sender, receiver = settings.send_port, settings.receive_port
pktgen.latency(sender, "enable")
pktgen.latency(receiver, "enable")
for _, share in ipairs({10, 50, 90}) do
  pktgen.clr()
  pktgen.set(sender, "rate", maximum * share / 100)
  pktgen.start(sender)
  pktgen.delay(settings.trial_ms)
  local seen = pktgen.pktStats(receiver)[tonumber(receiver)].latency
  pktgen.stop(sender)
  pktgen.delay(settings.settle_ms)
  print(string.format("at %d %% of the maximum: %d packets, min %.2f us, mean %.2f us, max %.2f us", share,
    seen.num_pkts, seen.min_us, seen.avg_us, seen.max_us))
end
pktgen.latency(sender, "disable")
pktgen.latency(receiver, "disable")
