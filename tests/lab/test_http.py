# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Clients reach weighted servers in three subnets through the VIP, and the replies go straight to them."""
import pytest
from labtools import (
    VIP4, VIP6, assert_spread, assert_unharmed, curl, download, port, sha256, spread, upload, url,
)
from lablib.programs import BIG_FILE, BIG_FILE_BYTES
from lablib.topology import Shape
from lablib.traffic import steady

SHAPE = Shape(dips=4, weights=(1, 1, 2, 4))
WEIGHTS = {"dip1": 1, "dip2": 1, "dip3": 2, "dip4": 4}

both_families = pytest.mark.parametrize("vip", [VIP4, VIP6], ids=["IPv4", "IPv6"])


@both_families
def test_a_page_comes_from_a_server(lab, vip):
    assert curl(lab, url(vip)).stdout.strip() in WEIGHTS


@both_families
def test_the_server_sees_the_clients_own_address(lab, vip):
    headers = curl(lab, "-o", "/dev/null", "-D", "-", url(vip)).stdout
    client = lab.spec("client1")
    assert f"X-Client: {client.v6 if ':' in vip else client.v4}" in headers.replace("\r", "")


@both_families
def test_two_thousand_connections_are_spread_by_weight(lab, vip):
    assert_spread(spread(lab, vip, 2000), WEIGHTS)


@both_families
def test_a_kept_connection_stays_on_its_server(lab, vip):
    with steady(lab, vip, connections=60, pause=0.005) as figures:
        spread(lab, vip, 500)
    assert_unharmed(figures, at_least=100)


@both_families
def test_a_hundred_megabytes_come_down_unharmed(lab, vip):
    assert download(lab, vip, f"/{BIG_FILE}") == sha256(lab.www / BIG_FILE)


@both_families
def test_a_hundred_megabytes_go_up_unharmed(lab, vip):
    written = upload(lab, vip, lab.www / BIG_FILE, "big")
    assert sha256(written) == sha256(lab.www / BIG_FILE)
    written.unlink()


@both_families
def test_replies_never_touch_the_mux(lab, vip):
    before = port(lab)
    on_the_wire = link_bytes(lab)
    download(lab, vip, f"/{BIG_FILE}")
    after = port(lab)
    # Only the client's acknowledgements came by: the file would have been a hundred times as much.
    assert 0 < after["rx_bytes"] - before["rx_bytes"] < BIG_FILE_BYTES / 10
    assert link_bytes(lab) - on_the_wire < BIG_FILE_BYTES / 5


def link_bytes(lab):
    """What the router exchanged with the MUX, both ways, as the router's kernel counts it."""
    (link,) = lab.host("router").ip_json("-s", "link", "show", "mux1")
    return link["stats64"]["rx"]["bytes"] + link["stats64"]["tx"]["bytes"]


@both_families
def test_the_vip_answers_ping(lab, vip):
    answer = lab.host("client1").run(["ping", "-n", "-c", "5", "-i", "0.05", "-W", "2", vip])
    assert " 0% packet loss" in answer.stdout


@both_families
@pytest.mark.parametrize("how", [["-T", "-p", "80"], ["-I"]], ids=["TCP", "ICMP"])
def test_traceroute_reaches_the_vip(lab, vip, how):
    answer = lab.host("client1").run(["traceroute", "-n", "-q", "1", "-w", "2", "-m", "8", *how, vip])
    hops = [line.split()[1] for line in answer.stdout.splitlines()[1:]]
    six = ":" in vip
    router, mux = ("2001:db8:c::1", "2001:db8:a::11") if six else ("198.51.100.1", "10.0.0.11")
    # An echo to the VIP is answered by the MUX itself; a SYN goes one hop further, to a server.
    expected = [router, vip] if how == ["-I"] else [router, mux, vip]
    assert hops == expected, answer.stdout


def test_a_port_without_a_service_is_refused_by_nobody_and_counted(lab):
    before = {row["reason"]: row["packets"] for row in lab.ask("drop", "list")}
    done = curl(lab, "--connect-timeout", "1", url(VIP4).replace("/203.0.113.10/", "/203.0.113.10:81/"), check=False)
    assert done.returncode != 0
    after = {row["reason"]: row["packets"] for row in lab.ask("drop", "list")}
    assert after["no-service"] > before.get("no-service", 0)


def test_explain_names_the_server_that_answers(lab):
    # Ports that no other connection of the client has: the kernel gives out those from 32768 on.
    client = lab.spec("client1").v4
    names = {dip.v4: dip.name for dip in lab.shape.hosts("dip")}
    for source_port in range(20000, 20010):
        told = lab.ask("explain", "tcp", f"{client}:{source_port}", f"{VIP4}:80", "--syn")
        answered = curl(lab, "--local-port", str(source_port), url(VIP4)).stdout.strip()
        assert names[told["dip"].split(":")[0]] == answered, told
