# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""The systemd units as systemd itself judges them, without a running one."""
import functools
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ("sluiced", "sluice-agent")
# `systemd-analyze security`, in tenths: 0 is shut off from everything, 100 has all of the machine. What is left is what
# they are for: raw and netlink sockets, network administration, the host's own network, root at the start.
EXPOSURE = {"sluiced": 42, "sluice-agent": 35}


@pytest.fixture
def units(tmp_path):
    """program -> its unit, as an installation would have it."""
    found = {}
    for program in PROGRAMS:
        executable = tmp_path / program
        executable.write_text("")
        executable.chmod(0o755)
        text = (ROOT / "scripts" / "systemd" / f"{program}.service.in").read_text()
        found[program] = tmp_path / f"{program}.service"
        found[program].write_text(text.replace("@bindir@", str(tmp_path)))
    return found


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", "--no-pager", *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("program", PROGRAMS)
def test_systemd_understands_every_line(units, program):
    done = analyze("verify", "--man=no", units[program])
    said = [line for line in (done.stdout + done.stderr).splitlines() if program in line]
    assert done.returncode == 0 and said == [], done


@pytest.mark.parametrize("program", PROGRAMS)
def test_exposure_stays_low(units, program):
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE[program]}", units[program])
    assert done.returncode == 0, done.stdout + done.stderr


@functools.cache
def members(name):
    """@system-service -> its system calls, those of the sets in it among them."""
    listed = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout
    return expand(line.strip() for line in listed.splitlines()[1:] if line.strip() and "#" not in line)


def expand(names):
    return set().union(*(members(name) if name.startswith("@") else {name} for name in names))


def allowed(program):
    text = (ROOT / "scripts" / "systemd" / f"{program}.service.in").read_text()
    calls = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", text, re.M):
        if line.startswith("~"):
            calls -= expand(line[1:].split()) - expand(["@default"])
        else:
            calls |= expand(line.split())
    return calls


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_the_programs_allow_themselves_the_units_allow(program):
    text = (ROOT / "control" / "confine" / "calls.h").read_text()
    own = set(re.findall(r'"(\w+)"', text))
    assert len(own) > 200
    assert own - allowed(program) == set()


@pytest.mark.parametrize("call", ["mount", "init_module", "kexec_load", "reboot", "ptrace", "settimeofday", "unshare", "add_key", "swapon"])
def test_what_changes_the_machine_neither_allows(call):
    text = (ROOT / "control" / "confine" / "calls.h").read_text()
    assert f'"{call}"' not in text
    for program in PROGRAMS:
        assert call not in allowed(program)
