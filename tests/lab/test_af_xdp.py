# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""The same on AF_XDP ports, which take frames away from the kernel instead of copying them.

Fragments are tested here: before an AF_PACKET port sees an IPv4 fragment, the kernel puts the datagram together, since
DPDK's driver opens its sockets with PACKET_FANOUT_FLAG_DEFRAG."""
import pytest
from labtools import (
    VIP4, VIP6, ask_udp, assert_spread, assert_unharmed, download, drops, new_drops, sha256, spread, udp_servers,
    udp_service, upload,
)
from lablib.programs import BIG_FILE
from lablib.topology import LATER_SERVICES, Shape
from lablib.traffic import steady

SHAPE = Shape(dips=3, driver="af_xdp", weights=(1, 2, 2))

both_families = pytest.mark.parametrize("vip", [VIP4, VIP6], ids=["IPv4", "IPv6"])


@both_families
def test_connections_are_spread_by_weight(lab, vip):
    with steady(lab, vip) as figures:
        assert_spread(spread(lab, vip), {"dip1": 1, "dip2": 2, "dip3": 2})
    assert_unharmed(figures)


@both_families
def test_a_hundred_megabytes_go_both_ways_unharmed(lab, vip):
    digest = sha256(lab.www / BIG_FILE)
    assert download(lab, vip, f"/{BIG_FILE}") == digest
    written = upload(lab, vip, lab.www / BIG_FILE, "big")
    assert sha256(written) == digest
    written.unlink()


@pytest.mark.parametrize("service", LATER_SERVICES, ids=lambda s: s.name)
@pytest.mark.parametrize("size", [1600, 4000, 20000])
def test_all_fragments_of_a_datagram_reach_one_server(lab, service, size):
    with udp_servers(lab, service), udp_service(lab, service):
        before = drops(lab)
        got = ask_udp(lab, service, 200, size)
        assert new_drops(before, drops(lab)) == {}
        assert got["lost"] == 0, got
        assert set(got["answers"]) == {"dip1", "dip2", "dip3"}
