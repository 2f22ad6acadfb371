# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Servers die, freeze, lie and come back; the MUX notices by its probes, and only the flows of the dead are touched."""
import contextlib
import os
import signal

from healthtools import all_up, kept_connections, last_probes, out_of_the_maps, row, states, wait_for
from labtools import VIP4, assert_spread, drops, new_drops, spread
from lablib import process
from lablib.topology import Shape

SHAPE = Shape(dips=4, spares=1)
EQUAL = {"dip1": 1, "dip2": 1, "dip3": 1, "dip4": 1}
LEFT = {"dip1": 1, "dip3": 1, "dip4": 1}

BY_DEFAULT = 'health = { type = "http"; path = "/healthz"; expect = "sluice-ok"; };'
QUICK = BY_DEFAULT.replace("};", "interval_ms = 200; timeout_ms = 200; };")


def signal_nginx(lab, name, number):
    """To the master and its worker: one process group."""
    os.killpg(lab.daemon(name, "nginx").pid, number)


def kill_nginx(lab, name):
    signal_nginx(lab, name, signal.SIGKILL)
    lab.stop(name, "nginx")


@contextlib.contextmanager
def dead(lab, *names):
    for name in names:
        kill_nginx(lab, name)
    try:
        yield
    finally:
        for name in names:
            lab.start(name, "nginx")


def choices(lab):
    """Which server new flows from a hundred ports would go to; ports that no other client here ever has."""
    client = lab.spec("client1").v4
    names = {lab.spec(host.name).v4: host.name for host in lab.shape.hosts("dip")}
    asked = [lab.ask("explain", "tcp", f"{client}:{port}", f"{VIP4}:80", "--syn") for port in range(20000, 20100)]
    return [names[told["dip"].split(":")[0]] for told in asked]


def test_every_server_is_probed_and_found_up(lab, health):
    health(QUICK)
    wait_for(lambda: len(row(lab, "dip1")["last"]) == 10, 10)
    shown = row(lab, "dip1")
    assert shown["state"] == "up" and shown["since_s"] > 0
    assert shown["probe"] == "http 10.1.0.11:80/healthz"
    assert all(probe["ok"] and probe["text"] == "HTTP status 200, the word is there" for probe in shown["last"])
    assert all(0 < probe["ms"] < 200 for probe in shown["last"])
    assert row(lab, "dip2")["state"] == "up"
    v6 = [r for r in lab.ask("health", "list") if r["service"] == "web6"]
    assert len(v6) == 4 and all(r["state"] == "up" for r in v6)


def test_a_server_dies_and_comes_back_and_only_its_connections_break(lab, health):
    """By the default figures: a probe every 2 s, dead after 3 failures, alive after 2 successes."""
    health(BY_DEFAULT)
    wait_for(lambda: all(r["last"] and r["last"][-1]["ok"] for r in lab.ask("health", "list")), 5)
    before, slots = choices(lab), states(lab)[1]
    with kept_connections(lab, 60) as (first, again):
        assert set(first) == set(EQUAL)
        with dead(lab, "dip2"):
            took = wait_for(lambda: out_of_the_maps(lab, "dip2"), 10)
            print(f"out after {took:.2f} s")
            assert took < 3 * 2 + 0.5
            shown = row(lab, "dip2")
            assert shown["state"] == "down" and shown["why"].startswith("3 failures in a row: connection refused")
            assert not shown["last"][-1]["ok"]
            assert again() == [None if name == "dip2" else name for name in first]
            assert_spread(spread(lab), LEFT)
            during = choices(lab)
            assert [d for d, b in zip(during, before) if b != "dip2"] == [b for b in before if b != "dip2"]
            assert "dip2" not in during
        took = wait_for(lambda: row(lab, "dip2")["state"] == "up", 10)
        print(f"back after {took:.2f} s")
        assert took < 3 * 2 + 0.5
        assert choices(lab) == before and states(lab)[1] == slots
        # Those that were broken are gone; those that were not never noticed.
        assert again() == [None if name == "dip2" else name for name in first]
        assert_spread(spread(lab), EQUAL)


def test_a_server_that_freezes_is_out_as_soon_as_one_that_dies(lab, health):
    """Its kernel goes on accepting connections: only the answer tells."""
    health(BY_DEFAULT)
    wait_for(lambda: all(r["last"] and r["last"][-1]["ok"] for r in lab.ask("health", "list")), 5)
    signal_nginx(lab, "dip3", signal.SIGSTOP)
    try:
        took = wait_for(lambda: out_of_the_maps(lab, "dip3"), 10)
        print(f"out after {took:.2f} s")
        assert took < 3 * 2 + 0.5
        assert row(lab, "dip3")["why"] == "3 failures in a row: waited 1000 ms for an answer"
        assert_spread(spread(lab), {name: 1 for name in EQUAL if name != "dip3"})
    finally:
        signal_nginx(lab, "dip3", signal.SIGCONT)
    wait_for(lambda: all_up(lab), 10)
    assert_spread(spread(lab), EQUAL)


