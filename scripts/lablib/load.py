# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""HTTP requests from a client of the lab, run inside its namespace: who answers, and does anything break?

    load.py spread URL --connections 2000        a new connection for every request
    load.py steady URL --connections 20          until stdin closes: half of the connections stay open and are used
                                                 again and again, the others are opened anew for every request

Both print one JSON object: {"answers": {"dip1": 250, ...}, "failures": ["..."], "moved": 0}; `moved` counts connections
whose answers came from more than one server, which no balancer may ever do."""
import argparse
import asyncio
import collections
import json
import sys
from urllib.parse import urlsplit


class Result:
    def __init__(self):
        self.answers = collections.Counter()
        self.failures = []
        self.moved = 0
        self.slowest_ms = 0.0

    def show(self):
        print(
            json.dumps(
                {
                    "answers": dict(sorted(self.answers.items())),
                    "failures": self.failures[:20],
                    "failed": len(self.failures),
                    "moved": self.moved,
                    "slowest_ms": round(self.slowest_ms, 1),
                }
            ),
            flush=True,
        )


class Connection:
    """One TCP connection; request() sends a GET and returns the body's first line."""

    def __init__(self, url):
        parts = urlsplit(url)
        self.host, self.port, self.path = parts.hostname, parts.port or 80, parts.path or "/"
        self.reader = self.writer = None

    async def open(self):
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port)

    async def request(self, close):
        name = f"[{self.host}]" if ":" in self.host else self.host
        way = "close" if close else "keep-alive"
        self.writer.write(f"GET {self.path} HTTP/1.1\r\nHost: {name}\r\nConnection: {way}\r\n\r\n".encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status, *fields = head.split("\r\n")
        if " 200 " not in status + " ":
            raise OSError(f"answer {status!r}")
        length = next(int(f.split(":")[1]) for f in fields if f.lower().startswith("content-length:"))
        return (await self.reader.readexactly(length)).decode().strip()

    def close(self):
        if self.writer:
            self.writer.close()


async def ask(url, result, connection=None, timeout_s=10):
    """One request on a new connection, or on the one given; the name that answered, or None after a failure."""
    close = connection is None
    connection = connection or Connection(url)
    loop = asyncio.get_running_loop()
    begin = loop.time()
    try:
        async with asyncio.timeout(timeout_s):
            if connection.writer is None:
                await connection.open()
            name = await connection.request(close)
    except (OSError, TimeoutError, EOFError, asyncio.IncompleteReadError) as error:
        result.failures.append(f"{'new' if close else 'kept'} connection: {type(error).__name__} {error}")
        return None
    finally:
        result.slowest_ms = max(result.slowest_ms, (loop.time() - begin) * 1000)
        if close:
            connection.close()
    result.answers[name] += 1
    return name


async def spread(url, connections, concurrency):
    result, left = Result(), iter(range(connections))

    async def one_after_another():
        for _ in left:
            await ask(url, result)

    await asyncio.gather(*(one_after_another() for _ in range(concurrency)))
    return result


async def steady(url, connections, pause_s, timeout_s):
    result, stop = Result(), asyncio.Event()

    async def keeps_its_connection():
        connection, servers = Connection(url), set()
        while not stop.is_set():
            name = await ask(url, result, connection, timeout_s)
            if name is None:
                connection.close()
                connection, servers = Connection(url), set()
            else:
                servers.add(name)
                result.moved += len(servers) == 2
            await asyncio.sleep(pause_s)  # the pace of the load
        connection.close()

    async def opens_anew():
        while not stop.is_set():
            await ask(url, result, timeout_s=timeout_s)
            await asyncio.sleep(pause_s)

    async def until_stdin_closes():
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        stop.set()

    kept = [keeps_its_connection() for _ in range((connections + 1) // 2)]
    anew = [opens_anew() for _ in range(connections // 2)]
    await asyncio.gather(until_stdin_closes(), *kept, *anew)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("form", choices=("spread", "steady"))
    parser.add_argument("url")
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--concurrency", type=int, default=32, help="of spread")
    parser.add_argument("--pause", type=float, default=0.01, metavar="SECONDS", help="between two requests, of steady")
    parser.add_argument("--timeout", type=float, default=10, metavar="SECONDS", help="for one answer, of steady")
    arguments = parser.parse_args()
    if arguments.form == "spread":
        result = asyncio.run(spread(arguments.url, arguments.connections, arguments.concurrency))
    else:
        result = asyncio.run(steady(arguments.url, arguments.connections, arguments.pause, arguments.timeout))
    result.show()
    return 1 if result.failures or result.moved else 0


if __name__ == "__main__":
    sys.exit(main())
