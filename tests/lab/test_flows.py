# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""500 connections that never pause stay on their servers, whatever an operator or a flood does."""
import time

import pytest
from connections import COUNTER, conf_text, counter_servers, hold
from lablib.topology import Shape
from lablib.traffic import INSIDE, PYTHON

SHAPE = Shape(dips=4, spares=2)
CONNECTIONS, FLOOD = 500, 1_000_000
# Room for the connections and little more, so that the flood meets a full table.
POLICY = "flows = 4096; timeouts: { closing_s = 2; }; transition: { deadline_s = 120; };"


@pytest.fixture(scope="module")
def connections(lab):
    conf = lab.directory("mux1") / "sluiced.conf"
    plain = conf.read_text()
    conf.write_text(conf_text(lab, POLICY))
    lab.ask("config", "reload")
    with counter_servers(lab):
        holder = hold(lab, CONNECTIONS)
        try:
            yield holder
        finally:
            holder.stop()
    conf.write_text(plain)
    lab.ask("config", "reload")


def service(lab):
    (row,) = [row for row in lab.ask("service", "list") if row["name"] == COUNTER.name]
    return row


def transitions(lab):
    return [row for row in lab.ask("transition", "list") if row["service"] == COUNTER.name]


def intact(lab, connections, after):
    """All of them exchanged a counter after what happened; nothing broke."""
    figures = connections.ask("check")
    print(f"{figures['intact']} of {figures['all']} connections intact: {after}")
    assert figures["intact"] == figures["all"], figures
    assert service(lab)["flows_broken"] == 0
    return figures


def until(condition, what, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not {what} after {seconds} s"
        time.sleep(0.1)  # sluicectl has no event for it


def test_five_hundred_connections_open(lab, connections):
    figures = intact(lab, connections, "opened")
    assert figures["all"] == CONNECTIONS and len(figures["servers"]) == 4, figures


def test_two_servers_join(lab, connections):
    for spare in lab.shape.hosts("dip")[4:]:
        lab.ask("dip", "add", COUNTER.name, spare.v4)
    intact(lab, connections, "two servers added")
    (row,) = transitions(lab)
    assert row["slots_moved"] > 0 and 0 < row["remaining_s"] <= 120, row


def test_weights_change(lab, connections):
    for dip, weight in zip(lab.shape.hosts("dip"), (5, 1, 3)):
        lab.ask("dip", "weight", COUNTER.name, dip.v4, weight)
    intact(lab, connections, "weights changed")


def test_twenty_reloads(lab, connections):
    conf = lab.directory("mux1") / "sluiced.conf"
    plain = conf.read_text()
    first = lab.spec("dip1").v4
    heavier = plain.replace(f'"{first}"; weight = 1', f'"{first}"; weight = 9')
    assert heavier != plain
    for turn in range(20):
        conf.write_text(plain if turn % 2 else heavier)
        lab.ask("config", "reload")
    intact(lab, connections, "twenty reloads")


def test_a_flood_of_made_up_sources(lab, connections):
    argv = [PYTHON, str(INSIDE / "syn_flood.py"), COUNTER.vip, str(COUNTER.port), str(FLOOD)]
    lab.host("client1").run(argv)
    intact(lab, connections, f"{FLOOD} SYNs from nobody")
    assert service(lab)["flows_untracked"] > 0


def test_a_drained_server_empties_when_its_clients_leave(lab, connections):
    dip = lab.spec("dip2")
    lab.ask("transition", "finish", COUNTER.name)
    assert transitions(lab) == []
    lab.ask("dip", "drain", COUNTER.name, dip.v4)
    before = intact(lab, connections, "dip2 drains")["servers"]
    assert before["dip2"] > 0
    (row,) = transitions(lab)
    assert row["flows_old"] >= before["dip2"] and 0 < row["remaining_s"] <= 120, row
    after = connections.ask("close", "dip2")
    assert after["intact"] == after["all"] == CONNECTIONS - before["dip2"], after
    until(lambda: transitions(lab) == [], "over", 30)
    assert dip.v4 not in [row["address"] for row in lab.ask("dip", "list", COUNTER.name)]
    intact(lab, connections, "dip2 is empty and gone")
