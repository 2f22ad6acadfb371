# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Long-lived TCP connections that exchange a counter, for the lab.

    counter.py serve NAME ADDRESS PORT       says "listening" once it does
    counter.py hold ADDRESS PORT COUNT       opens COUNT connections, and then obeys, one line each:
        check       a JSON line: connections that exchanged a counter since the question, all of them, by server
        close NAME  closes those on that server; the same line
        renew       forgets the broken ones and opens as many new ones; the same line
        times       a JSON line: how long the exchanges since the last such question took, in ms

Each connection sends the next number every 100 ms and expects "NAME NUMBER" back, always from the same server."""
import asyncio
import collections
import json
import sys

PAUSE = 0.1
MOST = 20  # seconds: after a flood TCP waits a while before it sends again what was lost


async def serve(name, address, port):
    async def answer(reader, writer):
        try:
            while line := await reader.readline():
                writer.write(f"{name} ".encode() + line)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, address, port, backlog=1024)
    print("listening", flush=True)
    await server.serve_forever()


class Connection:
    def __init__(self):
        self.name = self.broken = None
        self.number = 0
        self.closing = False
        self.times = []

    async def run(self, address, port):
        try:
            reader, writer = await asyncio.open_connection(address, port)
            clock = asyncio.get_running_loop().time
            while not self.closing:
                begin = clock()
                writer.write(f"{self.number + 1}\n".encode())
                name, number = (await reader.readline()).decode().split()
                if self.name not in (None, name) or int(number) != self.number + 1:
                    raise ValueError(f"{name} answered {number}, not {self.name} {self.number + 1}")
                self.name, self.number = name, int(number)
                self.times.append(clock() - begin)
                await asyncio.sleep(PAUSE)
            writer.close()
            await writer.wait_closed()
        except (OSError, ValueError) as error:
            self.broken = f"{type(error).__name__}: {error}"


def times(connections):
    seconds = sorted(t for c in connections for t in c.times)
    for connection in connections:
        connection.times.clear()
    if not seconds:
        return {"exchanges": 0}
    ms = lambda share: round(1000 * seconds[min(len(seconds) - 1, int(share * len(seconds)))], 2)
    return {"exchanges": len(seconds), "p50_ms": ms(0.5), "p99_ms": ms(0.99), "most_ms": ms(1)}


async def hold(address, port, count):
    connections = [Connection() for _ in range(count)]
    tasks = {c: asyncio.create_task(c.run(address, port)) for c in connections}
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while words := (await orders.readline()).decode().split():
        if words[0] == "times":
            print(json.dumps(times(connections)), flush=True)
            continue
        if words[0] == "close":
            leaving = [c for c in connections if c.name == words[1]]
            for connection in leaving:
                connection.closing = True
            await asyncio.gather(*(tasks[c] for c in leaving))
            connections = [c for c in connections if c not in leaving]
        if words[0] == "renew":
            connections = [c for c in connections if not c.broken]
            new = [Connection() for _ in range(count - len(connections))]
            tasks |= {c: asyncio.create_task(c.run(address, port)) for c in new}
            connections += new
        before = {c: c.number for c in connections}
        end = asyncio.get_running_loop().time() + MOST
        # Two numbers further: the second one was sent after the question.
        while any(c.number < before[c] + 2 and not c.broken for c in connections):
            if asyncio.get_running_loop().time() > end:
                break
            await asyncio.sleep(PAUSE / 2)
        print(
            json.dumps(
                {
                    "intact": sum(c.number >= before[c] + 2 and not c.broken for c in connections),
                    "all": len(connections),
                    "servers": collections.Counter(c.name for c in connections),
                    "broken": collections.Counter(c.broken for c in connections if c.broken),
                    "broken_on": collections.Counter(c.name for c in connections if c.broken),
                }
            ),
            flush=True,
        )
    for task in tasks.values():
        task.cancel()


if sys.argv[1] == "serve":
    asyncio.run(serve(sys.argv[2], sys.argv[3], int(sys.argv[4])))
else:
    asyncio.run(hold(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
