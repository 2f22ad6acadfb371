-- SPDX-License-Identifier: Apache-2.0
-- Copyright The Sluice Authors
-- A range of sources to the VIP at full rate, for one trial: is the path right, what goes through at most?
package.path = "scripts/pktgen/?.lua;?.lua;" .. package.path
local settings = require "settings"
local trial = require "trial"

require("clients").prepare("udp")
local sent, received, lost = trial(100)
print(string.format("sent %d, received %d, lost %.3f %%, %.3f million a second", sent, received, 100 * lost,
  received / settings.trial_ms / 1e3))
