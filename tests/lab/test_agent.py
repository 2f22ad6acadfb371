# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""sluice-agent on a real kernel: tunnel packets come in, the server answers the client directly."""

import random
import socket
import struct

import pytest

from agent_net import (CLIENT4, CLIENT6, DIP4, DIP6, GUE_PORT, MUX4, MUX6, VIP4, VIP6, AgentNet, checksum, ipv4, ipv6,
                       packed, packet_socket, udp_packet, wrap)
from netns import wait_until

FORMS = {  # counter: (VIP, outer version, GUE)
    "ipv4-in-ipv4": (VIP4, 4, False), "ipv6-in-ipv4": (VIP6, 4, False),
    "ipv4-in-ipv6": (VIP4, 6, False), "ipv6-in-ipv6": (VIP6, 6, False),
}
GUE_FORMS = [(VIP4, 4, "gue-over-ipv4"), (VIP6, 4, "gue-over-ipv4"),
             (VIP4, 6, "gue-over-ipv6"), (VIP6, 6, "gue-over-ipv6")]


@pytest.fixture
def net(tmp_path):
    with AgentNet(tmp_path) as network:
        yield network


def transfer(net, vip, port=80):
    """A page down and a file up, through real TCP; larger than windows and single segments."""
    assert net.http("GET", "/300000", address=vip, port=port) == (200, b"x" * 300000)
    assert net.http("POST", "/", b"y" * 300000, address=vip, port=port) == (200, b"300000")


# -- decapsulation --


@pytest.mark.parametrize("way", ["auto", "compatible"])
@pytest.mark.parametrize("form", FORMS)
def test_every_ip_in_ip_form_reaches_the_server_and_the_client_is_answered_directly(net, form, way):
    vip, net.mux.outer, net.mux.gue = FORMS[form]
    net.server()
    net.start(decapsulation=f'"{way}"')
    transfer(net, vip)
    assert net.mux.replies == 0
    assert net.mux.seen > 200
    net.expect(lambda: net.mux.seen, form, vip)


@pytest.mark.parametrize("vip,outer,counter", GUE_FORMS)
def test_gue_reaches_the_server(net, vip, outer, counter):
    net.mux.outer, net.mux.gue = outer, True
    net.server()
    net.start()
    transfer(net, vip)
    assert net.mux.seen > 200
    net.expect(lambda: net.mux.seen, counter, vip)


@pytest.mark.parametrize("form", FORMS)
def test_with_offloads_and_coalescing_on_the_server(tmp_path, form):
    with AgentNet(tmp_path, offloads=True) as net:
        net.dip.run("ethtool", "-K", "eth0", "gro", "on")
        vip, net.mux.outer, net.mux.gue = FORMS[form]
        net.server(port=8080)
        protocol = 'protocol = "tcp"; port = 80; dip_port = 8080;'
        net.start([f'{{ address = "{vip}"; {protocol} }}'])
        transfer(net, vip)
        net.expect(lambda: net.mux.seen, form, vip)


def test_a_tunnel_to_something_that_is_no_vip_arrives_as_it_was_sent(net):
    net.start()
    with net.dip.inside():
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IPIP)
    raw.settimeout(10)
    gue = net.udp_server(DIP4, GUE_PORT)
    inner = udp_packet(CLIENT4, "198.51.100.1", 1000, 53, b"not for a VIP")
    net.mux.emit(wrap(inner, 4))
    received = raw.recv(65536)
    assert received[20:] == inner and received[12:20] == packed(MUX4) + packed(DIP4)
    net.mux.emit(wrap(inner, 4, gue=True))
    assert gue.recv(65536) == inner
    net.expect(2, "other-tunnel")
    raw.close()


def test_a_packet_that_is_no_tunnel_is_left_alone(net):
    net.server(DIP4, 80, socket.AF_INET)
    net.start()
    assert net.http("GET", "/", address=DIP4) == (200, b"dip")


def last_one(net, receiver, marker=b"last"):
    """Sends a good packet after the doubtful ones: when it is there, they have been dealt with."""
    net.mux.emit(wrap(udp_packet(CLIENT4, VIP4, 1000, 53, marker), 4))
    return receiver.recv(65536)


