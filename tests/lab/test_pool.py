# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Two MUXes, one IIP: a takeover when its holder dies, freezes or is cut off, and a handover that nobody notices (A9, A10)."""
import contextlib
import hashlib
import os
import signal
import subprocess
import time

import pytest
from labtools import VIP4, VIP6, assert_unharmed, curl, cut_off, download, sha256, spread
from lablib.topology import VIP_PREFIXES, Shape
from lablib.traffic import steady

SHAPE = Shape(muxes=2, dips=2)
IIP4, IIP6 = "10.0.0.100", "2001:db8:a::100"
TAKEOVER_S = 1.0  # with adverts of 0.1 s

POOL = """
iips: ( {{ address = "{v4}"; home = "mux1"; }}, {{ address = "{v6}"; home = "mux1"; }} );
pool: {{ name = "lab"; secret = "none that anybody must keep"; advert_ms = 100;
  members: ( {{ name = "mux1"; address = "10.0.0.11"; }}, {{ name = "mux2"; address = "10.0.0.12"; }} ); }};
"""


@pytest.fixture(scope="module", autouse=True)
def pool(lab):
    for mux in ("mux1", "mux2"):
        conf = lab.directory(mux) / "sluiced.conf"
        conf.write_text(conf.read_text() + POOL.format(v4=IIP4, v6=IIP6))
        lab.stop(mux, "sluiced")
    for mux in ("mux1", "mux2"):
        lab.start(mux, "sluiced")
    for prefix, iip in zip(VIP_PREFIXES, (IIP4, IIP6)):
        lab.host("router").ip(f"route replace {prefix} via {iip} dev muxes")


@pytest.fixture(autouse=True)
def mux1_holds_them(lab):
    """Each test begins with both alive and mux1 active."""
    wait_for(lab, lambda: roles(lab, "mux2").get("mux1") in ("active", "spare"))
    wait_for(lab, lambda: sorted(set(roles(lab, "mux1").values()) - {"draining"}) == ["active", "spare"])
    if roles(lab, "mux1")["mux1"] != "active":
        wait_for(lab, lambda: handed_over(lab, "mux2"))
    wait_for(lab, lambda: roles(lab, "mux1") == roles(lab, "mux2") == {"mux1": "active", "mux2": "spare"})


def handed_over(lab, mux):
    return lab.host(mux).run([*lab.ctl(mux), "mux", "handover"], check=False).returncode == 0


def roles(lab, mux):
    return {row["name"]: row["role"] for row in lab.ask("mux", "list", mux=mux)}


def wait_for(lab, condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, [lab.ask("mux", "list", mux=mux) for mux in ("mux1", "mux2")]
        time.sleep(0.02)


def metrics(lab, mux):
    text = lab.host(mux).run(["curl", "-sSf", "-m", "5", "http://127.0.0.1:9107/metrics"]).stdout
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if not line.startswith("#")}


def router_sends_to(lab):
    (entry,) = lab.host("router").ip_json("neigh", "show", IIP4, "dev", "muxes") or [{}]
    return {lab.spec(mux).mac: mux for mux in ("mux1", "mux2")}.get(entry.get("lladdr"))


def kernel_has_the_iip(lab, mux):
    addresses = lab.host(mux).ip_json("addr", "show", "dev", "sluice0")
    return any(a["local"] == IIP4 for link in addresses for a in link.get("addr_info", []))


@contextlib.contextmanager
def cut_between(lab):
    """Both reach the router and neither the other: the bridge isolates their ports from each other."""
    router = lab.host("router")
    for mux in ("mux1", "mux2"):
        router.run(["bridge", "link", "set", "dev", mux, "isolated", "on"])
    try:
        yield
    finally:
        for mux in ("mux1", "mux2"):
            router.run(["bridge", "link", "set", "dev", mux, "isolated", "off"])


def test_one_is_active_and_the_other_spare_and_traffic_goes_by_the_iip(lab):
    for mux in ("mux1", "mux2"):
        rows = {row["name"]: row for row in lab.ask("mux", "list", mux=mux)}
        assert sorted(rows["mux1"]["holds"]) == sorted([IIP4, IIP6]) and rows["mux2"]["holds"] == []
    states = {row["address"]: row["state"] for row in lab.ask("iip", "list", mux="mux2")}
    assert states == {IIP4: "elsewhere", IIP6: "elsewhere"}
    spread(lab, VIP4, 300)
    spread(lab, VIP6, 300)
    assert router_sends_to(lab) == "mux1"


