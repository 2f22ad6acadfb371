# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Probes that travel like clients' packets: they prove tunnel, agent and VIP, and nobody takes them for clients."""
import json
import re

import pytest
from healthtools import all_up, last_probes, out_of_the_maps, row, states, wait_for
from labtools import VIP4, assert_spread, curl, drops, new_drops, spread
from lablib import process
from lablib.topology import Shape

SHAPE = Shape(dips=3, spares=1)
EQUAL = {"dip1": 1, "dip2": 1, "dip3": 1}
THROUGH = 'health = { type = "http"; path = "/"; expect = "dip"; interval_ms = 200; timeout_ms = 200; through = "vip"; };'


def counters(lab):
    """Everything that counts clients' packets."""
    services = [(s["rx_packets"], s["flows"]) for s in lab.ask("service", "list")]
    dips = [(d["packets"], d["flows"]) for d in lab.ask("dip", "list")]
    return services, dips, lab.ask("flow", "list")


def path_packets(lab):
    page = lab.host("mux1").run(["curl", "-sSf", "-m", "5", "http://127.0.0.1:9107/metrics"]).stdout
    (line,) = [line for line in page.splitlines() if line.startswith("sluice_health_path_packets_total ")]
    return int(line.split()[1])


def agent_rx(lab, name):
    """Packets that the server's agent has decapsulated for the VIP."""
    status = json.loads(lab.host(name).run(["curl", "-sSf", "-m", "5", "http://127.0.0.1:9110/status"]).stdout)
    return next(vip["rx_packets"] for vip in status["vips"] if vip["address"] == VIP4)


def test_probes_take_the_clients_way_and_count_as_nobodys(lab, health):
    before, drops_before, decapsulated = counters(lab), drops(lab), agent_rx(lab, "dip2")
    health(THROUGH)
    wait_for(lambda: last_probes(lab, "HTTP status 200, the word is there"), 10)
    assert row(lab, "dip1")["probe"] == f"http {VIP4}:80/ on 10.1.0.11"
    assert all_up(lab)
    rows = lab.ask("health", "list")
    assert len(rows) == 6 and all(r["state"] == "up" for r in rows)  # IPv4 and IPv6
    assert agent_rx(lab, "dip2") > decapsulated
    assert path_packets(lab) > 6 * 3  # a SYN, an ACK and more of each
    assert counters(lab) == before
    assert not new_drops(drops_before, drops(lab))
    assert_spread(spread(lab), EQUAL)


@pytest.mark.parametrize("kind", ["tcp", "http"])
def test_a_tunnel_that_ends_nowhere_takes_the_server_out(lab, health, kind):
    """The server's own address answers as before: only a probe through the tunnel can tell."""
    health(THROUGH if kind == "http" else 'health = { type = "tcp"; interval_ms = 200; timeout_ms = 200; through = "vip"; };')
    wait_for(lambda: all_up(lab) and row(lab, "dip3")["last"], 10)
    assert lab.stop("dip3", "sluice-agent")
    try:
        took = wait_for(lambda: out_of_the_maps(lab, "dip3"), 10)
        print(f"out after {took:.2f} s")
        assert took < 3 * 0.2 + 0.5 + 1
        assert "dip3" in curl(lab, "http://10.3.0.13/", client="client1").stdout
        assert_spread(spread(lab), {"dip1": 1, "dip2": 1})
    finally:
        lab.start("dip3", "sluice-agent")
    wait_for(lambda: all_up(lab), 10)


def test_probes_of_a_service_by_gue_travel_in_gue(lab, health):
    before = agent_rx(lab, "dip2")
    health('encapsulation = "gue"; ' + THROUGH)
    wait_for(lambda: all_up(lab) and last_probes(lab, "HTTP status 200, the word is there"), 10)
    assert agent_rx(lab, "dip2") > before
    assert lab.stop("dip3", "sluice-agent")
    try:
        wait_for(lambda: out_of_the_maps(lab, "dip3"), 10)
    finally:
        lab.start("dip3", "sluice-agent")
    wait_for(lambda: all_up(lab), 10)
    assert_spread(spread(lab), EQUAL)


