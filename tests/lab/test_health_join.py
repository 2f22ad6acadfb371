# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""A new server gets its first packet when the doctor has walked the whole way to it and found nothing wrong."""
import contextlib

import pytest
from healthtools import kept_connections, out_of_the_maps, row, states, wait_for
from labtools import assert_spread, spread
from lablib import process
from lablib.topology import Shape

SHAPE = Shape(dips=2, spares=1)
EQUAL = {"dip1": 1, "dip2": 1}
# The probe asks the server's own address, and knows nothing of the tunnel.
DIRECT = 'health = { type = "http"; path = "/"; expect = "dip"; interval_ms = 200; };'
NO_TUNNEL = "the doctor: the tunnel is not decapsulated on the server: no agent answers there "


@contextlib.contextmanager
def added(lab, name="dip3"):
    address = lab.spec(name).v4
    lab.ask("dip", "add", "web", address)
    try:
        yield address
    finally:
        lab.ask("dip", "remove", "web", address, "--now")


def why(lab):
    return row(lab, "dip3")["why"]


def log_of(lab):
    return "\n".join(process.tail(str(lab.directory("mux1") / "sluiced.log"), 1000))


def test_a_server_that_is_well_joins_at_once(lab, health):
    health(DIRECT)
    with added(lab):
        took = wait_for(lambda: row(lab, "dip3")["state"] == "up", 10)
        print(f"up after {took:.2f} s")
        assert why(lab) == "its first answer: HTTP status 200, the word is there; the doctor found its way good"
        assert_spread(spread(lab), {**EQUAL, "dip3": 1})


def test_a_server_without_a_tunnel_joins_when_it_has_one(lab, health):
    health(DIRECT)
    assert lab.stop("dip3", "sluice-agent")
    with kept_connections(lab, 20) as (first, again), added(lab) as address:
        wait_for(lambda: why(lab).startswith(NO_TUNNEL), 20)
        kept = row(lab, "dip3")
        assert kept["state"] == "joining" and all(probe["ok"] for probe in kept["last"]), kept
        assert out_of_the_maps(lab, "dip3")
        assert_spread(spread(lab), EQUAL)
        lab.start("dip3", "sluice-agent")
        took = wait_for(lambda: row(lab, "dip3")["state"] == "up", 30)
        print(f"up {took:.2f} s after its agent was there")
        assert why(lab).endswith("; the doctor found its way good")
        assert_spread(spread(lab), {**EQUAL, "dip3": 1})
        assert again() == first
        said = [line for line in log_of(lab).splitlines() if f"DIP {address} gets nothing yet: {NO_TUNNEL}" in line]
        assert len(said) == 1, said


@pytest.fixture
def narrow(lab):
    """The network before dip3 loses large packets, and says nothing."""
    router = lab.host("router")
    router.ip("link set dip3 mtu 1400")
    try:
        yield
    finally:
        router.ip("link set dip3 mtu 1600")


def test_without_the_doctor_a_good_probe_is_enough(lab, health, narrow):
    health(DIRECT)
    with added(lab):
        wait_for(lambda: why(lab).startswith("the doctor: small packets arrive, large ones are lost"), 30)
        assert states(lab)[0]["dip3"] == "joining" and out_of_the_maps(lab, "dip3")
    health(DIRECT.replace("};", 'admit = "probe"; };'))
    with added(lab):
        wait_for(lambda: row(lab, "dip3")["state"] == "up", 10)
        assert why(lab) == "its first answer: HTTP status 200, the word is there"
