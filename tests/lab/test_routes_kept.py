# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""sluiced stops and starts beside a routing daemon, and nobody else notices: its TAP stays with addresses and neighbours,
its routes stay in the kernel, so BIRD's sessions over them stay established, and the next process finds all of it."""
import re

import pytest
from connections import Downloads
from healthtools import wait_for
from labtools import VIP4, VIP6, spread
from lablib import routing
from lablib.topology import Shape

SHAPE = Shape(muxes=1, dips=3, routing="bird")
DOWNLOADS, RESTARTS = 200, 3
PATIENCE_S = 30
SESSIONS = ("router4", "router6")


def conf_of(lab):
    return lab.directory("mux1") / "sluiced.conf"


def log_of(lab):
    return (lab.directory("mux1") / "sluiced.log").read_text()


def restart(lab):
    lab.stop("mux1", "sluiced")
    lab.start("mux1", "sluiced")


def sessions(lab):
    """name -> since when it is established, as BIRD says, in s of the day; None where it is not."""
    since = {}
    for name in SESSIONS:
        shown = routing.show(lab, "mux1", "show", "protocols", name)
        row = next(line.split() for line in shown.splitlines() if line.startswith(name))
        hours, minutes, seconds = map(float, row[4].split(":"))
        since[name] = (hours * 60 + minutes) * 60 + seconds if row[-1] == "Established" else None
    return since


def routes(lab):
    mux = lab.host("mux1")
    return {row["dst"] for family in ("-4", "-6") for row in mux.ip_json(family, "route", "show", "table", "202")}


def tap(lab):
    (link,) = lab.host("mux1").ip_json("link", "show", "dev", "sluice0")
    return link["ifindex"]


@pytest.fixture(scope="module", autouse=True)
def kept(lab):
    """As docs/restart.md says: on_stop = "keep", and a BFD that waits for as long as a restart takes."""
    for host in ("mux1", "router"):
        conf = next(lab.directory(host).glob("bird-*.conf"))
        text, count = re.subn(r"interval 100 ms; multiplier 5;", "interval 300 ms; multiplier 30;", conf.read_text())
        assert count == 1
        conf.write_text(text)
        routing.show(lab, host, "configure")
    conf_of(lab).write_text(conf_of(lab).read_text().replace("control: {", 'control: { on_stop = "keep"; ', 1))
    restart(lab)  # the process before stopped without it
    wait_for(lambda: all(sessions(lab).values()) and routing.next_hops(lab, VIP4) == {"mux1"}, PATIENCE_S)
    wait_for(lambda: routing.next_hops(lab, VIP6) == {"mux1"}, PATIENCE_S)


@pytest.fixture(scope="module")
def load(lab, kept):
    downloads = Downloads(lab, DOWNLOADS)
    try:
        assert_intact(downloads)
        yield downloads
    finally:
        downloads.stop()


def assert_intact(downloads):
    for _ in range(10):
        figures = downloads.ask("check")
        if figures["broken"] or figures["intact"] == figures["all"]:
            break
    assert figures["all"] == DOWNLOADS and figures["intact"] == DOWNLOADS and not figures["broken"], figures


@pytest.mark.parametrize("how", ["restart", "take-over"])
def test_sessions_and_downloads_go_on(lab, load, how):
    before, index = sessions(lab), tap(lab)
    for _ in range(RESTARTS):
        lab.take_over("mux1") if how == "take-over" else restart(lab)
        assert tap(lab) == index, "the interface is another one"
        assert routes(lab) == {VIP4, VIP6}
        assert_intact(load)
    assert sessions(lab) == pytest.approx(before, abs=0.1), "a session was established anew"
    assert {row["state"] for row in lab.ask("route", "list")} == {"announced"}
    assert "routes that were left for this process" in log_of(lab)


def test_between_two_processes_all_of_it_is_there(lab):
    lab.stop("mux1", "sluiced")
    try:
        assert routes(lab) == {VIP4, VIP6}
        addresses = {a["local"] for (link,) in [lab.host("mux1").ip_json("addr", "show", "dev", "sluice0")] for a in link["addr_info"]}
        assert {lab.spec("mux1").v4, lab.spec("mux1").v6} <= addresses
        assert routing.next_hops(lab, VIP4) == {"mux1"}
    finally:
        lab.start("mux1", "sluiced")


def test_what_another_file_does_not_name_goes(lab):
    plain = conf_of(lab).read_text()
    lab.stop("mux1", "sluiced")
    conf_of(lab).write_text(plain.replace('name = "web6";', 'name = "web6"; announce = "never";'))
    lab.host("mux1").run(["ip", "addr", "add", "10.0.0.77/24", "dev", "sluice0"])
    lab.start("mux1", "sluiced")
    try:
        assert routes(lab) == {VIP4}
        assert "10.0.0.77" not in str(lab.host("mux1").ip_json("addr", "show", "dev", "sluice0"))
    finally:
        conf_of(lab).write_text(plain)
        lab.ask("config", "reload")
    assert routes(lab) == {VIP4, VIP6}
    spread(lab, VIP4, 200)


def test_sigint_takes_all_of_it_away(lab):
    daemon = lab.daemon("mux1", "sluiced")
    lab.host("mux1").run(["kill", "-INT", str(daemon.pid)])
    wait_for(lambda: not daemon.alive(), PATIENCE_S)
    assert routes(lab) == set()
    assert lab.host("mux1").run(["ip", "link", "show", "dev", "sluice0"], check=False).returncode != 0
    lab.stop("mux1", "sluiced")  # forgets it
    lab.start("mux1", "sluiced")
    wait_for(lambda: routing.next_hops(lab, VIP4) == {"mux1"}, PATIENCE_S)