PIPELINE = "workers  = ( { lcore = 1; tier1 = true; tier2 = false; }, { lcore = 2; tier1 = false; tier2 = true; } );"
PAIR = "workers  = ( { lcore = 1; tier1 = true; tier2 = true; }, { lcore = 2; tier1 = true; tier2 = true; } );"


@pytest.mark.parametrize("workers", [PIPELINE, PAIR], ids=["pipeline", "pair"])
def test_it_is_the_same_with_several_workers(lab, workers):
    conf = lab.directory("mux1") / "sluiced.conf"
    plain = conf.read_text()
    text = re.sub(r'1@(\d+)"', r'1@\1,2@\1"', plain).replace("port = 80;\n", f"port = 80; {THROUGH}\n")
    assert lab.stop("mux1", "sluiced")
    try:
        conf.write_text(re.sub(r"workers  = .*", workers, text))
        lab.start("mux1", "sluiced")
        assert len(lab.ask("worker", "list")) == 2
        wait_for(lambda: all_up(lab) and last_probes(lab, "HTTP status 200, the word is there"), 20)
        assert path_packets(lab) > 0
        assert_spread(spread(lab), EQUAL)
    finally:
        lab.stop("mux1", "sluiced")
        conf.write_text(plain)
        lab.start("mux1", "sluiced")


def test_a_persistent_connection_goes_through_the_tunnel_too(lab, health):
    health(THROUGH.replace("};", "persistent = true; };"))
    wait_for(lambda: len(row(lab, "dip1")["last"]) == 10, 10)
    assert all(probe["ok"] for probe in row(lab, "dip1")["last"])
    ss = lab.host("mux1").run(["ss", "-Htn", "dst", VIP4]).stdout.splitlines()
    assert len(ss) == 3 and all("ESTAB" in line for line in ss), ss


def test_a_new_server_gets_traffic_once_the_tunnel_to_it_works(lab, health):
    health(THROUGH)
    dip4 = lab.spec("dip4").v4
    assert lab.stop("dip4", "sluice-agent")
    lab.ask("dip", "add", "web", dip4)
    try:
        wait_for(lambda: len(row(lab, "dip4")["last"]) > 3, 5)
        assert row(lab, "dip4")["state"] == "joining" and out_of_the_maps(lab, "dip4")
        assert_spread(spread(lab), EQUAL)
        lab.start("dip4", "sluice-agent")
        wait_for(lambda: row(lab, "dip4")["state"] == "up", 5)
        assert_spread(spread(lab), {**EQUAL, "dip4": 1})
    finally:
        lab.ask("dip", "remove", "web", dip4, "--now")
    assert states(lab)[1].keys() == EQUAL.keys()


def test_strict_filters_and_another_way_back_do_not_hide_the_answers(lab, health):
    """The MUX's route to the VIP leads elsewhere, as with a management interface: sluiced made its TAP lenient."""
    mux = lab.host("mux1")
    filters = mux.run(["sysctl", "-n", "net.ipv4.conf.sluice0.rp_filter"]).stdout.strip()
    assert filters == "2"
    mux.ip(f"route add {VIP4}/32 dev lo")
    try:
        health(THROUGH)
        wait_for(lambda: all_up(lab) and last_probes(lab, "HTTP status 200, the word is there"), 10)
    finally:
        mux.ip(f"route del {VIP4}/32 dev lo")


def test_a_route_of_our_own_that_goes_wrong_is_no_reason_to_lose_all(lab, health):
    """Nothing of ours gets out any more, so every server looks dead at once: panic keeps the service."""
    health(THROUGH)
    wait_for(lambda: all_up(lab), 10)
    mux = lab.host("mux1")
    mux.ip(f"route add unreachable {VIP4}/32")
    try:
        wait_for(lambda: set(states(lab)[0].values()) == {"panic"}, 10)
        assert_spread(spread(lab), EQUAL)
    finally:
        mux.ip(f"route del unreachable {VIP4}/32")
    log = str(lab.directory("mux1") / "sluiced.log")
    wait_for(lambda: "panic of service web is over: 3 of 3 DIPs answer" in "\n".join(process.tail(log, 5)), 15)
    assert all_up(lab)
