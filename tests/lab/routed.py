# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Tests of routes that a routing daemon announces (A5), the same for each kind of daemon: modules import them."""
import hashlib
import os
import signal
import time

from labtools import VIP4, VIP6, curl, spread, url
from lablib import process, routing
from lablib.programs import BIG_FILE
from lablib.traffic import Downloads

BOTH = {"mux1", "mux2"}
DOWNLOADS, BYTES, RATE = 200, 800_000, 80_000
SETTLE_S, DETECT_S = 40, 6


def wait_for(condition, what, seconds):
    """Routers tell nobody when they have settled: asked until they have. The seconds that it took."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, f"not within {seconds} s: {what()}"
        time.sleep(0.02)
    return time.monotonic() - begin


def wait_for_hops(lab, expected, seconds=SETTLE_S, vips=(VIP4, VIP6)):
    def now():
        return {vip: routing.next_hops(lab, vip) for vip in vips}

    return wait_for(lambda: all(hops == expected for hops in now().values()), now, seconds)


def wait_for_both(lab):
    """Both MUXes announce, and the router would notice within a second if one of them died."""
    wait_for_hops(lab, BOTH)
    expected = 0 if lab.shape.routing == "exabgp" else 2 * len(BOTH)  # one for each MUX and family
    wait_for(lambda: routing.watched(lab) == expected, lambda: f"{routing.watched(lab)} sessions of BFD are up", SETTLE_S)


def test_the_router_has_a_next_hop_for_each_mux(lab):
    wait_for_hops(lab, BOTH)
    before = {mux: lab.ask("port", "list", mux=mux)[0]["rx_packets"] for mux in BOTH}
    spread(lab, VIP4, 400)
    spread(lab, VIP6, 400)
    for mux in BOTH:
        assert lab.ask("port", "list", mux=mux)[0]["rx_packets"] > before[mux] + 400, mux


def test_route_list_says_what_is_announced_and_why(lab):
    rows = {row["prefix"]: row for row in lab.ask("route", "list")}
    assert rows[VIP4] == {
        "prefix": VIP4, "state": "announced", "services": ["web"], "why": "service web: 3 of 3 DIPs are alive",
    }
    assert rows[VIP6]["state"] == "announced"


def test_a_vip_without_live_dips_is_withdrawn_and_comes_back(lab):
    wait_for_hops(lab, BOTH)
    for mux in BOTH:
        conf = lab.directory(mux) / "sluiced.conf"
        text = conf.read_text()
        health = 'health = { type = "http"; interval_ms = 200; timeout_ms = 150; panic = false; };'
        conf.write_text(text.replace('protocol = "tcp"; port = 80;', f'protocol = "tcp"; port = 80; {health}', 1))
        lab.ask("config", "reload", mux=mux)
    web = [lab.daemon(dip.name, "nginx") for dip in lab.shape.hosts("dip")]
    for daemon in web:
        process.freeze(daemon)
    try:
        wait_for_hops(lab, set(), vips=[VIP4])
        assert {row["prefix"]: row["state"] for row in lab.ask("route", "list")} == {VIP4: "withdrawn", VIP6: "announced"}
        assert routing.next_hops(lab, VIP6) == BOTH
    finally:
        for daemon in web:
            process.thaw(daemon)
    wait_for_hops(lab, BOTH)
    assert curl(lab, url(VIP4)).stdout.strip().startswith("dip")
    # Servers return by a transition, in which a MUX sends what it does not know by the old map: flows that the other MUX
    # opened since would move (docs/routes.md). With it over, all choose alike again.
    for mux in BOTH:
        wait_for(lambda: lab.ask("service", "show", "web", mux=mux)["dips_up"] == 3, lambda: "all servers up again", 10)
        lab.ask("transition", "finish", "web", mux=mux)


def test_all_flows_go_on_when_one_mux_is_killed(lab):
    wait_for_both(lab)
    whole = hashlib.sha256((lab.www / BIG_FILE).read_bytes()[:BYTES]).hexdigest()
    with Downloads(lab, count=DOWNLOADS, size=BYTES, rate=RATE) as downloads:
        downloads.wait_until_all_run()
        lab.kill("mux1", "sluiced")
        try:
            seconds = wait_for_hops(lab, {"mux2"}, DETECT_S)
        finally:
            lab.start("mux1", "sluiced")  # for whoever comes next
        figures = downloads.ask("finish")
    print(f"one next hop {seconds:.2f} s after the kill; {figures['whole']} of {DOWNLOADS} downloads whole")
    assert not figures["broken"] and figures["whole"] == DOWNLOADS, figures
    assert figures["digest"] == whole
    assert len(figures["servers"]) == 3, figures


def test_a_mux_that_returns_takes_its_share_again_and_breaks_nothing(lab):
    lab.stop("mux1", "sluiced")
    wait_for_hops(lab, {"mux2"})
    with Downloads(lab, count=DOWNLOADS, size=BYTES, rate=RATE) as downloads:
        downloads.wait_until_all_run()
        lab.start("mux1", "sluiced")
        wait_for_hops(lab, BOTH)
        figures = downloads.ask("finish")
    assert not figures["broken"] and figures["whole"] == DOWNLOADS, figures


def test_a_mux_that_leaves_withdraws_first_and_loses_nothing(lab):
    wait_for_both(lab)
    conf = lab.directory("mux2") / "sluiced.conf"
    conf.write_text(conf.read_text().replace("control: { ", "control: { leave_ms = 3000; ", 1))
    lab.ask("config", "reload", mux="mux2")
    with Downloads(lab, count=DOWNLOADS, size=BYTES, rate=RATE) as downloads:
        downloads.wait_until_all_run()
        leaving = lab.daemon("mux2", "sluiced")
        os.kill(leaving.pid, signal.SIGTERM)
        wait_for_hops(lab, {"mux1"}, DETECT_S)
        assert leaving.alive(), "it stopped forwarding before the router had turned away"
        assert lab.stop("mux2", "sluiced"), "sluiced did not leave by itself"
        figures = downloads.ask("finish")
    assert not figures["broken"] and figures["whole"] == DOWNLOADS, figures
    lab.start("mux2", "sluiced")
    wait_for_hops(lab, BOTH)
