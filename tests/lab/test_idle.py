# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""An appliance without traffic leaves its cores alone, and is there at once when a packet comes."""
import re
import statistics
import time
from pathlib import Path

import pytest
from conftest import PREFIX
from labtools import VIP4, VIP6
from lablib.lab import Lab
from lablib.topology import Shape

QUIET_S, MOST_PERCENT = 5, 5


@pytest.fixture(scope="module", params=["af_packet", "af_xdp"])
def lab(request):
    lab = Lab(prefix=PREFIX)
    lab.down()  # what an interrupted run left
    lab.up(Shape(dips=2, driver=request.param))
    try:
        yield lab
    finally:
        lab.down()


def cpu_ns(pid):
    """What all threads of the process have run, as the scheduler counts it."""
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in Path(f"/proc/{pid}/task").iterdir())


def test_without_traffic_it_takes_less_than_a_twentieth_of_a_core(lab):
    pid = lab.daemon("mux1", "sluiced").pid
    time.sleep(1)  # what start-up left to do
    before, began = cpu_ns(pid), time.monotonic()
    time.sleep(QUIET_S)
    percent = (cpu_ns(pid) - before) / (time.monotonic() - began) / 1e9 * 100
    print(f"idle: {percent:.2f} % of a core")
    assert percent < MOST_PERCENT


@pytest.mark.parametrize("vip", [VIP4, VIP6], ids=["IPv4", "IPv6"])
def test_the_first_packet_after_a_silence_does_not_wait(lab, vip):
    # Each echo request finds the workers asleep. A lost call would show as 10 ms, the longest sleep.
    text = lab.host("client1").run(["ping", "-n", "-c", "30", "-i", "0.1", vip]).stdout
    times_ms = [float(ms) for ms in re.findall(r"time=([\d.]+)", text)]
    print(f"first packets: median {statistics.median(times_ms)} ms, worst {max(times_ms)} ms")
    assert len(times_ms) == 30
    assert statistics.median(times_ms) < 2


def test_what_is_for_the_kernel_does_not_wait_either(lab):
    mux = lab.spec("mux1")
    text = lab.host("client1").run(["ping", "-n", "-c", "20", "-i", "0.1", mux.v4]).stdout
    times_ms = [float(ms) for ms in re.findall(r"time=([\d.]+)", text)]
    print(f"to the kernel: median {statistics.median(times_ms)} ms, worst {max(times_ms)} ms")
    assert len(times_ms) == 20
    assert statistics.median(times_ms) < 2
