# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Captures of what is not plain: malformed frames, fragments, packets too big, pings."""
import os
import struct

import pytest
from frames import (
    ACK, ICMP, ICMP6, MUX, ROUTER, TCP, UDP, checksum, echo, frame, ip, one_hop_further, open_ip, open_tunnel, packed,
    pieces, pseudo, tcp, udp,
)
from offline import MUX4, Offline, service, through

CLIENT, CLIENT6 = "198.51.100.7", "2001:db8:c::7"
WEB, WEB6, DNS, DNS6 = "203.0.113.10", "2001:db8:cb::10", "203.0.113.53", "2001:db8:cb::53"
EMPTY, STRICT = "203.0.113.20", "203.0.113.30"
DIPS, DIPS6 = ["10.1.0.11", "10.2.0.12", "10.3.0.13"], ["2001:db8:1::11", "2001:db8:2::12", "2001:db8:3::13"]


def town(**more):
    return [
        service("web", WEB, DIPS, **more),
        service("web6", WEB6, DIPS6, **more),
        service("dns", DNS, DIPS, "udp", 53, **more),
        service("dns6", DNS6, DIPS6, "udp", 53, **more),
        service("empty", EMPTY, []),
        service("strict", STRICT, DIPS, unknown_flow="drop"),
    ]


# --- malformed frames -------------------------------------------------------------------------------------------------


def patched(data, **bytes_at):
    """patched(data, at14=0x55): the byte at offset 14 is another."""
    data = bytearray(data)
    for at, value in bytes_at.items():
        data[int(at[2:])] = value
    return bytes(data)


def with_right_checksum(sent):
    """After a change to an IPv4 header without options."""
    head = sent[14:24] + b"\0\0" + sent[26:34]
    return sent[:24] + struct.pack("!H", checksum(head)) + sent[26:]


def syn(source=CLIENT, vip=WEB, **more):
    return frame(ip(source, vip, tcp(source, vip, 1234, 80), **more))


def tagged(sent, tags=1):
    return sent[:12] + b"\x81\x00\x00\x07" * tags + sent[12:]


def icmp_error(quoted):
    message = struct.pack("!BBHI", 3, 1, 0, 0) + quoted
    return frame(ip("192.0.2.1", WEB, (ICMP, message[:2] + struct.pack("!H", checksum(message)) + message[4:])))


def malformed():
    v4, v6 = syn(), syn(CLIENT6, WEB6)
    dgram = frame(ip(CLIENT, DNS, udp(CLIENT, DNS, 1234, 53, bytes(20))))
    unknown4, unknown6 = "203.0.113.99", "2001:db8:cb::99"
    return [
        ("frame-truncated", v4[:13]),
        ("frame-truncated", tagged(v4)[:17]),
        ("frame-truncated", v4[:33]),
        ("frame-truncated", v6[:53]),
        ("frame-segmented", frame(ip(CLIENT, WEB, tcp(CLIENT, WEB, 1, 80, ACK, bytes(8900))))),
        ("nested-vlan", tagged(v4, 2)),
        ("bad-ip-version", patched(v4, at14=0x55)),
        ("bad-ip-version", patched(v6, at12=0x08, at13=0x00)),
        ("bad-ip-version", patched(v4, at12=0x86, at13=0xDD) + bytes(20)),
        ("bad-ip-header", patched(v4, at14=0x44)),
        ("bad-ip-header", patched(v4, at17=19)),
        ("bad-ip-length", with_right_checksum(patched(v4, at17=41))),
        ("bad-ip-length", patched(v6, at19=21)),
        ("bad-ip-checksum", patched(v4, at24=v4[24] ^ 0x5A)),
        # Hop-by-hop options that say 256 bytes, in a packet that ends after 8.
        ("bad-extension-header", frame(ip(CLIENT6, WEB6, (0, bytes([TCP, 31, 1, 4, 0, 0, 0, 0]))))),
        ("truncated-l4", frame(ip(CLIENT, WEB, (TCP, bytes(19))))),
        ("truncated-l4", frame(ip(CLIENT, DNS, (UDP, bytes(7))))),
        ("truncated-l4", frame(ip(CLIENT6, WEB6, (ICMP6, bytes(7))))),
        ("bad-l4-header", patched(v4, at46=0x40)),
        ("bad-l4-header", patched(v6, at66=0xF0)),
        ("bad-l4-header", patched(dgram, at39=7)),
        ("bad-l4-header", patched(dgram, at39=29)),
        ("bad-fragment", frame(ip(CLIENT, DNS, (UDP, bytes(15)), more=True, offset=64))),
        ("bad-fragment", frame(ip(CLIENT, DNS, (UDP, bytes(8)), offset=65528))),
        ("bad-fragment", frame(ip(CLIENT6, DNS6, (UDP, bytes(15)), more=True, offset=64))),
        ("source-is-destination", syn(WEB)),
        ("source-is-destination", syn(WEB6, WEB6)),
        ("source-multicast", syn("224.0.0.5")),
        ("source-multicast", syn("ff02::1", WEB6)),
        ("source-broadcast", syn("255.255.255.255")),
        ("source-loopback", syn("127.0.0.1")),
        ("source-loopback", syn("::1", WEB6)),
        ("source-unspecified", syn("0.0.0.0")),
        ("source-unspecified", syn("::", WEB6)),
        ("mapped-address", syn("::ffff:198.51.100.1", WEB6)),
        ("no-service", syn(vip=unknown4)),
        ("no-service", syn(CLIENT6, unknown6)),
        ("no-service", frame(ip(CLIENT, WEB, tcp(CLIENT, WEB, 1234, 81)))),
        ("no-live-dip", syn(vip=EMPTY)),
        ("icmp-unrelated", icmp_error(bytes(28))),
        ("fragment-timeout", frame(ip(CLIENT, DNS, (UDP, bytes(16)), ident=77, offset=64))),
        ("fragment-timeout", frame(ip(CLIENT6, DNS6, (UDP, bytes(16)), ident=77, offset=64))),
        ("ttl-expired", syn(ttl=1)),
        ("ttl-expired", syn(CLIENT6, WEB6, ttl=1)),
        ("too-big", frame(ip(CLIENT, DNS, udp(CLIENT, DNS, 99, 53, bytes(1472)), df=True))),
        ("unknown-flow", frame(ip(CLIENT, STRICT, tcp(CLIENT, STRICT, 1234, 80, ACK)))),
        ("no-kernel-path", syn(vip=MUX4)),
        ("no-kernel-path", frame(bytes(28), ether_type=0x0806, to=b"\xff" * 6)),
    ]


