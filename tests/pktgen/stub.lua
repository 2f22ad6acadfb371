-- SPDX-License-Identifier: Apache-2.0
-- Copyright The Sluice Authors
-- lua5.4 stub.lua SCRIPT LINE_PPS LIMIT_PPS: runs a script of scripts/pktgen where there is no Pktgen. Knows the functions of
-- Pktgen's Lua library that it documents, and how many arguments each takes; anything else is an error. Behind it stands
-- a wire of LINE_PPS packets a second and an appliance that forwards LIMIT_PPS of them. Every call is printed.
local script, line_pps, limit_pps = arg[1], tonumber(arg[2]), tonumber(arg[3])
local rate, sending, sent_packets, received_packets = 100, false, 0, 0

local function words(...)
  local out = {}
  for _, value in ipairs({...}) do
    out[#out + 1] = type(value) == "table" and "{" .. (value.ip_dst_addr or "") .. " " .. (value.eth_dst_addr or "") .. " "
      .. (value.dport or "") .. " " .. (value.pktSize or "") .. "}" or tostring(value)
  end
  return table.concat(out, " ")
end

-- A function that takes so many arguments, prints itself, and does `work`.
local function known(name, arguments, work)
  return function(...)
    assert(select("#", ...) == arguments, name .. " takes " .. arguments .. " arguments")
    print("CALL " .. name .. " " .. words(...))
    if work then return work(...) end
  end
end

local function after(ms)
  if not sending then return end
  local packets = math.floor(line_pps * rate / 100 * ms / 1000)
  sent_packets = sent_packets + packets
  received_packets = received_packets + math.min(packets, math.floor(limit_pps * ms / 1000))
end

local plain = {screen = 1, set_range = 2, pcap = 2, latency = 2, seqTable = 3}
local ranges = {dst_mac = 3, src_mac = 3, dst_ip = 3, src_ip = 3, ip_proto = 2, src_port = 3, dst_port = 3, pkt_size = 3}
pktgen = {range = {}}
for name, arguments in pairs(plain) do pktgen[name] = known(name, arguments) end
for name, arguments in pairs(ranges) do pktgen.range[name] = known("range." .. name, arguments) end
pktgen.set = known("set", 3, function(_, what, value)
  assert(({count = 1, size = 1, rate = 1, burst = 1, seq_cnt = 1})[what], "set knows no " .. what)
  if what == "rate" then
    assert(value > 0 and value <= 100, "a rate is a percentage")
    rate = value
  end
end)
pktgen.start = known("start", 1, function() sending = true end)
pktgen.stop = known("stop", 1, function() sending = false end)
pktgen.clr = known("clr", 0, function() sent_packets, received_packets = 0, 0 end)
pktgen.delay = known("delay", 1, after)
pktgen.portStats = known("portStats", 2, function(port)
  return {[tonumber(port)] = {opackets = sent_packets, ipackets = received_packets}}
end)
pktgen.pktStats = known("pktStats", 1, function(port)
  return {[tonumber(port)] = {latency = {num_pkts = 10, min_us = 1.0, avg_us = 2.0, max_us = 3.0}}}
end)

dofile(script)
assert(not sending, "the script ends while packets are sent")