def test_what_must_not_be_decapsulated_is_not(net):
    receiver = net.udp_server("0.0.0.0", 53)
    net.start()
    inner = udp_packet(CLIENT4, VIP4, 1000, 53, b"wrong")
    # To a neighbour's address, yet to our MAC (a router's mistake).
    foreign = wrap(inner, 4, destination="10.1.0.99")
    net.router.ip("neigh", "add", "10.1.0.99", "lladdr", net.dip.mac("eth0"), "dev", "to-eth0")
    net.mux.emit(foreign)
    assert last_one(net, receiver) == b"last"
    # An outer fragment: the kernel's business.
    net.mux.emit(wrap(inner, 4, fragment=0x2000))
    assert last_one(net, receiver) == b"last"
    net.expect(1, "outer-fragment")
    # Not a whole IP header inside, the wrong version inside.
    net.mux.emit(ipv4(MUX4, DIP4, 4, inner[:12]))
    net.mux.emit(ipv4(MUX4, DIP4, 4, b"\x60" + inner[1:]))
    net.mux.emit(ipv4(MUX4, DIP4, 41, inner))
    assert last_one(net, receiver) == b"last"
    net.expect(3, "bad-tunnel")
    net.expect(3, "ipv4-in-ipv4")


def test_a_damaged_outer_header_is_left_to_the_kernel(net):
    receiver = net.udp_server("0.0.0.0", 53)
    net.start()
    raw = packet_socket(net.router, "to-eth0")  # behind the router, which would drop it
    packet = bytearray(wrap(udp_packet(CLIENT4, VIP4, 1000, 53, b"wrong"), 4))
    packet[10] ^= 0x55
    frame = bytes.fromhex(net.dip.mac("eth0").replace(":", "")) + b"\x02\0\0\0\0\1\x08\0" + packet
    raw.send(frame)
    assert last_one(net, receiver) == b"last"
    net.expect(1, "bad-tunnel")
    raw.close()


def test_mutated_tunnel_packets_harm_nothing(net):
    receiver = net.udp_server("0.0.0.0", 53)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    net.start([f'{{ address = "{VIP4}"; protocol = "udp"; port = 52; dip_port = 53; }}', f'{{ address = "{VIP6}"; }}'])
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    raw = packet_socket(net.router, "to-eth0")
    head = bytes.fromhex(net.dip.mac("eth0").replace(":", "")) + b"\x02\0\0\0\0\1"
    for _ in range(5000):
        vip, client = chance.choice([(VIP4, CLIENT4), (VIP6, CLIENT6)])
        packet = bytearray(wrap(udp_packet(client, vip, 1000, 53, b"x" * 40), chance.choice((4, 6)), chance.random() < 0.3))
        kind = b"\x08\0" if packet[0] >> 4 == 4 else b"\x86\xdd"
        for _ in range(chance.randrange(5)):
            packet[chance.randrange(len(packet))] = chance.randrange(256)
        raw.send(head + kind + packet[:chance.randrange(20, len(packet) + 1)] if chance.random() < 0.3 else head + kind + packet)
    raw.close()
    net.mux.emit(wrap(udp_packet(CLIENT4, VIP4, 1000, 52, b"alive"), 4))
    while receiver.recv(65536) != b"alive":
        pass
    assert net.agent.poll() is None and net.packets("bad-tunnel") > 0, f"seed {seed}"


def test_ip_options_and_the_encapsulation_limit_are_stripped_with_the_outer_header(net):
    receiver = net.udp_server("0.0.0.0", 53)
    net.start()
    inner = udp_packet(CLIENT4, VIP4, 1000, 53, b"options")
    net.mux.emit(wrap(inner, 4, options=b"\x01" * 8))
    assert receiver.recv(65536) == b"options"
    limit = bytes([4, 0, 4, 1, 4, 1, 0, 0])  # RFC 2473 section 4.1.1, in a destination options header
    net.mux.emit(ipv6(MUX6, DIP6, 60, limit + udp_packet(CLIENT4, VIP4, 1000, 53, b"limit")))
    assert receiver.recv(65536) == b"limit"


