# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Floods under 200 connections that must all survive: what each one costs the others, and where it went (F6).

On AF_XDP ports, which show every fragment; an AF_PACKET port has the kernel put IPv4 fragments together."""
import contextlib
import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from ground import COUNT, COUNTER, Table, Wrong, drops, ground, new_drops, port, shown, told
from lablib.host import run
from lablib.topology import SUBNETS, Shape, mac_of
from lablib.traffic import PYTHON, VIP4, spread

SHAPE = Shape(dips=4, clients=2, neighbours=1, driver="af_xdp")
BLAST = str(Path(__file__).parent / "blast.py")
SECONDS, RATE = 3, 60_000  # as fast as the machine can, up to this
BEFORE_S = 1.0  # of exchanges that the flood's are compared with
PINGS = 10


@dataclass
class Flood:
    what: str
    kind: str
    rate: int = RATE
    who: str = "client2"
    to: dict = field(default_factory=dict)
    must: tuple = ()  # drop words, or figures of counted(), of which one at least must have grown
    seconds: float = SECONDS
    kernel: bool = False  # it goes the way of the kernel, which must stay open for others


def floods(lab):
    mux = lab.spec("mux1")
    own4, own6 = {"vip": mux.v4, "own": mux.v4}, {"own": mux.v6}
    return (
        Flood("SYN, random sources", "syn", must=("untracked",)),
        Flood("ACK of unknown flows", "ack", must=("to servers",)),
        Flood("UDP to random ports", "udp", must=("no-service",)),
        Flood("first fragments only", "first-fragments", must=("to servers",)),
        Flood("last fragments only", "last-fragments", must=("fragment-timeout", "fragment-table-full")),
        Flood("overlapping fragments", "overlapping-fragments", must=("to servers",)),
        Flood("ICMP errors, forged insides", "icmp-errors", must=("to servers",)),
        Flood("ARP storm", "arp", who="neighbour1", to=own4, must=("to kernel",), kernel=True),
        Flood("ND storm", "nd", who="neighbour1", to=own6, must=("to kernel",), kernel=True),
        Flood("UDP to the MUX itself", "udp", to=own4, must=("to kernel",), kernel=True),
        Flood("one giant flow", "giant", must=("to servers",)),
        Flood("slow flows fill the table", "slow-flows", rate=20_000, must=("untracked",)),
    )


# --- one flood --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def blast(lab, flood):
    """A program with its frames ready; send() lets them go and waits for their end: {"sent", "seconds"}."""
    spec = lab.spec(flood.who)
    client = lab.spec("client1")
    to = {"vip": VIP4, "port": COUNTER.port, "client": client.v4, **flood.to}
    to |= {"from_mac": spec.mac, "to_mac": mac_of(SUBNETS[spec.subnet.name].router[0])}
    argv = [PYTHON, BLAST, spec.device, flood.kind, str(flood.seconds), str(flood.rate), json.dumps(to)]
    process = subprocess.Popen(lab.host(flood.who).wrap(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send():
        process.stdin.write("go\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    try:
        if process.stdout.readline() != "ready\n":
            raise Wrong(f"the flood {flood.kind} could not be made")
        yield send
    finally:
        process.kill()
        process.communicate()


def counted(here):
    """What tells where packets went, as running sums."""
    row, service = port(here.lab), here.service()
    return {
        "to servers": service["rx_packets"],
        "to kernel": row["punted_packets"],
        "answered": row["created_packets"],
        "missed": row["missed_packets"],
        "untracked": service["flows_untracked"],
        **drops(here.lab),
    }


def pings(lab):
    """The router asks the MUX's own address while the flood runs: the kernel path is open, or it is not."""
    argv = ["ping", "-q", "-c", str(PINGS), "-i", "0.2", "-W", "1", lab.spec("mux1").v4]
    return subprocess.Popen(lab.host("router").wrap(argv), stdout=subprocess.PIPE, text=True)


def suffer(here, flood, table):
    wrong = []
    with blast(here.lab, flood) as send:
        here.times()
        time.sleep(BEFORE_S)
        quiet, before = here.times(), counted(here)
        asking = pings(here.lab)
        sent = send()
        loud = here.times()
        answered = int(asking.communicate()[0].split(" received")[0].split()[-1])
    intact = here.intact()
    here.balanced()
    went = new_drops(before, counted(here))
    if intact != COUNT:
        wrong.append(f"{COUNT - intact} connections did not survive")
    if (broken := here.service()["flows_broken"]) != 0:
        wrong.append(f"{broken} flows moved")
    if not any(went.get(word) for word in flood.must):
        wrong.append(f"the flood did not get to {' or '.join(flood.must)}")
    if flood.kernel and answered < PINGS * 0.3:
        wrong.append(f"the way to the MUX itself was shut: {answered} of {PINGS} pings answered")
    if down := [row["address"] for row in here.lab.ask("health", "list") if row["state"] != "up"]:
        wrong.append(f"{', '.join(down)} went down")
    if failed := spread(here.lab, connections=40)["failed"]:
        wrong.append(f"{failed} of 40 new connections failed afterwards")
    where = ", ".join(f"{word} {shown(number)}" for word, number in sorted(went.items(), key=lambda w: -w[1])[:5])
    if flood.kernel:
        where += f"; {answered} of {PINGS} pings to the MUX answered"
    times = f"{quiet['p50_ms']:.1f} {quiet['p99_ms']:.1f} / {loud['p50_ms']:.1f} {loud['p99_ms']:.1f}"
    table.add((flood.what, shown(sent["sent"] / sent["seconds"]), f"{intact} of {COUNT}", times, where), wrong)


# --- flows aimed at one place -----------------------------------------------------------------------------------------

PLACES = {"tier1": "tier 1", "tier2": "tier 2", "buckets": "flow table"}
GAIN = 1.5  # of the fullest place over that of flows at random; chance alone makes 1.2


def collide(here, table):
    """No gain for who does not know the key: the fullest place, in units of the mean, as collisions.cc measures it."""
    build = here.lab.build
    run(["ninja", "-C", str(build), "tests/hurt/collisions"], timeout=1800)
    rows = [json.loads(line) for line in run([str(build / "tests/hurt/collisions")], timeout=300).stdout.splitlines()]
    (random,) = [row for row in rows if row["attack"] == "at random"]
    for place, name in PLACES.items():
        wrong = [f"{row['attack']}: {row[place]} times the mean" for row in rows if row[place] > GAIN * random[place]]
        wrong += [f"{row['attack']}: flows found no room" for row in rows if row["without_room"]]
        worst = max((row for row in rows if row is not random), key=lambda row: row[place])
        where = f"fullest place {worst[place]:.2f} times the mean ({worst['attack']}); at random {random[place]:.2f}"
        table.add((f"collisions aimed at {name}", "-", "-", "-", where), wrong)


def all_floods(table):
    with ground(SHAPE) as here:
        for flood in floods(here.lab):
            suffer(here, flood, table)
        collide(here, table)


def main():
    heads = (("flood", 30), ("packets/s", 9), ("intact", 10), ("p50 p99 before / during, ms", 27), ("where it went", 0))
    return told(Table(*heads), all_floods)


if __name__ == "__main__":
    raise SystemExit(1 if main()[1] else 0)
