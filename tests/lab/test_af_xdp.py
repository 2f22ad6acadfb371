# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""The same on AF_XDP ports, which take frames away from the kernel instead of copying them."""
import pytest
from labtools import VIP4, VIP6, assert_spread, assert_unharmed, download, sha256, spread, upload
from lablib.programs import BIG_FILE
from lablib.topology import Shape
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