def test_fragments_of_the_inner_packet_are_put_together_by_the_server(net):
    receiver = net.udp_server("0.0.0.0", 5353)
    net.start([f'{{ address = "{VIP4}"; protocol = "udp"; port = 53; dip_port = 5353; }}'])
    with net.client.inside():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    net.client.ip("link", "set", "c0", "mtu", 1400)  # fragments leave room for the outer header
    sender.sendto(b"z" * 4000, (VIP4, 53))
    assert receiver.recv(65536) == b"z" * 4000
    net.expect(3, "ipv4-in-ipv4")
    net.expect(1, "port-to-dip")
    sender.close()


@pytest.mark.parametrize("vip,client,level,kind", [(VIP4, CLIENT4, socket.IPPROTO_IP, socket.IP_TOS),
                                                   (VIP6, CLIENT6, socket.IPPROTO_IPV6, socket.IPV6_TCLASS)])
@pytest.mark.parametrize("outer", [4, 6])
def test_ecn_follows_rfc_6040(net, vip, client, level, kind, outer):
    # RFC 6040 figure 4; rows: inner Not-ECT, ECT(1), ECT(0), CE; columns: outer in the same order.
    table = [[0, 0, 0, None], [1, 1, 1, 3], [2, 1, 2, 3], [3, 3, 3, 3]]
    receiver = net.udp_server("::" if ":" in vip else "0.0.0.0", 53)
    net.start()
    dscp = 0xB8
    for inner_ecn in range(4):
        for outer_ecn in range(4):
            name = f"{inner_ecn}/{outer_ecn}".encode()
            packet = udp_packet(client, vip, 1000, 53, name, tos=dscp | inner_ecn)
            net.mux.emit(wrap(packet, outer, tos=outer_ecn))
            if table[inner_ecn][outer_ecn] is None:
                continue  # the next one to arrive must be the next one sent
            data, ancillary, _, _ = receiver.recvmsg(100, 100)
            assert data == name
            tos = [c[2] for c in ancillary if c[0] == level and c[1] == kind]
            assert tos and tos[0][0] == dscp | table[inner_ecn][outer_ecn], name
    net.expect(1, "ecn-dropped", vip)
    net.expect(3, "ecn-marked", vip)


def test_a_whole_prefix_can_be_a_vip(net):
    net.server()
    net.start(['{ address = "203.0.113.0/24"; }', '{ address = "2001:db8:cb::/64"; }'])
    for vip in ("203.0.113.77", "2001:db8:cb::1:2:3"):
        assert net.http("GET", "/", address=vip) == (200, b"dip")


# -- ports --


@pytest.mark.parametrize("offloads", [False, True])
@pytest.mark.parametrize("vip", [VIP4, VIP6])
def test_a_port_of_the_vip_becomes_the_port_of_the_dip_and_back(tmp_path, vip, offloads):
    with AgentNet(tmp_path, offloads=offloads) as net:
        net.server(port=8080)
        echo = net.udp_server("::" if ":" in vip else "0.0.0.0", 5353)
        net.start([f'{{ address = "{vip}"; protocol = "tcp"; port = 80; dip_port = 8080; }}',
                   f'{{ address = "{vip}"; protocol = "udp"; port = 53; dip_port = 5353; }}',
                   f'{{ address = "{vip}"; protocol = "tcp"; port = 81; dip_port = 8081; }}'])
        transfer(net, vip)
        with net.client.inside():
            client = socket.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET, socket.SOCK_DGRAM)
        client.settimeout(10)
        client.connect((vip, 53))  # takes answers from that port only
        client.send(b"question")
        data, peer = echo.recvfrom(100)
        assert data == b"question"
        # A reply must come from the VIP: what a server does with IP_PKTINFO, a bound socket does here.
        with net.dip.inside():
            reply = socket.socket(client.family, socket.SOCK_DGRAM)
        reply.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        echo.close()
        reply.bind((vip, 5353))
        reply.sendto(b"answer", peer)
        assert client.recv(100) == b"answer"
        reply.close()
        # Nobody listens: the ICMP error names the port that the client knows.
        client.send(b"anybody?")
        with pytest.raises(ConnectionRefusedError):
            client.recv(100)
        client.close()
        with net.client.inside(), pytest.raises(ConnectionRefusedError):
            socket.create_connection((vip, 81), timeout=10)
        assert net.packets("port-to-dip", vip) > 200 and net.packets("port-to-vip", vip) > 5


