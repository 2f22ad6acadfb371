# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""The systemd units against a real kernel: what they allow is enough, and what they run after a kill cleans up."""
import re

import pytest
from conftest import ROOT
from labtools import VIP4, VIP6, spread
from lablib import process
from lablib.topology import Shape

SHAPE = Shape(dips=2)


def lines(program, key):
    return re.findall(rf"^{key}=(.*)$", (ROOT / "scripts" / "systemd" / f"{program}.service.in").read_text(), re.M)


@pytest.fixture
def confined(lab, monkeypatch):
    """What the lab starts has no capability but those of its unit, and no way to others."""
    start = process.start

    def start_confined(namespace, program, argv, log):
        names = [word.lower().removeprefix("cap_") for line in lines(program, "CapabilityBoundingSet") for word in line.split()]
        bounds = ",".join(["-all", *(f"+{name}" for name in names)])
        return start(namespace, program, ["setpriv", "--bounding-set", bounds, "--no-new-privs", *argv], log)

    monkeypatch.setattr(process, "start", start_confined)


def test_the_capabilities_of_the_units_are_enough(lab, confined):
    for host, program in (("mux1", "sluiced"), ("dip1", "sluice-agent")):
        lab.stop(host, program)
        lab.start(host, program)
        status = open(f"/proc/{lab.daemon(host, program).pid}/status").read()
        assert re.search(r"^NoNewPrivs:\s1$", status, re.M)
        assert int(re.search(r"^CapEff:\s(\w+)$", status, re.M)[1], 16) < 0x1FFFFFFFFFF
    for vip in (VIP4, VIP6):
        assert set(spread(lab, vip, 100)) == {"dip1", "dip2"}
    for host, program in (("mux1", "sluiced"), ("dip1", "sluice-agent")):
        log = lab.directory(host) / f"{program}.log"
        assert not re.search(r" (warning|error|critical) ", log.read_text()), log.read_text()


def test_after_a_kill_the_units_commands_remove_the_routes(lab):
    mux = lab.host("mux1")

    def routes():
        return [row["dst"] for family in ("-4", "-6") for row in mux.ip_json(family, "route", "show", "table", "202")]

    assert set(routes()) == {VIP4, VIP6}
    lab.kill("mux1", "sluiced")
    assert set(routes()) == {VIP4, VIP6}, "a process that is killed cannot clean up"
    commands = lines("sluiced", "ExecStopPost")
    assert len(commands) == 2
    for command in commands:
        mux.run(command.removeprefix("-").split())
    assert routes() == []
    lab.start("mux1", "sluiced")
    assert set(routes()) == {VIP4, VIP6}
