# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Two MUXes behind ECMP with one configuration: whoever of them gets a packet chooses the same server."""
from labtools import VIP4, VIP6, assert_spread, assert_unharmed, port, spread
from lablib.topology import VIP_PREFIXES, Shape
from lablib.traffic import steady

SHAPE = Shape(muxes=2, dips=3, weights=(1, 2, 3))


def route(lab, *muxes):
    for prefix in VIP_PREFIXES:
        hops = " ".join(f"nexthop via {m.v6 if ':' in prefix else m.v4} dev muxes" for m in map(lab.spec, muxes))
        lab.host("router").ip(f"route replace {prefix} {hops}")


def test_both_work_and_the_spread_is_that_of_one(lab):
    before = port(lab, "mux1")["rx_packets"], port(lab, "mux2")["rx_packets"]
    assert_spread(spread(lab, VIP4), {"dip1": 1, "dip2": 2, "dip3": 3})
    assert_spread(spread(lab, VIP6), {"dip1": 1, "dip2": 2, "dip3": 3})
    # 4,000 connections of at least four packets, between two.
    assert port(lab, "mux1")["rx_packets"] - before[0] > 4000
    assert port(lab, "mux2")["rx_packets"] - before[1] > 4000


def test_flows_go_on_through_the_other_mux(lab):
    with steady(lab, VIP4, connections=40) as figures4, steady(lab, VIP6, connections=40) as figures6:
        for muxes in (["mux1"], ["mux2"], ["mux1"], ["mux1", "mux2"]):
            route(lab, *muxes)
            spread(lab, VIP4, 300)
    assert_unharmed(figures4)
    assert_unharmed(figures6)


def test_both_explain_a_flow_alike(lab):
    for source_port in range(50000, 50032):
        words = ("explain", "tcp", f"198.51.100.11:{source_port}", f"{VIP4}:80")
        one, other = (lab.ask(*words, mux=mux) for mux in ("mux1", "mux2"))
        assert (one["hash"], one["slot"], one["dip"]) == (other["hash"], other["slot"], other["dip"])
