# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""A MUX whose adverts go on by a network of their own while it carries nothing: a worker hangs, the cable is out (A9, A10)."""
import contextlib
import time

import pytest
from labtools import VIP4, VIP6, cut_off, spread
from lablib.topology import VIP_PREFIXES, Shape
from one_thread import Stopped, threads

SHAPE = Shape(muxes=2, dips=2)
MUXES = ("mux1", "mux2")
IIPS = ("10.0.0.100", "2001:db8:a::100")
FAILURES = 3

# Nobody but the other member is to find the hanging worker here: stall_s = 0.
POOL = """
iips: ( {{ address = "10.0.0.100"; home = "mux1"; }}, {{ address = "2001:db8:a::100"; home = "mux1"; }} );
pool: {{ name = "lab"; secret = "none that anybody must keep"; advert_ms = 100; member = "{member}";
  probe_failures = {failures};
  members: ( {{ name = "mux1"; address = "10.9.0.1"; }}, {{ name = "mux2"; address = "10.9.0.2"; }} ); }};
"""


@pytest.fixture(scope="module", autouse=True)
def pool(lab):
    one, two = (lab.host(mux) for mux in MUXES)
    one.ip(f"link add watch0 type veth peer name watch0 netns {two.netns}")
    for number, host in enumerate((one, two), 1):
        host.ip(f"addr add 10.9.0.{number}/24 dev watch0\nlink set watch0 up")
    for mux in MUXES:
        conf = lab.directory(mux) / "sluiced.conf"
        text = conf.read_text().replace("control: {", "control: { stall_s = 0;", 1)
        conf.write_text(text + POOL.format(member=mux, failures=FAILURES))
        lab.stop(mux, "sluiced")
    for mux in MUXES:
        lab.start(mux, "sluiced")
    for prefix, iip in zip(VIP_PREFIXES, IIPS):
        lab.host("router").ip(f"route replace {prefix} via {iip} dev muxes")


@pytest.fixture(autouse=True)
def mux1_holds_them(lab):
    """Each test begins with mux1 active, mux2 spare, and every data path known to be good."""
    wait_for(lab, lambda: paths(lab) == ("ok", "ok"))
    wait_for(lab, lambda: sorted(roles(lab, "mux1").values()) == ["active", "spare"])
    if roles(lab, "mux1")["mux1"] != "active":
        wait_for(lab, lambda: lab.host("mux2").run([*lab.ctl("mux2"), "mux", "handover"], check=False).returncode == 0)
    wait_for(lab, lambda: roles(lab, "mux1") == roles(lab, "mux2") == {"mux1": "active", "mux2": "spare"})


def row_of(lab, member, seen_from):
    return next(row for row in lab.ask("mux", "list", mux=seen_from) if row["name"] == member)


def roles(lab, mux):
    return {row["name"]: row["role"] for row in lab.ask("mux", "list", mux=mux)}


def paths(lab):
    """The data path of each, as the other one sees it."""
    return row_of(lab, "mux1", "mux2")["data_path"], row_of(lab, "mux2", "mux1")["data_path"]


def wait_for(lab, condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, [lab.ask("mux", "list", mux=mux) for mux in MUXES]
        time.sleep(0.02)


@contextlib.contextmanager
def worker_hangs(lab, mux):
    (worker,) = threads(lab.daemon(mux, "sluiced").pid, "rte-worker-1")
    with Stopped(worker):
        yield


@pytest.mark.parametrize("dies", [worker_hangs, cut_off], ids=lambda dies: dies.__name__)
def test_a_holder_that_carries_nothing_hands_over_although_its_adverts_go_on(lab, dies):
    spread(lab, VIP4, 100)
    begin = time.monotonic()
    with dies(lab, "mux1"):
        wait_for(lab, lambda: row_of(lab, "mux2", "mux2")["role"] == "active")
        print(f"{dies.__name__}: the spare has the IIPs after {time.monotonic() - begin:.2f} s")
        assert sorted(row_of(lab, "mux2", "mux2")["holds"]) == sorted(IIPS)
        seen = row_of(lab, "mux1", "mux2")
        assert seen["role"] not in ("silent", "left") and seen["data_path"] == "dead"
        # It has heard of it, and holds nothing any more.
        wait_for(lab, lambda: row_of(lab, "mux1", "mux1")["holds"] == [] and row_of(lab, "mux1", "mux1")["data_path"] == "dead")
        spread(lab, VIP4, 100)
        spread(lab, VIP6, 100)
    wait_for(lab, lambda: paths(lab) == ("ok", "ok"))
    wait_for(lab, lambda: roles(lab, "mux1") == roles(lab, "mux2") == {"mux1": "spare", "mux2": "active"})


def test_a_spare_that_carries_nothing_is_no_choice_for_a_handover(lab):
    with worker_hangs(lab, "mux2"):
        wait_for(lab, lambda: row_of(lab, "mux2", "mux1")["data_path"] == "dead")
        answer = lab.host("mux1").run([*lab.ctl("mux1"), "mux", "handover", "mux2"], check=False)
        assert answer.returncode == 1 and "the data path of mux2 is dead" in answer.stderr
        # Its own questions go unanswered too: the fault is on its side, and it accuses nobody.
        wait_for(lab, lambda: row_of(lab, "mux1", "mux2")["data_path"] == "")
        assert row_of(lab, "mux1", "mux1")["role"] == "active"
        spread(lab, VIP4, 100)


def test_dead_servers_are_no_fault_of_a_mux(lab):
    for dip in ("dip1", "dip2"):
        lab.kill(dip, "nginx")
        lab.host("router").ip(f"link set {dip} down")
    try:
        before = probes_sent(lab)
        wait_for(lab, lambda: probes_sent(lab) > before + 3 * 2 * FAILURES)  # as many rounds again as would be enough
        assert "dead" not in paths(lab)  # a busy machine may have missed a round
        assert roles(lab, "mux1") == {"mux1": "active", "mux2": "spare"}
    finally:
        for dip in ("dip1", "dip2"):
            lab.host("router").ip(f"link set {dip} up")
            lab.start(dip, "nginx")


def test_a_member_whose_tap_was_removed_goes_on_probing(lab):
    renewed, answered = figure(lab, "sluice_interface_renewals_total"), "sluice_pool_probes_answered_total"
    lab.host("mux2").ip("link del sluice0")
    wait_for(lab, lambda: figure(lab, "sluice_interface_renewals_total") > renewed)
    before = figure(lab, answered)
    wait_for(lab, lambda: figure(lab, answered) >= before + FAILURES)


def figure(lab, name):
    """Of mux2's page of metrics."""
    page = lab.host("mux2").run(["curl", "-sSf", "-m", "5", "http://127.0.0.1:9107/metrics"]).stdout
    return next(int(line.split()[1]) for line in page.splitlines() if line.startswith(name + " "))


def probes_sent(lab):
    return figure(lab, "sluice_pool_probes_total")