def test_explain_and_the_page_of_metrics_say_who_holds_what(lab):
    way = lab.ask("explain", "tcp", "192.0.2.1:40000", f"{VIP4}:80", mux="mux2")
    assert way["iips"] == [{"address": IIP4, "state": "elsewhere", "member": "mux1", "why": "mux1 holds it"}]
    assert way["route"]["state"] == "announced" and way["route"]["prefix"] == VIP4
    way = lab.ask("explain", "tcp", "192.0.2.1:40000", f"{IIP4}:80", mux="mux1")
    assert way["reason"] == "the destination is an IIP that this MUX holds: the kernel gets the packet"
    way = lab.ask("explain", "tcp", "192.0.2.1:40000", f"{IIP4}:80", mux="mux2")
    assert way["reason"] == "the destination is an IIP, elsewhere: mux1 holds it"
    for mux, state in (("mux1", "held"), ("mux2", "elsewhere")):
        page = metrics(lab, mux)
        assert page[f'sluice_iip{{iip="{IIP4}",state="{state}"}}'] == 1
        assert page[f'sluice_iip_owner{{iip="{IIP6}",member="mux1"}}'] == 1
        assert page['sluice_pool_member{member="mux1",role="active"}'] == page['sluice_pool_member{member="mux2",role="spare"}'] == 1
        assert page['sluice_pool_adverts_total{fate="sent"}'] > 0 and page['sluice_pool_adverts_total{fate="heard"}'] > 0
        assert page['sluice_pool_adverts_total{fate="forged"}'] == 0
        assert lab.ask("status", mux=mux)["pool"] == {
            "name": "lab", "member": mux, "role": "active" if mux == "mux1" else "spare", "members": {"mux1": "active", "mux2": "spare"},
        }


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_a_dead_one_is_replaced_within_a_second(lab, how):
    curl(lab, f"http://{VIP4}/")
    daemon = lab.daemon("mux1", "sluiced")
    begin = time.monotonic()
    os.kill(daemon.pid, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
    try:
        while router_sends_to(lab) != "mux2":
            assert time.monotonic() - begin < 10
            time.sleep(0.005)
        took = time.monotonic() - begin
        print(f"{how}: the router sends to mux2 after {took:.2f} s")
        assert took < TAKEOVER_S
        spread(lab, VIP4, 200)
    finally:
        if how == "frozen":
            os.kill(daemon.pid, signal.SIGCONT)
        else:
            lab.stop("mux1", "sluiced")
            lab.start("mux1", "sluiced")
    # The returning one finds them taken.
    wait_for(lab, lambda: roles(lab, "mux1") == roles(lab, "mux2") == {"mux1": "spare", "mux2": "active"})
    assert not kernel_has_the_iip(lab, "mux1")


def test_one_that_is_stopped_says_so_and_is_replaced_faster(lab):
    begin = time.monotonic()
    lab.stop("mux1", "sluiced")
    wait_for(lab, lambda: roles(lab, "mux2") == {"mux1": "left", "mux2": "active"})
    assert time.monotonic() - begin < 3
    lab.start("mux1", "sluiced")


def test_a_link_that_breaks_between_them_and_heals_leaves_one_holder(lab):
    with cut_between(lab):
        wait_for(lab, lambda: roles(lab, "mux2")["mux2"] == "active")
        assert roles(lab, "mux1")["mux1"] == "active", "neither can know of the other"
    begin = time.monotonic()
    wait_for(lab, lambda: roles(lab, "mux1") == roles(lab, "mux2"))
    print(f"healed: one holder after {time.monotonic() - begin:.2f} s")
    holders = [mux for mux in ("mux1", "mux2") if kernel_has_the_iip(lab, mux)]
    assert holders == ["mux2"], "the older claim gave way"
    wait_for(lab, lambda: router_sends_to(lab) == "mux2")
    spread(lab, VIP4, 200)


def test_a_spare_that_is_cut_off_takes_nothing(lab):
    with cut_off(lab, "mux2"):
        wait_for(lab, lambda: roles(lab, "mux2")["mux1"] == "silent")
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            assert roles(lab, "mux2")["mux2"] == "spare"
            spread(lab, VIP4, 20)
    wait_for(lab, lambda: roles(lab, "mux1") == roles(lab, "mux2") == {"mux1": "active", "mux2": "spare"})


def test_a_holder_that_is_cut_off_is_replaced_and_gives_up_when_it_returns(lab):
    with cut_off(lab, "mux1"):
        wait_for(lab, lambda: router_sends_to(lab) == "mux2")
        spread(lab, VIP4, 200)
    wait_for(lab, lambda: roles(lab, "mux1") == roles(lab, "mux2") == {"mux1": "spare", "mux2": "active"})
    assert not kernel_has_the_iip(lab, "mux1")
    assert router_sends_to(lab) == "mux2"


def test_a_handover_loses_nothing(lab):
    """To and fro under requests and while a big file comes in; every answer comes, and comes from the same server."""
    big = sha256(lab.www / "100M")
    with steady(lab, VIP4, connections=30) as figures4, steady(lab, VIP6, connections=10) as figures6:
        for turn in range(4):
            mux, other = ("mux1", "mux2") if turn % 2 == 0 else ("mux2", "mux1")
            said = lab.host(mux).run([*lab.ctl(mux), "mux", "handover", other]).stdout
            assert "are handed over" in said, said
            assert roles(lab, other)[other] == "active"
            spread(lab, VIP4, 100)
            wait_for(lab, lambda mux=mux, other=other: roles(lab, other)[mux] == "spare")
        assert download(lab, VIP4, "/100M") == big
    assert_unharmed(figures4)
    assert_unharmed(figures6)


def test_a_download_goes_on_while_the_iip_moves(lab):
    argv = lab.host("client1").wrap(["curl", "-sSf", "-m", "120", "--limit-rate", "20M", f"http://{VIP4}/100M"])
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as fetching:
        first = fetching.stdout.read(1_000_000)
        lab.ask("mux", "handover", mux="mux1")
        digest = hashlib.sha256(first)
        while block := fetching.stdout.read(1 << 20):
            digest.update(block)
    assert fetching.returncode == 0
    assert digest.hexdigest() == sha256(lab.www / "100M")


def test_a_handover_to_nobody_is_refused_and_changes_nothing(lab):
    answer = lab.host("mux1").run([*lab.ctl("mux1"), "mux", "handover", "mux7"], check=False)
    assert answer.returncode == 1 and 'no member named "mux7" in the pool; others are: mux2' in answer.stderr
    answer = lab.host("mux2").run([*lab.ctl("mux2"), "mux", "handover"], check=False)
    assert answer.returncode == 1 and "holds no IIP" in answer.stderr
    assert roles(lab, "mux1") == {"mux1": "active", "mux2": "spare"}