def test_every_malformed_frame_is_dropped_under_its_own_name(tmp_path):
    rows = malformed()
    # The first once, the second twice …: two reasons that were mixed up would not add up to the same figures.
    times = {reason: 0 for reason, _ in rows}
    for count, (reason, _) in enumerate(rows, 1):
        times[reason] += count
    frames = [sent for count, (_, sent) in enumerate(rows, 1) for _ in range(count)]
    with Offline(tmp_path, town(), frames) as run:
        drops, port, listed = run.drops(), run.port(), run.ctl("drop", "list")
    assert drops == times
    assert port["dropped_packets"] == sum(drops.values()) == len(frames)
    assert all(row["text"] for row in listed)
    answered = times["ttl-expired"] + times["too-big"]
    assert port["created_packets"] == port["tx_packets"] == len(run.out) == answered


# --- fragments --------------------------------------------------------------------------------------------------------

DATAGRAMS = 90


def datagrams(v6):
    """(its own flow's unfragmented packet, its three fragments) for each."""
    source, vip = (CLIENT6, DNS6) if v6 else (CLIENT, DNS)
    for number in range(DATAGRAMS):
        port = 20000 + number
        whole = ip(source, vip, udp(source, vip, port, 53, b"alone"))
        fragments = pieces(source, vip, udp(source, vip, port, 53, bytes([number]) * 1300), 560, 1000 + number)
        assert len(fragments) == 3
        yield whole, fragments


