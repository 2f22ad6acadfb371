# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Two MUXes announce their VIPs by ExaBGP to a router with BIRD: two next hops, one after a kill, none for a dead VIP, and no flow breaks."""
from lablib import routing
from lablib.topology import Shape
from routed import (  # noqa: F401 (pytest runs them in this order)
    VIP4, VIP6, wait_for_both,
    test_the_router_has_a_next_hop_for_each_mux,
    test_route_list_says_what_is_announced_and_why,
    test_a_vip_without_live_dips_is_withdrawn_and_comes_back,
    test_all_flows_go_on_when_one_mux_is_killed,
    test_a_mux_that_returns_takes_its_share_again_and_breaks_nothing,
    test_a_mux_that_leaves_withdraws_first_and_loses_nothing,
)

SHAPE = Shape(muxes=2, dips=3, routing="exabgp")


def test_birdc_shows_both_muxes(lab):
    wait_for_both(lab)
    for vip in (VIP4, VIP6):
        shown = routing.show(lab, "router", "show", "route", "for", vip)
        assert shown.count("via ") == 2, shown