def test_a_tcp_checksum_that_happens_to_be_zero_is_mended_like_any_other(net):
    net.server(port=8080)
    net.start([f'{{ address = "{VIP4}"; protocol = "tcp"; port = 80; dip_port = 8080; }}'])
    pseudo = packed(CLIENT4) + packed(VIP4) + struct.pack("!HH", 6, 20)

    def syn(sequence):
        return struct.pack("!HHIIBBHHH", 4321, 80, sequence, 0, 0x50, 2, 1000, 0, 0)

    segment = syn(checksum(pseudo + syn(0)))  # now the sum is 0xffff, and its complement 0
    assert checksum(pseudo + segment) == 0
    sniffer = packet_socket(net.client, "c0")
    sniffer.settimeout(10)
    net.mux.emit(wrap(ipv4(CLIENT4, VIP4, 6, segment), 4))
    while True:
        packet = sniffer.recv(65536)[14:]
        if packet[9] == 6 and packet[12:16] == packed(VIP4):
            break
    assert packet[20:24] == struct.pack("!HH", 80, 4321) and packet[33] & 0x12 == 0x12
    sniffer.close()


def test_a_datagram_without_checksum_stays_without(net):
    receiver = net.udp_server("0.0.0.0", 5353)
    net.start([f'{{ address = "{VIP4}"; protocol = "udp"; port = 53; dip_port = 5353; }}'])
    net.mux.emit(wrap(ipv4(CLIENT4, VIP4, 17, struct.pack("!HHHH", 1000, 53, 13, 0) + b"plain"), 4))
    assert receiver.recv(100) == b"plain"


@pytest.mark.parametrize("port", [80, 8080])
@pytest.mark.parametrize("vip", [VIP4, VIP6])
def test_path_mtu_errors_reach_the_sender_whatever_its_port(net, vip, port):
    net.server(port=port)
    dip_port = f"dip_port = {port};" if port != 80 else ""
    net.start([f'{{ address = "{vip}"; protocol = "tcp"; port = 80; {dip_port} }}'], clamp_mss="false")
    net.router.ip("link", "set", "to-c0", "mtu", 1300)  # the client thinks 1500 and says so
    assert net.http("GET", "/300000", address=vip) == (200, b"x" * 300000)
    cached = net.dip.ip("-6" if ":" in vip else "-4", "route", "get", CLIENT6 if ":" in vip else CLIENT4, "from", vip)
    assert "mtu 1300" in cached


# -- path MTU of what clients send --


def mss_of_syn_ack(net, vip):
    sniffer = packet_socket(net.client, "c0")
    sniffer.settimeout(10)
    with net.connection(vip):
        while True:
            packet = sniffer.recv(65536)[14:]
            at = 20 if packet[0] >> 4 == 4 else 40
            if packet[9 if at == 20 else 6] == 6 and packet[at + 13] & 0x12 == 0x12:
                break
    sniffer.close()
    assert packet[at + 20:at + 22] == b"\x02\x04"
    return struct.unpack("!H", packet[at + 22:at + 24])[0]


@pytest.mark.parametrize("settings,mss4", [({}, 1412), ({"mtu_overhead": "20"}, 1440),
                                           ({"advertised_mtu": "1400"}, 1360), ({"clamp_mss": "false"}, 1460)])
def test_the_syn_ack_leaves_room_for_the_outer_header(net, settings, mss4):
    net.server()
    net.start(**settings)
    assert mss_of_syn_ack(net, VIP4) == mss4
    assert mss_of_syn_ack(net, VIP6) == mss4 - 20
    net.expect(0 if "clamp_mss" in settings else 1, "mss-lowered", VIP6)


def test_the_mss_follows_the_mtu_of_the_interface(net):
    net.server()
    net.start()
    net.dip.ip("link", "set", "eth0", "mtu", 1400)
    wait_until(lambda: net.status()["interfaces"][0]["inner_mtu_bytes"] == 1352, "the agent to see the new MTU")
    assert mss_of_syn_ack(net, VIP4) == 1312


def test_other_connections_keep_their_mss(net):
    net.server(DIP4, 80, socket.AF_INET)
    net.start()
    assert mss_of_syn_ack(net, DIP4) == 1460


