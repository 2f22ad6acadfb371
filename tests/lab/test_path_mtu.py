# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""No room for an outer header: every link has an MTU of 1500. Two remedies: the agent's smaller MSS, and ICMP."""
import pytest
from labtools import (
    VIP4, VIP6, ask_udp, download, drops, new_drops, port, sha256, udp_servers, udp_service, upload,
)
from lablib.programs import BIG_FILE, agent_conf
from lablib.topology import LATER_SERVICES, Shape

SHAPE = Shape(dips=2, core_mtu=1500)

both_families = pytest.mark.parametrize("vip", [VIP4, VIP6], ids=["IPv4", "IPv6"])


@pytest.fixture(scope="module")
def ten_megabytes(tmp_path_factory, lab):
    file = tmp_path_factory.mktemp("upload") / "ten"
    with (lab.www / BIG_FILE).open("rb") as big:
        file.write_bytes(big.read(10_000_000))
    return file


def restart_agents(lab, extra):
    for dip in lab.shape.hosts("dip"):
        lab.stop(dip.name, "sluice-agent")
        (lab.directory(dip.name) / "agent.conf").write_text(agent_conf(dip, extra=extra))
        lab.start(dip.name, "sluice-agent")


def path_mtu(lab, vip):
    """What the client's kernel learned about the way to the VIP; None while it knows nothing."""
    (route,) = lab.host("client1").ip_json("route", "get", vip)
    return next((int(m["mtu"]) for m in route.get("metrics", []) if "mtu" in m), None)


@both_families
def test_the_agents_mss_lets_nothing_grow_too_big(lab, ten_megabytes, vip):
    before = drops(lab)
    written = upload(lab, vip, ten_megabytes, "clamped")
    assert sha256(written) == sha256(ten_megabytes)
    written.unlink()
    assert new_drops(before, drops(lab)) == {}
    assert path_mtu(lab, vip) is None


@both_families
def test_without_it_icmp_tells_the_client_and_the_flow_goes_on(lab, ten_megabytes, vip):
    restart_agents(lab, "  clamp_mss = false;\n")
    try:
        before = drops(lab)
        written = upload(lab, vip, ten_megabytes, "told")
        assert sha256(written) == sha256(ten_megabytes)
        written.unlink()
        # The client's first full-size segments were too big; it was told the size that fits, and kept to it.
        told = new_drops(before, drops(lab))
        assert set(told) == {"too-big"} and told["too-big"] < 200, told
        assert path_mtu(lab, vip) == (1460 if ":" in vip else 1480)
    finally:
        restart_agents(lab, "")


@both_families
def test_downloads_do_not_care(lab, vip):
    assert download(lab, vip, f"/{BIG_FILE}") == sha256(lab.www / BIG_FILE)


def test_what_may_be_fragmented_is_fragmented_not_dropped(lab):
    dns = LATER_SERVICES[0]
    with udp_servers(lab, dns), udp_service(lab, dns):
        before = drops(lab)
        created = port(lab)["created_packets"]
        # 1472 bytes of data fill an MTU of 1500 exactly; without DF they travel on in two packets each.
        assert ask_udp(lab, dns, 50, size=1472)["lost"] == 0
        assert port(lab)["created_packets"] - created >= 50
        assert new_drops(before, drops(lab)) == {}


def test_an_ipv6_sender_is_told_and_fragments_itself(lab):
    dns6 = LATER_SERVICES[1]
    with udp_servers(lab, dns6), udp_service(lab, dns6):
        before = drops(lab)
        # 1452 bytes of data fill 1500 in IPv6. The first is lost, its sender told; the others are cut to fit.
        assert ask_udp(lab, dns6, 20, size=1452)["lost"] == 1
        assert new_drops(before, drops(lab)) == {"too-big": 1}
        assert path_mtu(lab, dns6.vip) == 1460
