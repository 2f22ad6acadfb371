# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""The systemd units against a real kernel: what they allow is enough, and what they run after a kill cleans up."""
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from labtools import VIP4, VIP6, spread
from lablib import process
from lablib.topology import Shape

SHAPE = Shape(dips=2)


def lines(program, key):
    return re.findall(rf"^{key}=(.*)$", (ROOT / "scripts" / "systemd" / f"{program}.service.in").read_text(), re.M)


def calls_of(program):
    """SystemCallFilter= in order: what is allowed, then what is taken away again."""

    def expand(names):
        calls = set()
        for name in names:
            listed = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout
            inside = {line.strip() for line in listed.splitlines()[1:] if "#" not in line and line.strip()}
            calls |= expand(sorted(n for n in inside if n[0] == "@")) | {n for n in inside if n[0] != "@"}
        return calls

    calls = expand(["@default"])
    for words in (line.split() for line in lines(program, "SystemCallFilter")):
        taken = words[0].startswith("~")
        words[0] = words[0].removeprefix("~")
        named = expand([w for w in words if w[0] == "@"]) | {w for w in words if w[0] != "@"}
        calls = calls - named if taken else calls | named
    return calls


@pytest.fixture
def confined(lab, monkeypatch, tmp_path):
    """What the lab starts has the capabilities and the system calls of its unit, no way to others, and no memory that is
    writable and executable."""
    start = process.start

    def start_confined(namespace, program, argv, log):
        names = [word.lower().removeprefix("cap_") for line in lines(program, "CapabilityBoundingSet") for word in line.split()]
        bounds = ",".join(["-all", *(f"+{name}" for name in names)])
        calls = tmp_path / f"{program}.calls"
        calls.write_text("\n".join(sorted(calls_of(program))))
        confine = [sys.executable, str(Path(__file__).parent / "confined.py"), str(calls)]
        return start(namespace, program, ["setpriv", "--bounding-set", bounds, "--no-new-privs", *confine, *argv], log)

    monkeypatch.setattr(process, "start", start_confined)


def test_what_the_units_allow_is_enough(lab, confined):
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