def test_a_server_whose_agent_finds_it_ill_gets_nothing(lab, health):
    """/healthz is the agent's, behind nginx: the port is open, the status and the word are not right."""
    health(QUICK)
    wait_for(lambda: all_up(lab), 10)
    assert lab.stop("dip4", "sluice-agent")
    wait_for(lambda: out_of_the_maps(lab, "dip4"), 3 * 0.2 + 0.5 + 1)
    assert "HTTP status 502" in row(lab, "dip4")["why"]
    lab.start("dip4", "sluice-agent")
    wait_for(lambda: all_up(lab), 10)


def test_when_all_look_dead_at_once_all_stay(lab, health):
    """The probes' page is gone everywhere, the service is not: panic keeps it."""
    health(QUICK)
    wait_for(lambda: all_up(lab), 10)
    slots = states(lab)[1]
    health(QUICK.replace("/healthz", "/gone"))
    wait_for(lambda: set(states(lab)[0].values()) == {"panic"}, 10)
    assert states(lab)[1] == slots
    assert_spread(spread(lab), EQUAL)
    assert "HTTP status 404" in row(lab, "dip1")["why"]
    log = "\n".join(process.tail(str(lab.directory("mux1") / "sluiced.log"), 50))
    assert "panic: all DIPs of service web look dead at once; the 4 that were up until now stay in use" in log
    health(QUICK)
    wait_for(lambda: all_up(lab), 10)


def test_without_panic_a_service_without_servers_drops_and_counts(lab, health):
    health(QUICK.replace("};", "panic = false; };").replace("/healthz", "/gone"))
    wait_for(lambda: set(states(lab)[0].values()) == {"down"}, 10)
    before = drops(lab)
    lab.host("client1").run(["curl", "-s", "-m", "1", f"http://{VIP4}/"], check=False)
    assert "no-live-dip" in new_drops(before, drops(lab))
    health(QUICK)
    wait_for(lambda: all_up(lab), 10)
    assert_spread(spread(lab), EQUAL)


def test_a_new_server_gets_traffic_once_it_answers(lab, health):
    health(QUICK)
    dip5 = lab.spec("dip5").v4
    with dead(lab, "dip5"):
        lab.ask("dip", "add", "web", dip5)
        wait_for(lambda: len(row(lab, "dip5")["last"]) > 3, 5)
        assert row(lab, "dip5")["state"] == "joining" and out_of_the_maps(lab, "dip5")
        assert_spread(spread(lab), EQUAL)
    wait_for(lambda: row(lab, "dip5")["state"] == "up", 5)
    assert_spread(spread(lab), {**EQUAL, "dip5": 1})
    lab.ask("dip", "remove", "web", dip5, "--now")
    assert_spread(spread(lab), EQUAL)


def test_agents_are_asked_and_say_that_they_drain(lab, health):
    health('health = { type = "agent"; interval_ms = 200; persistent = true; };')
    wait_for(lambda: all_up(lab) and "report" in row(lab, "dip1"), 5)
    report = row(lab, "dip1")["report"]
    assert report["state"] == "alive" and report["connections"] >= 0 and 0 <= report["memory_used_percent"] <= 100
    os.kill(lab.daemon("dip1", "sluice-agent").pid, signal.SIGUSR1)
    wait_for(lambda: row(lab, "dip1")["state"] == "draining", 5)
    wait_for(lambda: "dip1" not in spread(lab, connections=100), 10)  # its flows stay, new ones go elsewhere
    assert lab.stop("dip1", "sluice-agent")
    lab.start("dip1", "sluice-agent")
    wait_for(lambda: all_up(lab), 10)


def test_pings_and_tcp_probes_reach_the_servers_too(lab, health):
    for kind, text in (("icmp", "echo reply"), ("tcp", "connected")):
        health(f'health = {{ type = "{kind}"; interval_ms = 100; }};')
        wait_for(lambda: last_probes(lab, text), 10)
        assert len(lab.ask("health", "list")) == 8 and all_up(lab)
    metrics = lab.host("mux1").run(["curl", "-sSf", "-m", "5", "http://127.0.0.1:9107/metrics"]).stdout
    assert f'sluice_dip_healthy{{service="web",dip="{lab.spec("dip1").v4}"}} 1' in metrics
