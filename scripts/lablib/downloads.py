# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Many slow downloads at once, for the lab: which connections survive what is done to the network?

    downloads.py URL COUNT BYTES RATE     COUNT connections, each for the first BYTES of the file, at RATE bytes a second

It obeys lines on standard input, each answered by one line of JSON:
    status      {"all": 200, "running": 190, "silent": {"dip1": 3}, "broken": {"dip2": 2}, "whole": 5, "why": {...},
                 "servers": {...}}; `silent` are those that got no byte since the last question, by server
    finish      the same, once every connection is whole, broken, or silent for SILENCE seconds, which is broken too
    cut         the same, and all connections end

`whole` are downloads that got all bytes, with the SHA-256 that most have."""
import asyncio
import collections
import hashlib
import json
import socket
import sys
from urllib.parse import urlsplit

TICK_S = 0.1
SILENCE_S = 20
RECEIVE_BUFFER = 32 * 1024  # so that the server sends no faster than we read


class Download:
    def __init__(self):
        self.server = "nobody"
        self.got = self.seen = 0
        self.broken = None
        self.digest = None

    async def run(self, url, size, rate):
        try:
            reader, writer = await self.ask(url, size)
            digest, loop = hashlib.sha256(), asyncio.get_running_loop()
            begin = loop.time()
            while self.got < size:
                due = begin + self.got / rate
                await asyncio.sleep(max(0.0, due - loop.time()))
                part = await reader.read(min(size - self.got, max(1, int(rate * TICK_S))))
                if not part:
                    raise EOFError(f"closed after {self.got} bytes")
                digest.update(part)
                self.got += len(part)
            self.digest = digest.hexdigest()
            writer.close()
        except (OSError, EOFError, ValueError) as error:
            self.broken = f"{type(error).__name__}: {error}"

    async def ask(self, url, size):
        parts = urlsplit(url)
        family = socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET
        client = socket.socket(family, socket.SOCK_STREAM)
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        await asyncio.get_running_loop().sock_connect(client, (parts.hostname, parts.port or 80))
        reader, writer = await asyncio.open_connection(sock=client, limit=RECEIVE_BUFFER)
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: {host}\r\nRange: bytes=0-{size - 1}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status, *fields = head.split("\r\n")
        if " 206 " not in status:
            raise ValueError(f"answer {status!r}")
        self.server = next((f.split(":")[1].strip() for f in fields if f.lower().startswith("x-server:")), "nobody")
        return reader, writer

    @property
    def running(self):
        return self.digest is None and self.broken is None


def figures(downloads):
    digests = collections.Counter(d.digest for d in downloads if d.digest)
    usual = digests.most_common(1)[0][0] if digests else None
    result = {
        "all": len(downloads),
        "running": sum(d.running for d in downloads),
        "silent": collections.Counter(d.server for d in downloads if d.running and d.got == d.seen),
        "broken": collections.Counter(d.server for d in downloads if d.broken),
        "why": collections.Counter(d.broken for d in downloads if d.broken),
        "whole": digests[usual] if usual else 0,
        "digest": usual,
        "servers": collections.Counter(d.server for d in downloads),
    }
    for download in downloads:
        download.seen = download.got
    return result


async def to_the_end(downloads):
    loop, last = asyncio.get_running_loop(), {}
    while any(d.running for d in downloads):
        now = loop.time()
        for download in (d for d in downloads if d.running):
            got, since = last.get(download, (-1, now))
            last[download] = (download.got, since if got == download.got else now)
            if now - last[download][1] > SILENCE_S:
                download.broken = f"silent for {SILENCE_S} s after {download.got} bytes"
        await asyncio.sleep(TICK_S)


async def main(url, count, size, rate):
    downloads = [Download() for _ in range(count)]
    tasks = [asyncio.create_task(d.run(url, size, rate)) for d in downloads]
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while word := (await orders.readline()).decode().strip():
        if word == "finish":
            await to_the_end(downloads)
        print(json.dumps(figures(downloads)), flush=True)
        if word == "cut":
            break
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
