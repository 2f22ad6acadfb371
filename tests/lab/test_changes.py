# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Servers, weights, services and programs change while requests flow, and no request notices."""
import os
import signal
import time

import pytest
from labtools import (
    VIP4, VIP6, ask_udp, assert_spread, assert_unharmed, curl, drops, new_drops, spread, udp_servers, udp_service, url,
)
from lablib.topology import LATER_SERVICES, SERVICES, Service, Shape
from lablib.traffic import steady

SHAPE = Shape(dips=4, spares=1)
EQUAL = {"dip1": 1, "dip2": 1, "dip3": 1, "dip4": 1}


def test_weights_change_live(lab):
    dip4 = lab.spec("dip4").v4
    lab.ask("dip", "weight", "web", dip4, 5)
    try:
        assert_spread(spread(lab), {**EQUAL, "dip4": 5})
    finally:
        lab.ask("dip", "weight", "web", dip4, 1)
    assert_spread(spread(lab), EQUAL)


def test_a_server_joins_and_requests_on_the_others_go_on(lab):
    dip5 = lab.spec("dip5").v4
    with steady(lab, VIP6) as figures:
        lab.ask("dip", "add", "web", dip5)
        assert_spread(spread(lab), {**EQUAL, "dip5": 1})
        lab.ask("dip", "remove", "web", dip5, "--now")
        assert_spread(spread(lab), EQUAL)
    assert_unharmed(figures)


def test_fifty_reloads_under_load_break_nothing(lab):
    conf = lab.directory("mux1") / "sluiced.conf"
    plain = conf.read_text()
    wider = lab.sluiced_conf("mux1", SERVICES + (Service("other", "203.0.113.99", "tcp", 8080),))
    before = drops(lab)
    try:
        with steady(lab, connections=40, pause=0.002) as figures:
            for turn in range(50):
                conf.write_text(plain if turn % 2 else wider)
                lab.ask("config", "reload")
                names = [service["name"] for service in lab.ask("service", "list")]
                assert ("other" in names) == (turn % 2 == 0), names
    finally:
        conf.write_text(plain)
        lab.ask("config", "reload")
    assert_unharmed(figures, at_least=1000)
    assert new_drops(before, drops(lab)) == {}


def test_a_reload_of_a_broken_file_is_refused_and_changes_nothing(lab):
    conf = lab.directory("mux1") / "sluiced.conf"
    plain = conf.read_text()
    shown = lab.ask("service", "list")
    conf.write_text(plain.replace('vip = "203.0.113.10"', 'vip = "203.0.113.300"'))
    try:
        answer = lab.host("mux1").run([*lab.ctl(), "config", "reload"], check=False)
    finally:
        conf.write_text(plain)
    line = next(number for number, text in enumerate(plain.splitlines(), 1) if '"203.0.113.10"' in text)
    assert answer.returncode == 2  # wrong configuration
    assert f"sluiced.conf:{line}: " in answer.stderr, answer.stderr
    assert [s["name"] for s in lab.ask("service", "list")] == [s["name"] for s in shown]
    assert curl(lab, url(VIP4)).stdout.strip() in EQUAL


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_an_agent_restarts_under_load(lab, how):
    """While it is away its server's packets wait in TCP's retransmission; one that was killed leaves its program behind,
    which goes on, and which the next agent replaces."""
    with steady(lab, connections=20) as figures:
        if how == "stopped":
            assert lab.stop("dip1", "sluice-agent")
        else:
            kill(lab, "dip1", "sluice-agent")
        lab.start("dip1", "sluice-agent")
        assert_spread(spread(lab, connections=1000), EQUAL)
    assert_unharmed(figures)


def kill(lab, host, program):
    os.kill(lab.daemon(host, program).pid, signal.SIGKILL)
    lab.stop(host, program)


def test_an_agent_that_stops_leaves_its_server_clean(lab):
    dip = lab.host("dip2")

    def traces():
        addresses = [a["local"] for link in dip.ip_json("addr", "show", "dev", "lo") for a in link["addr_info"]]
        filters = dip.run(["tc", "filter", "show", "dev", "eth0", "ingress"]).stdout
        return [a for a in addresses if a in (VIP4, VIP6)], filters.strip()

    held, program = traces()
    assert sorted(held) == [VIP6, VIP4] and "bpf" in program
    assert lab.stop("dip2", "sluice-agent")
    assert traces() == ([], "")
    lab.start("dip2", "sluice-agent")
    assert_spread(spread(lab), EQUAL)


# --- a UDP service, as small as DNS, added while the lab runs --------------------------------------------------------


@pytest.mark.parametrize("service", LATER_SERVICES, ids=lambda s: s.name)
def test_a_udp_service_is_added_live_and_removed(lab, service):
    with udp_servers(lab, service):
        with udp_service(lab, service):
            got = ask_udp(lab, service, 1000)
            assert got["lost"] == 0, got
            assert_spread(got["answers"], EQUAL)
        before = drops(lab)
        assert ask_udp(lab, service, 1)["lost"] == 1
        assert new_drops(before, drops(lab)) == {"no-service": 1}


# --- the MUX itself --------------------------------------------------------------------------------------------------


def test_sluiced_ends_on_sigterm_with_0_and_comes_back(lab):
    begin = time.monotonic()
    assert lab.stop("mux1", "sluiced")
    assert time.monotonic() - begin < 5
    assert not lab.host("mux1").ip_json("link", "show", "type", "tun"), "the TAP is still there"
    lab.start("mux1", "sluiced")
    assert_spread(spread(lab), EQUAL)


def test_metrics_carry_the_counters(lab):
    spread(lab, connections=100)
    text = lab.host("mux1").run(["curl", "-sSf", "-m", "5", "http://127.0.0.1:9107/metrics"]).stdout
    (port,) = lab.ask("port", "list")
    line = next(t for t in text.splitlines() if t.startswith("sluice_port_rx_packets") and 'port="uplink"' in t)
    assert 100 < float(line.split()[-1]) <= port["rx_packets"]
