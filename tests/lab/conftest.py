# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""One lab for each module that asks for it, of the SHAPE that the module names; always down at its end.

The lab of the tests has a name of its own, so that one that an operator has up stays untouched; two runs side by side
need two names (SLUICE_TEST_LAB)."""
import os
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
sys.path.append(str(ROOT / "tests/packet"))  # one_thread

from healthtools import health  # noqa: E402, F401 (a fixture)
from lablib import process  # noqa: E402
from lablib.lab import Lab  # noqa: E402
from lablib.topology import Shape  # noqa: E402

PREFIX = os.environ.get("SLUICE_TEST_LAB", "sluice-test")


@pytest.fixture(scope="module")
def lab(request):
    lab = Lab(prefix=PREFIX)
    lab.down()  # what an interrupted run left
    lab.up(getattr(request.module, "SHAPE", Shape()))
    try:
        yield lab
    finally:
        lab.down()


@pytest.fixture(autouse=True)
def every_packet_is_accounted_for(request):
    """rx + created = tx + punted + dropped + held on every port, at the first quiet moment after each test."""
    yield
    if "lab" not in request.fixturenames:
        return
    lab = request.getfixturevalue("lab")
    for mux in lab.shape.hosts("mux"):
        deadline = time.monotonic() + 5
        while unbalanced := [port for port in lab.ask("port", "list", mux=mux.name) if not balances(port)]:
            assert time.monotonic() < deadline, f"{mux.name}: packets unaccounted for: {unbalanced}"


def balances(port):
    came = port["rx_packets"] + port["created_packets"]
    return came == sum(port[f"{way}_packets"] for way in ("tx", "punted", "dropped", "held"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failure carries the last words of every program of its lab."""
    report = (yield).get_result()
    lab = getattr(item, "funcargs", {}).get("lab")
    if report.failed and lab is not None and lab.state is not None:
        for daemon in lab.daemons():
            life = "" if daemon.alive() else " (DEAD)"
            report.sections.append((daemon.title() + life, "\n".join(process.tail(daemon.log, 25))))
