-- SPDX-License-Identifier: Apache-2.0
-- Copyright The Sluice Authors
-- What all scripts here share: edit this file, and the configuration of the appliance that goes with it.
-- Addresses of clients are those that RFC 2544 sets aside for benchmarks (RFC 5735: 198.18.0.0/15).
return {
  send_port = "0", -- Pktgen's number of the port that plays the clients
  receive_port = "1", -- and of the one that plays the servers' side; the same where there is one port
  appliance_mac = "02:00:00:00:00:01", -- of the appliance's port "clients": sluicectl status
  client_mac = "02:00:00:00:00:02",
  vip = "203.0.113.10",
  vip_port = 80,
  first_client = "198.18.0.1",
  last_client = "198.19.255.200",
  first_client_port = 1024,
  last_client_port = 65000,
  frame_bytes = 64, -- with the checksum of the frame, as Pktgen counts
  trial_ms = 10000,
  settle_ms = 2000, -- after a trial: what is under way arrives
  partial_loss = 0.001, -- that the partial drop rate may lose
  search_steps = 10,
}
