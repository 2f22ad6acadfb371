-- SPDX-License-Identifier: Apache-2.0
-- Copyright The Sluice Authors
-- One trial: so long at such a rate (percent of the line), and what came of it.
local settings = require "settings"

local function packets(port, what)
  return pktgen.portStats(port, "port")[tonumber(port)][what]
end

-- Returns packets sent, packets received, and the share that was lost.
return function(percent, ms)
  local sender, receiver = settings.send_port, settings.receive_port
  pktgen.clr()
  pktgen.set(sender, "rate", percent)
  pktgen.start(sender)
  pktgen.delay(ms or settings.trial_ms)
  pktgen.stop(sender)
  pktgen.delay(settings.settle_ms)
  local sent, received = packets(sender, "opackets"), packets(receiver, "ipackets")
  return sent, received, sent > 0 and math.max(0, 1 - received / sent) or 1
end