ORDERS = {
    "in order": lambda rows: [piece for row in rows for piece in row],
    "reversed": lambda rows: [piece for row in rows for piece in reversed(row)],
    "interleaved": lambda rows: [row[turn] for turn in (1, 0, 2) for row in rows],
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
def test_fragments_reach_the_server_of_their_datagram(tmp_path, v6, order):
    rows = list(datagrams(v6))
    sent = [whole for whole, _ in rows] + ORDERS[order]([fragments for _, fragments in rows])
    went = {}
    for tunnelled in map(open_tunnel, through(tmp_path, town(), [frame(packet) for packet in sent])):
        assert tunnelled.inner not in went, "a fragment left twice"
        went[tunnelled.inner] = tunnelled.dip
    assert set(went) == {one_hop_further(packet) for packet in sent}
    for whole, fragments in rows:
        dips = {went[one_hop_further(packet)] for packet in [whole, *fragments]}
        assert len(dips) == 1, dips
    assert len(set(went.values())) == 3


# --- what Sluice says itself ------------------------------------------------------------------------------------------


def icmp_of(sent):
    """(source, destination, type, code, the rest of the header, what follows); checksum by our own arithmetic."""
    source, destination, protocol, _, message = open_ip(sent[14:])
    v6 = ":" in source
    assert protocol == (ICMP6 if v6 else ICMP), sent.hex()
    head = pseudo(packed(source), packed(destination), ICMP6, len(message)) if v6 else b""
    assert checksum(head + message) == 0, sent.hex()
    return source, destination, message[0], message[1], int.from_bytes(message[4:8], "big"), message[8:]


# encapsulation, client, VIP, servers, what the outer headers take from 1500
PATHS = [
    ("ipip", CLIENT, DNS, DIPS, 20), ("ipip", CLIENT, DNS, DIPS6, 40),
    ("ipip", CLIENT6, DNS6, DIPS, 20), ("ipip", CLIENT6, DNS6, DIPS6, 40),
    ("gue", CLIENT, DNS, DIPS, None), ("gue", CLIENT6, DNS6, DIPS6, None),
]  # fmt: skip


@pytest.mark.parametrize("kind,client,vip,dips,overhead", PATHS)
def test_a_packet_too_big_for_the_tunnel_is_answered_with_the_size_that_fits(tmp_path, kind, client, vip, dips, overhead):
    if overhead is None:  # UDP 8; GUE variant 1 (IP directly in UDP) adds nothing of its own
        overhead = (40 if ":" in dips[0] else 20) + 8
    mtu = 1500 - overhead
    head = 48 if ":" in client else 28
    fits, beyond = (
        ip(client, vip, udp(client, vip, 4000, 53, bytes(size - head)), df=True) for size in (mtu, mtu + 1)
    )
    with Offline(tmp_path, [service("dns", vip, dips, "udp", 53, encapsulation=kind)], [frame(fits), frame(beyond)]) as run:
        assert run.drops() == {"too-big": 1}
        assert run.port()["created_packets"] == 1
    answers = [sent for sent in run.out if open_ip(sent[14:])[2] in (ICMP, ICMP6)]
    (forwarded,) = [sent for sent in run.out if sent not in answers]
    assert open_tunnel(forwarded).inner == one_hop_further(fits) and len(forwarded) == 14 + 1500
    (answer,) = answers
    assert answer[:12] == ROUTER + MUX, "back the way that it came"
    source, destination, kind, code, rest, quoted = icmp_of(answer)
    v6 = ":" in client
    assert (source, destination) == (vip, client)  # from whom the client believes to talk to
    assert (kind, code, rest) == ((2, 0, mtu) if v6 else (3, 4, mtu))
    assert beyond.startswith(quoted) and len(quoted) >= 48


def test_a_packet_too_big_that_may_be_fragmented_arrives_in_pieces(tmp_path):
    asked = ip(CLIENT, DNS, udp(CLIENT, DNS, 4000, 53, os.urandom(1472)), ident=99)
    with Offline(tmp_path, town(), [frame(asked)]) as run:
        assert run.drops() == {}
    tunnelled = [open_tunnel(sent) for sent in run.out]
    assert len({t.dip for t in tunnelled}) == 1 and len(tunnelled) == 2
    assert all(len(sent) <= 14 + 1500 for sent in run.out)
    parts = {}
    for inner in (t.inner for t in tunnelled):
        flags = int.from_bytes(inner[6:8], "big")
        assert int.from_bytes(inner[4:6], "big") == 99
        parts[(flags & 0x1FFF) * 8] = (bool(flags & 0x2000), open_ip(inner)[4])
    (first, last) = sorted(parts)
    assert (first, last) == (0, len(parts[0][1])) and parts[first][0] and not parts[last][0]
    assert parts[first][1] + parts[last][1] == asked[20:]


def test_a_ping_to_a_vip_is_answered_and_reaches_no_server(tmp_path):
    asked = [(CLIENT, WEB, b"x" * size) for size in (0, 1, 56, 1399)] + [(CLIENT6, WEB6, b"y" * size) for size in (1, 56)]
    pings = [frame(ip(source, vip, echo(source, vip, payload, 300, 4))) for source, vip, payload in asked]
    out = through(tmp_path, town(), pings)
    assert len(out) == len(pings)
    for (source, vip, payload), sent in zip(asked, out):
        assert sent[:12] == ROUTER + MUX
        assert icmp_of(sent) == (vip, source, 129 if ":" in vip else 0, 0, 300 << 16 | 4, payload)
