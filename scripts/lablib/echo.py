# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""A UDP service for the lab: answers each datagram with NAME and the SHA-256 of what came in, as small as a DNS answer.

    echo.py NAME ADDRESS PORT     says "listening" once it does"""
import hashlib
import socket
import sys

name, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
# Bound to the VIP itself, so that replies carry it as their source.
with socket.socket(family, socket.SOCK_DGRAM) as server:
    server.bind((address, port))
    print("listening", flush=True)
    while True:
        data, peer = server.recvfrom(65535)
        server.sendto(f"{name} {hashlib.sha256(data).hexdigest()}".encode(), peer)
