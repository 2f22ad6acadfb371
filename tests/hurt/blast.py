# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Frames by the hundred thousand, for the lab's own namespaces only: the floods of `scripts/test --floods`.

    blast.py DEVICE KIND SECONDS RATE JSON

Makes its frames, says "ready", waits for a line on standard input, sends RATE frames a second (0: as fast as it goes) for
SECONDS and prints {"sent": …, "seconds": …}. The frames are made once and sent again and again, 64 with each system call.
JSON has what the kind needs: MACs of both ends, addresses, ports. Sources are of 198.18.0.0/15 (RFC 2544)."""
import ctypes
import json
import random
import socket
import struct
import sys
import time
from ipaddress import ip_address

BATCH = 64
COUNT = 32768  # different frames of a flood
ETH_IPV4, ETH_IPV6, ETH_ARP = 0x0800, 0x86DD, 0x0806
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
SYN, ACK = 0x02, 0x10
MORE = 0x2000


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def packed(address):
    return ip_address(address).packed


def ethernet(to, kind):
    return mac(to["to_mac"]) + mac(to["from_mac"]) + struct.pack("!H", kind)


def ipv4(source, destination, protocol, payload, number=0, fragment=0):
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), number & 0xFFFF, fragment, 64, protocol, 0)
    sum_ = checksum(head + source + destination)
    return head[:10] + struct.pack("!H", sum_) + source + destination + payload


def tcp(source, destination, ports, flags, sequence=0, payload=b""):
    head = struct.pack("!HHIIBBHHH", *ports, sequence, 1 if flags & ACK else 0, 0x50, flags, 1024, 0, 0)
    pseudo = source + destination + struct.pack("!HH", TCP, len(head) + len(payload))
    return head[:16] + struct.pack("!H", checksum(pseudo + head + payload)) + head[18:] + payload


def udp(source, destination, ports, payload):
    head = struct.pack("!HHHH", *ports, 8 + len(payload), 0)
    pseudo = source + destination + struct.pack("!HH", UDP, 8 + len(payload))
    return head[:6] + struct.pack("!H", checksum(pseudo + head + payload) or 0xFFFF) + payload


def a_source(number):
    """Every number another address of 198.18.0.0/15, in no order."""
    return struct.pack("!I", 0xC6120000 + number * 7919 % (1 << 17))


def a_port(number):
    return 1024 + number * 31 % 60000


# --- the kinds ------------------------------------------------------------------------------------------------------


def tcp_flood(to, flags):
    vip = packed(to["vip"])
    for n in range(COUNT):
        source = a_source(n)
        yield ipv4(source, vip, TCP, tcp(source, vip, (a_port(n), to["port"]), flags, n))


def syn(to):
    return tcp_flood(to, SYN)


def ack(to):
    return tcp_flood(to, ACK)


def udp_ports(to):
    """`vip` may be any address: the MUX's own too."""
    vip = packed(to["vip"])
    for n in range(COUNT):
        source = a_source(n)
        yield ipv4(source, vip, UDP, udp(source, vip, (a_port(n), random.randrange(1, 65536)), b"x" * 18))


def fragments(to, which):
    vip = packed(to["vip"])
    for n in range(COUNT):
        source = a_source(n)
        whole = tcp(source, vip, (a_port(n), to["port"]), ACK, n, b"f" * 44)
        pieces = {
            "first": [(whole[:32], MORE)],
            "last": [(whole[32:], 4)],
            # The second piece begins inside the first (RFC 1858, RFC 3128), the third inside the second.
            "overlapping": [(whole[:32], MORE), (whole[16:48], MORE | 2), (whole[32:], 4)],
        }[which]
        for piece, offset in pieces:
            yield ipv4(source, vip, TCP, piece, n, offset)


def icmp_errors(to):
    """Unreachable, too big and time exceeded, about segments that the VIP never sent to the real client's address."""
    vip, client = packed(to["vip"]), packed(to["client"])
    for n in range(COUNT):
        quoted = ipv4(vip, client, TCP, struct.pack("!HHI", to["port"], random.randrange(1024, 65536), n * 7))
        kind, code, rest = ((3, 1, 0), (3, 4, 552), (11, 0, 0))[n % 3]
        head = struct.pack("!BBHI", kind, code, 0, rest)
        body = struct.pack("!BBHI", kind, code, checksum(head + quoted), rest) + quoted
        yield ipv4(a_source(n), vip, ICMP, body)


def giant(to):
    """One flow, full frames: segments of a connection that nobody opened."""
    vip, source = packed(to["vip"]), packed(to["client"])
    for n in range(256):
        yield ipv4(source, vip, TCP, tcp(source, vip, (9, to["port"]), ACK, n * 1400, b"g" * 1400), n)


