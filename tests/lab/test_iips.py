# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""IIPs (A6) among real hosts: taken after a question, refused where somebody defends them, announced, defended."""
import time

import pytest
from labtools import VIP4, VIP6, assert_unharmed, spread
from lablib import LabError, process
from lablib.topology import VIP_PREFIXES, Shape
from lablib.traffic import steady

SHAPE = Shape(dips=2, neighbours=1)
IIP4, IIP6 = "10.0.0.100", "2001:db8:a::100"
PATIENCE_S = 15  # more than one interval of defence (10 s)


@pytest.fixture(autouse=True)
def no_iips_stay(lab):
    yield
    for row in lab.ask("iip", "list"):
        lab.ask("iip", "remove", row["address"])


def rows(lab):
    return {row["address"]: row for row in lab.ask("iip", "list")}


def mac_in_the_routers_table(lab, address):
    (entry,) = lab.host("router").ip_json("neigh", "show", address, "dev", "muxes") or [{}]
    return entry.get("lladdr")


def wait_until(condition, seconds=PATIENCE_S):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def route_vips_to(lab, *iips):
    for prefix, iip in zip(VIP_PREFIXES, iips):
        lab.host("router").ip(f"route replace {prefix} via {iip} dev muxes")


def route_vips_back(lab):
    mux = lab.spec("mux1")
    route_vips_to(lab, mux.v4, mux.v6)


def refusal(lab, *words):
    answer = lab.host("mux1").run([*lab.ctl(), *words], check=False)
    assert answer.returncode == 1, answer
    return answer.stderr


def test_traffic_goes_by_an_iip(lab):
    for address in (IIP4, IIP6):
        begin = time.monotonic()
        assert lab.ask("iip", "add", address)["done"]
        assert time.monotonic() - begin < 3
    assert {row["state"] for row in rows(lab).values()} == {"held"}
    route_vips_to(lab, IIP4, IIP6)
    try:
        spread(lab, VIP4, 500)
        spread(lab, VIP6, 500)
        assert mac_in_the_routers_table(lab, IIP4) == lab.spec("mux1").mac
        assert mac_in_the_routers_table(lab, IIP6) == lab.spec("mux1").mac
    finally:
        route_vips_back(lab)


@pytest.mark.parametrize("address", ["v4", "v6"])
def test_an_address_that_a_host_defends_is_refused_with_its_mac(lab, address):
    neighbour = lab.spec("neighbour1")
    said = refusal(lab, "iip", "add", getattr(neighbour, address))
    assert f"{getattr(neighbour, address)} is not taken: {neighbour.mac} has it" in said, said
    assert rows(lab) == {}


def test_the_routers_own_address_is_refused_too(lab):
    assert "is not taken: 02:00:0a:00:00:01 has it" in refusal(lab, "iip", "add", "10.0.0.1")


def test_what_cannot_be_an_iip_is_refused_without_a_packet(lab):
    assert "is the own address of port uplink" in refusal(lab, "iip", "add", lab.spec("mux1").v4)
    assert "is a VIP, of service web" in refusal(lab, "iip", "add", VIP4)
    assert "is no port of the dataplane; write one of: uplink" in refusal(lab, "iip", "add", IIP4, "--port", "up")
    assert "is no address" in refusal(lab, "iip", "add", "10.0.0.300")


def test_the_configuration_that_runs_has_it_and_a_reload_without_it_gives_it_up(lab):
    lab.ask("iip", "add", IIP4)
    assert f'address = "{IIP4}"' in lab.ask("config", "show")
    lab.ask("config", "reload")
    assert rows(lab) == {}


def test_the_fence_command_is_told_of_the_defender(lab):
    conf, told = lab.directory("mux1") / "sluiced.conf", lab.directory("mux1") / "fenced"
    plain = conf.read_text()
    neighbour = lab.spec("neighbour1")
    command = f'fence_command = [ "/bin/sh", "-c", "echo $ADDRESS $MAC $PORT > {told}" ];'
    conf.write_text(plain.replace("control: {", "control: { " + command))
    try:
        lab.ask("config", "reload")
        assert "fence_command is started" in refusal(lab, "iip", "add", neighbour.v4)
        wait_until(told.exists, 5)
        wait_until(lambda: told.read_text().split() == [neighbour.v4, neighbour.mac, "uplink"], 5)
    finally:
        conf.write_text(plain)
        lab.ask("config", "reload")


KEEPALIVED = """\
global_defs {{ vrrp_garp_master_repeat 5 }}
vrrp_instance thief {{
  interface eth0
  state MASTER
  virtual_router_id 51
  priority 200
  advert_int 1
  virtual_ipaddress {{ {iip}/24 }}
}}
"""


def test_keepalived_claims_it_and_the_routers_table_comes_back(lab):
    """Two that both insist: it is shown as contested, and by the end of an interval of defence the router is ours again."""
    mux, neighbour = lab.spec("mux1"), lab.spec("neighbour1")
    directory = lab.directory("neighbour1")
    conf = directory / "keepalived.conf"
    conf.write_text(KEEPALIVED.format(iip=IIP4))
    lab.ask("iip", "add", IIP4)
    lab.host("router").run(["ping", "-c1", "-W2", IIP4])
    assert mac_in_the_routers_table(lab, IIP4) == mux.mac
    argv = ["keepalived", "--vrrp", "-n", "-l", "-f", str(conf), "-p", str(directory / "keepalived.pid"),
            "-r", str(directory / "vrrp.pid")]
    thief = process.start(lab.host("neighbour1"), "keepalived", argv, str(directory / "keepalived.log"))
    try:
        wait_until(lambda: rows(lab)[IIP4]["state"] == "contested")
        assert rows(lab)[IIP4]["mac"] == neighbour.mac
        assert neighbour.mac in rows(lab)[IIP4]["why"]
        # Its announcements come in two bursts, 5 s apart; a defence follows each 10 s.
        conflicts = rows(lab)[IIP4]["conflicts"]
        wait_until(lambda: rows(lab)[IIP4]["conflicts"] > conflicts)
        wait_until(lambda: mac_in_the_routers_table(lab, IIP4) == mux.mac)
        with steady(lab, VIP4, connections=4) as figures:
            spread(lab, VIP4, 200)
        assert_unharmed(figures, at_least=4)
    finally:
        process.stop(thief)


def test_it_is_answered_for_no_more_once_removed(lab):
    lab.ask("iip", "add", IIP4)
    lab.ask("iip", "remove", IIP4)
    router = lab.host("router")
    router.ip("neigh flush dev muxes")
    assert router.run(["ping", "-c1", "-W1", IIP4], check=False).returncode != 0
    with pytest.raises(LabError):
        lab.ask("iip", "announce", IIP4)
