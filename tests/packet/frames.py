# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Frames by the thousand and what is to be seen in them: headers by struct, checksums by arithmetic modulo 65535.

Nothing here comes from Sluice; test_offline.py holds samples of it against scapy."""
import functools
import ipaddress
import struct
from collections import namedtuple

GATEWAY_MAC = "02:00:00:00:00:fe"
ROUTER = bytes.fromhex("0200000000fe")
MUX = bytes.fromhex("02000000aaaa")  # whatever: a file has no filter for addresses
ICMP, TCP, UDP, ICMP6, NONE6 = 1, 6, 17, 58, 59
FIN, SYN, PSH, ACK = 0x01, 0x02, 0x08, 0x10

# A packet as a mux sends it: who it is for, how it is wrapped, and the packet inside.
Tunnelled = namedtuple("Tunnelled", "source dip kind ttl udp_source udp_port inner")


@functools.cache
def packed(address):
    return ipaddress.ip_address(address).packed


@functools.cache
def text(address_bytes):
    return str(ipaddress.ip_address(address_bytes))


def checksum(data):
    """RFC 1071: the complement of the ones' complement sum, which is the remainder of a division by 65535."""
    if len(data) % 2:
        data += b"\0"
    rest = int.from_bytes(data, "big") % 65535
    return 0xFFFF - (rest or (0xFFFF if any(data) else 0))


def pseudo(source, destination, protocol, length):
    return source + destination + struct.pack("!II", length, protocol)


def tcp(source, destination, source_port, port, flags=SYN, payload=b"", sequence=1):
    head = struct.pack("!HHIIBBHHH", source_port, port, sequence, 0, 0x50, flags, 8192, 0, 0)
    segment = head + payload
    filled = checksum(pseudo(packed(source), packed(destination), TCP, len(segment)) + segment)
    return TCP, segment[:16] + struct.pack("!H", filled) + segment[18:]


def udp(source, destination, source_port, port, payload=b""):
    datagram = struct.pack("!HHHH", source_port, port, 8 + len(payload), 0) + payload
    filled = checksum(pseudo(packed(source), packed(destination), UDP, len(datagram)) + datagram)
    return UDP, datagram[:6] + struct.pack("!H", filled or 0xFFFF) + datagram[8:]


def echo(source, destination, payload=b"sluice", ident=7, sequence=1):
    v6 = len(packed(source)) == 16
    message = struct.pack("!BBHHH", 128 if v6 else 8, 0, 0, ident, sequence) + payload
    head = pseudo(packed(source), packed(destination), ICMP6, len(message)) if v6 else b""
    return ICMP6 if v6 else ICMP, message[:2] + struct.pack("!H", checksum(head + message)) + message[4:]


def ip(source, destination, upper, ttl=60, ident=1, df=False, more=False, offset=0, tos=0):
    """An IP packet around (protocol, bytes). IPv6 gets a fragment header when `more` or `offset` say so."""
    protocol, payload = upper
    source, destination = packed(source), packed(destination)
    if len(source) == 16:
        if more or offset:
            payload = struct.pack("!BBHI", protocol, 0, offset | more, ident) + payload
            protocol = 44
        return struct.pack("!IHBB", 6 << 28 | tos << 20, len(payload), protocol, ttl) + source + destination + payload
    flags = df << 14 | more << 13 | offset // 8
    head = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(payload), ident, flags, ttl, protocol, 0)
    head += source + destination
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def frame(packet, ether_type=None, to=MUX, by=ROUTER):
    ether_type = ether_type or (0x86DD if packet[0] >> 4 == 6 else 0x0800)
    return to + by + struct.pack("!H", ether_type) + packet


def pieces(source, destination, upper, size, ident):
    """The packet of `upper` in fragments of `size` bytes, in order."""
    protocol, payload = upper
    return [
        ip(source, destination, (protocol, payload[at : at + size]), ident=ident, more=at + size < len(payload), offset=at)
        for at in range(0, len(payload), size)
    ]


def one_hop_further(packet):
    """The packet as a router hands it on: TTL or hop limit one less, everything else as it was."""
    if packet[0] >> 4 == 6:
        return packet[:7] + bytes([packet[7] - 1]) + packet[8:]
    head = packet[:8] + bytes([packet[8] - 1, packet[9], 0, 0]) + packet[12:20]
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + packet[20:]


def open_ip(packet):
    """(source, destination, protocol, ttl, payload); the header must be right in itself."""
    if packet[0] >> 4 == 6:
        assert struct.unpack_from("!H", packet, 4)[0] == len(packet) - 40, packet.hex()
        return text(packet[8:24]), text(packet[24:40]), packet[6], packet[7], packet[40:]
    assert packet[0] == 0x45, packet.hex()
    assert checksum(packet[:20]) == 0, f"IPv4 header checksum: {packet.hex()}"
    assert struct.unpack_from("!H", packet, 2)[0] == len(packet), packet.hex()
    return text(packet[12:16]), text(packet[16:20]), packet[9], packet[8], packet[20:]


def open_tunnel(sent):
    """The Tunnelled in a frame that left Sluice."""
    assert sent[:6] == ROUTER, sent.hex()
    packet = sent[14:]
    assert sent[12:14] == (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00"), sent.hex()
    source, dip, protocol, ttl, inner = open_ip(packet)
    if protocol == UDP:
        udp_source, udp_port, length, filled = struct.unpack_from("!HHHH", inner)
        # The inner packet brings its own checksums: the outer one is zero (RFC 6935).
        assert (length, filled) == (len(inner), 0), sent.hex()
        return Tunnelled(source, dip, "gue", ttl, udp_source, udp_port, inner[8:])
    assert protocol == (41 if inner[0] >> 4 == 6 else 4), sent.hex()
    return Tunnelled(source, dip, "ipip", ttl, None, None, inner)


def flow_of(packet):
    """What tells the flow of an unfragmented TCP or UDP packet from others."""
    if packet[0] >> 4 == 6:
        return packet[6:7] + packet[8:44]
    return packet[9:10] + packet[12:24]