def slow_flows(to):
    """Opened and answered, so that no table can tell them from a client's, and then nearly silent."""
    vip = packed(to["vip"])
    for n in range(COUNT // 2):
        source = a_source(n)
        for flags, sequence in ((SYN, n), (ACK, n + 1)):
            yield ipv4(source, vip, TCP, tcp(source, vip, (a_port(n), to["port"]), flags, sequence))


def arp(to):
    """Questions to all for the MUX's own address and for others, each from another sender of the subnet."""
    own, subnet = packed(to["own"]), packed(to["own"])[:3]
    for n in range(COUNT):
        sender = struct.pack("!HI", 0x0200, 0xA000 + n % 4096)
        target = own if n % 4 == 0 else subnet + bytes([100 + n % 150])
        question = struct.pack("!HHBBH", 1, ETH_IPV4, 6, 4, 1) + sender + subnet + bytes([100 + n * 7 % 150])
        yield b"\xff" * 6 + sender + struct.pack("!H", ETH_ARP) + question + bytes(6) + target


def nd(to):
    """Neighbour solicitations to the group of the MUX's address and of others (RFC 4861 section 4.3)."""
    own = packed(to["own"])
    prefix = own[:8]
    for n in range(COUNT):
        target = own if n % 4 == 0 else prefix + struct.pack("!Q", 0x1000 + n)
        source = prefix + struct.pack("!Q", 0x2000 + n % 200)
        group = packed("ff02::1:ff00:0")[:13] + target[13:]
        sender = struct.pack("!HI", 0x0200, 0xB000 + n % 4096)
        body = struct.pack("!BBHI", 135, 0, 0, 0) + target + struct.pack("!BB", 1, 1) + sender
        pseudo = source + group + struct.pack("!II", len(body), ICMPV6)
        body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
        head = struct.pack("!IHBB", 6 << 28, len(body), ICMPV6, 255) + source + group
        yield b"\x33\x33" + group[12:] + sender + struct.pack("!H", ETH_IPV6) + head + body


KINDS = {
    "syn": syn,
    "ack": ack,
    "udp": udp_ports,
    "first-fragments": lambda to: fragments(to, "first"),
    "last-fragments": lambda to: fragments(to, "last"),
    "overlapping-fragments": lambda to: fragments(to, "overlapping"),
    "icmp-errors": icmp_errors,
    "giant": giant,
    "slow-flows": slow_flows,
    "arp": arp,
    "nd": nd,
}
WITH_ETHERNET = ("arp", "nd")


# --- sending --------------------------------------------------------------------------------------------------------


class IoVec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class MessageHead(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32), ("iov", ctypes.POINTER(IoVec)),
        ("iov_length", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class Message(ctypes.Structure):
    _fields_ = [("head", MessageHead), ("length", ctypes.c_uint)]


def messages_of(frames):
    """An array for sendmmsg, and what must stay alive with it."""
    data = ctypes.create_string_buffer(b"".join(frames))
    vectors = (IoVec * len(frames))()
    messages = (Message * len(frames))()
    at = ctypes.addressof(data)
    for n, frame in enumerate(frames):
        vectors[n] = IoVec(at, len(frame))
        messages[n].head.iov = ctypes.pointer(vectors[n])
        messages[n].head.iov_length = 1
        at += len(frame)
    return messages, (data, vectors)


def send(device, frames, seconds, rate):
    libc = ctypes.CDLL(None, use_errno=True)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as out:
        out.bind((device, 0))
        out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        messages, alive = messages_of(frames)
        size = ctypes.sizeof(Message)
        sent, at, begin = 0, 0, time.monotonic()
        while (now := time.monotonic() - begin) < seconds:
            if rate and sent > now * rate:
                time.sleep(min(0.002, sent / rate - now))
                continue
            count = min(BATCH, len(frames) - at)
            done = libc.sendmmsg(out.fileno(), ctypes.byref(messages, at * size), count, 0)
            # A full queue of the device takes some less: what was not sent is not counted.
            sent += max(0, done)
            at = (at + count) % len(frames)
        del alive
        return sent, time.monotonic() - begin


def main(device, kind, seconds, rate, to):
    frames = list(KINDS[kind](to))
    if kind not in WITH_ETHERNET:
        front = ethernet(to, ETH_IPV4)
        frames = [front + frame for frame in frames]
    print("ready", flush=True)
    sys.stdin.readline()
    sent, took = send(device, frames, seconds, rate)
    print(json.dumps({"sent": sent, "seconds": took}), flush=True)


main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), json.loads(sys.argv[5]))
