-- SPDX-License-Identifier: Apache-2.0
-- Copyright The Sluice Authors
-- RFC 2544, section 26.1: the highest rate without a loss (NDR), and with a tolerated one (PDR), each by halving.
-- Rates are percent of the line; how to turn them into packets: README.md.
package.path = "scripts/pktgen/?.lua;?.lua;" .. package.path
local settings = require "settings"
local trial = require "trial"

-- The highest rate in (0, high] that loses no more than `most`; 0 when none does.
local function highest(high, most)
  local low, rate = 0, high
  for _ = 1, settings.search_steps do
    local sent, received, lost = trial(rate)
    print(string.format("  %7.3f %%: sent %d, received %d, lost %.4f %%", rate, sent, received, 100 * lost))
    if lost <= most then
      low = rate
    else
      high = rate
    end
    if low == high then break end
    rate = low + (high - low) / 2
  end
  return low
end

require("clients").prepare("udp")
trial(10, 1000) -- flows get their entries, caches warm up
local partial = highest(100, settings.partial_loss)
local none = partial > 0 and highest(partial, 0) or 0
print(string.format("PDR %.3f %% of the line, at most %.1f %% lost", partial, 100 * settings.partial_loss))
print(string.format("NDR %.3f %% of the line, nothing lost", none))
