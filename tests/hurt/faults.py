# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Faults under 200 connections: what is seen of each one, and that all goes on without a restart once it is over.

Two workers, tier 1 and tier 2, so that there is a ring between them to fill."""
import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from dataclasses import dataclass

import threads
from floods import Flood, blast
from ground import COUNT, COUNTER, Table, Wrong, configure, drops, ground, hold, new_drops, port, told
from lablib import process
from lablib.host import run
from lablib.topology import Shape
from lablib.traffic import VIP4, url

SHAPE = Shape(dips=4, clients=2)
STOP_S = 1.0
FLOOD = Flood("SYN", "syn", seconds=2 * STOP_S)
FEW_BUFFERS = 2047  # fewer than the ring between the workers holds
TIER1, TIER2 = "rte-worker-1", "rte-worker-2"


KEY = "5a17" * 20


def two_workers(text):
    cpus = sorted(os.sched_getaffinity(0))
    text = re.sub(r"(--lcores=0@\d+,1@\d+)", rf"\1,2@{cpus[2 % len(cpus)]}", text)
    # With a key of its own the next process has the same maps even when it takes nothing over.
    text = re.sub(r'hash_key = "[^"]*"', f'hash_key = "{KEY}"', text)
    plain = "workers  = ( { lcore = 1; tier1 = true; tier2 = true; } );"
    assert plain in text
    return text.replace(plain, "workers = ( { lcore = 1; tier1 = true; tier2 = false; }, { lcore = 2; tier1 = false; tier2 = true; } );")


@dataclass
class Fault:
    what: str
    act: object  # of the ground and a Spell: makes it, lifts it, checks what was seen


class Spell:
    """One fault under way: when it was lifted, and what was seen."""

    def __init__(self, here):
        self.before = {**drops(here.lab), "missed": port(here.lab)["missed_packets"]}
        self.here, self.seen, self.lifted_at = here, [], None

    def lifted(self):
        self.lifted_at = time.monotonic()

    def saw(self, text):
        self.seen.append(text)

    def lost(self):
        """What was dropped or missed since the beginning, in words."""
        now = {**drops(self.here.lab), "missed": port(self.here.lab)["missed_packets"]}
        return new_drops(self.before, now)

    def must(self, holds, sentence):
        if not holds:
            raise Wrong(sentence)


def pid(here):
    return here.sluiced().pid


# --- programs and threads that stop -----------------------------------------------------------------------------------


def worker_stopped(name):
    def act(here, spell):
        with threads.stopped(threads.named(pid(here), name)):
            time.sleep(STOP_S)  # the fault itself
            spell.must(here.lab.ask("status")["ready"], "the socket did not answer meanwhile")
        spell.lifted()

    return act


def process_stopped(here, spell):
    process.freeze(here.sluiced())
    try:
        time.sleep(STOP_S)
    finally:
        process.thaw(here.sluiced())
    spell.lifted()


def flooded_with_tier2_stopped(here):
    with blast(here.lab, FLOOD) as send, threads.stopped(threads.named(pid(here), TIER2)):
        send()


def ring_full(here, spell):
    flooded_with_tier2_stopped(here)
    spell.lifted()
    spell.must(spell.lost().get("handover-full"), "no packet was dropped as handover-full")


def restart_with(here, spell, change):
    spell.before = {}  # counters begin anew
    configure(here.lab, change=lambda text: change(two_workers(text)))
    here.lab.stop("mux1", "sluiced")
    here.lab.start("mux1", "sluiced")


def no_buffers(here, spell):
    restart_with(here, spell, lambda text: text.replace("dataplane: {", f"dataplane: {{ buffers = {FEW_BUFFERS};"))
    least = FEW_BUFFERS
    with blast(here.lab, FLOOD) as send, threads.stopped(threads.named(pid(here), TIER2)):
        send()
        least = here.metrics()["sluice_buffers_free"]
    spell.lifted()
    here.wait(lambda: here.metrics()["sluice_buffers_free"] > FEW_BUFFERS / 2, "buffers were free again")
    spell.must(least < 600, f"{least:.0f} buffers were free at the worst")  # the rest lies in caches of threads
    spell.saw(f"{least:.0f} of {FEW_BUFFERS} buffers free")
    spell.must(spell.lost().get("missed"), "the port missed no packet")


# --- the kernel's side ------------------------------------------------------------------------------------------------


def tap_gone(here, spell):
    before = here.metrics()["sluice_interface_renewals_total"]
    mux = here.lab.host("mux1")
    mux.ip("link del sluice0")
    spell.lifted()
    here.wait(lambda: here.metrics()["sluice_interface_renewals_total"] > before, "the TAP was made anew")
    spell.must(mux.ip_json("address", "show", "dev", "sluice0"), "sluice0 is not there")
    answers = lambda: here.lab.host("router").run(["ping", "-c1", "-W1", here.lab.spec("mux1").v4], check=False).returncode == 0
    here.wait(answers, "the MUX's own address answers")
    spell.saw("made anew, addresses and routes set")


MESSAGES = 40_000  # of routes that concern nobody; the socket's buffer holds about half


def netlink_lost(here, spell):
    """The control thread stands still while the kernel tells more than its socket holds; workers go on."""
    mux, dip, gateway = here.lab.host("mux1"), here.lab.spec("dip1").v4, "10.0.0.1"
    lines = "\n".join(f"route add blackhole 172.{16 + n // 65536}.{n // 256 % 256}.{n % 256}/32 table 999" for n in range(MESSAGES))
    before = here.metrics()["sluice_netlink_losses_total"]
    with threads.stopped(pid(here)):
        mux.ip(lines)
        mux.ip(f"route add {dip}/32 via {gateway} dev sluice0 mtu 1450")
    spell.lifted()
    try:
        here.wait(lambda: here.metrics()["sluice_netlink_losses_total"] > before, "sluiced said that messages were lost")
        seen = lambda mark: lambda: mark == hop_to(here, dip)["path"].startswith(f"{dip} via {gateway}")
        here.wait(seen(True), "a route that nobody told of was found")
        mux.ip(f"route del {dip}/32 via {gateway} dev sluice0")
        here.wait(seen(False), "its end was seen")
    finally:
        mux.run(["ip", "route", "flush", "table", "999"])
    spell.saw("all tables read again, the missing route found")


def hop_to(here, dip):
    """The next hop of a flow of that DIP."""
    flows = here.lab.ask("flow", "list", COUNTER.name, "--limit", 1000)
    source = next(row["source"] for row in flows if row["dip"] == dip)
    return here.lab.ask("explain", "tcp", source, f"{VIP4}:{COUNTER.port}")["next_hop"]


def link_down(host, device):
    def act(here, spell):
        here.lab.host(host).ip(f"link set {device} down")
        try:
            here.wait(lambda: not here.lab.ask("explain", "tcp", "198.51.100.11:9", f"{VIP4}:80", "--syn").get("next_hop", {}).get("resolved"), "the way was given up")
            begin = cpu_seconds(pid(here))
            time.sleep(STOP_S)
            busy = cpu_seconds(pid(here)) - begin
        finally:
            here.lab.host(host).ip(f"link set {device} up")
        spell.lifted()
        spell.saw(f"next hops unresolved, {100 * busy / STOP_S:.0f} % of a cpu meanwhile")

    return act


def cpu_seconds(process_id):
    fields = open(f"/proc/{process_id}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


UPLOAD_BYTES = 4_000_000
SMALL_MTU = 1510  # a client's full packet of 1,500 comes in, and does not go out with 20 bytes in front


def mtu_changes(here, spell):
    """The device below the port gets smaller under an upload of full segments."""
    lab = here.lab
    source = lab.directory("client1") / "upload"
    source.write_bytes(os.urandom(UPLOAD_BYTES))
    argv = ["curl", "-sSf", "-m", "60", "--limit-rate", "2M", "-T", str(source), url(VIP4, "/upload/mtu")]
    upload = subprocess.Popen(lab.host("client1").wrap(argv), stdout=subprocess.DEVNULL)
    try:
        lab.host("mux1").ip(f"link set lb0 mtu {SMALL_MTU}")
        spell.must(upload.wait(70) == 0, "the upload broke")
    finally:
        upload.kill()
        lab.host("mux1").ip(f"link set lb0 mtu {lab.shape.core_mtu}")
    spell.lifted()
    found = [lab.directory(dip.name) / "upload" / "mtu" for dip in lab.shape.hosts("dip")]
    (written,) = [path for path in found if path.exists()]
    spell.must(written.read_bytes() == source.read_bytes(), "the upload arrived damaged")
    written.unlink()
    spell.must(spell.lost().get("too-big"), "nothing was too big")
    spell.saw("clients told by ICMP, an upload arrived whole")


# --- files ------------------------------------------------------------------------------------------------------------


def half_a_configuration(here, spell):
    conf = here.lab.directory("mux1") / "sluiced.conf"
    whole, shown = conf.read_text(), here.lab.ask("service", "list")
    try:
        for share in (0.2, 0.5, 0.9):
            conf.write_text(whole[: int(share * len(whole))])
            answer = here.lab.host("mux1").run([*here.lab.ctl(), "config", "reload"], check=False)
            spell.must(answer.returncode == 2 and "sluiced.conf:" in answer.stderr, f"half a file: {answer}")
        names = lambda rows: [(row["name"], row["dips"]) for row in rows]
        spell.must(names(here.lab.ask("service", "list")) == names(shown), "something of half a file came into force")
    finally:
        conf.write_text(whole)
    spell.lifted()
    spell.saw("refused: " + re.search(r"sluiced.conf:[0-9]+: .{0,60}", answer.stderr)[0])


@contextlib.contextmanager
def small_disk(lab):
    """A file system of 256 KB, on which log and state file of mux1 lie from the next start on."""
    directory = lab.directory("mux1")
    small = directory / "small"
    small.mkdir()
    run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)])
    log = directory / "sluiced.log"
    try:
        log.replace(directory / "sluiced.log.before")
        log.symlink_to(small / "sluiced.log")
        yield small
    finally:
        log.unlink()
        run(["umount", "-l", str(small)])


def disk_full(here, spell):
    lab = here.lab
    # Without the state only the map remains: these connections are where it is.
    lab.ask("config", "reload")
    lab.ask("transition", "finish", COUNTER.name)
    here.connections.stop()
    here.connections = hold(lab, COUNT)
    spell.must(here.intact() == COUNT, "not all connections opened")
    with small_disk(lab) as small:
        restart_with(here, spell, lambda text: text.replace("control: {", f'control: {{ state_file = "{small}/state";'))
        fill = small / "fill"
        with contextlib.suppress(OSError), fill.open("wb", buffering=0) as file:
            while file.write(b"x" * 512):
                pass
        size = (small / "sluiced.log").stat().st_size
        lab.ask("dip", "weight", "web", lab.spec("dip1").v4, 2)  # what is logged is lost
        lab.ask("config", "reload")
        spell.must(here.intact() == COUNT, "connections broke while the log could not be written")
        spell.must((small / "sluiced.log").stat().st_size - size < 4096, "the disk was not full")
        lab.stop("mux1", "sluiced")  # and what it would leave to the next
        spell.must(not list(small.glob("state*")), "half a state file was left")
        lab.start("mux1", "sluiced")
        spell.must(lab.ask("status")["restart"] == "nothing to take over", "something was taken over")
        fill.unlink()
        spell.lifted()
        said = here.log().count("weight")
        lab.ask("dip", "weight", "web", lab.spec("dip1").v4, 3)
        here.wait(lambda: here.log().count("weight") > said, "the log went on")
        spell.saw("no state left, the map decides; the log goes on when there is room")
        # Back to a disk with room, before this one goes.
        lab.stop("mux1", "sluiced")
    configure(lab, change=two_workers)
    lab.start("mux1", "sluiced")


# --- clients of the socket --------------------------------------------------------------------------------------------


def connect(here):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(str(here.lab.directory("mux1") / "sluice.sock"))
    return client


def silent_client(here, spell):
    """Asks and asks, and reads nothing."""
    with connect(here) as client:
        client.setblocking(False)
        line = b'{"jsonrpc": "2.0", "id": 1, "method": "config.show"}\n'
        said = here.log().count("did not take its answer")

        def dropped():
            with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                while client.send(line * 100):
                    pass
            return here.lab.ask("status")["ready"] and here.log().count("did not take its answer") > said

        seconds = here.wait(dropped, "the client was dropped", 40)
    spell.lifted()
    spell.saw(f"others answered all the time; dropped after {seconds:.0f} s")


CLIENTS = 1000


def many_clients(here, spell):
    crowd = []
    try:
        for _ in range(CLIENTS):
            crowd.append(connect(here))
        served = lambda: here.lab.host("mux1").run([*here.lab.ctl(), "status"], check=False).returncode == 0
        seconds = here.wait(served, "an operator was served among them", 20)
    finally:
        for client in crowd:
            client.close()
    spell.lifted()
    spell.must(here.lab.ask("status")["ready"], "not served after them")
    spell.saw(f"an operator was served after {seconds:.1f} s: the longest idle makes room")


# --- the clock --------------------------------------------------------------------------------------------------------


class Clock:
    """The wall clock of what starts inside the block (clock.cc): its steps in seconds."""

    def __init__(self, path):
        self.path = path
        self.set(0)

    def set(self, seconds):
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb") as file:
            file.write(struct.pack("<q", seconds))

    @contextlib.contextmanager
    def environment(self, module):
        os.environ |= {"HURT_CLOCK": str(self.path), "LD_PRELOAD": str(module)}
        try:
            yield
        finally:
            del os.environ["HURT_CLOCK"], os.environ["LD_PRELOAD"]


STEPS = {"a day ahead": 86_400, "an hour back": 86_400 - 90_000, "five years ahead": 5 * 365 * 86_400, "as before": 0}


def clock_steps(here, spell):
    build = here.lab.build
    run(["ninja", "-C", str(build), "tests/hurt/hurt_clock.so"], timeout=600)
    clock = Clock(here.lab.directory("mux1") / "clock")
    here.lab.stop("mux1", "sluiced")
    spell.before = {}
    with clock.environment(build / "tests" / "hurt" / "hurt_clock.so"):
        here.lab.start("mux1", "sluiced")
    here.wait(lambda: all(row["state"] == "up" for row in here.lab.ask("health", "list")), "all servers up")
    here.lab.ask("dip", "weight", COUNTER.name, here.lab.spec("dip3").v4, 9)  # a transition with a deadline
    for name, seconds in STEPS.items():
        clock.set(seconds)
        spell.must(here.intact() == COUNT, f"connections broke when the clock went {name}")
        status = here.lab.ask("status")
        spell.must(status["uptime_s"] < 3600, f"uptime {status['uptime_s']} s after {name}")
        (row,) = [row for row in here.lab.ask("transition", "list") if row["service"] == COUNTER.name]
        spell.must(0 < row["remaining_s"] <= 600, f"{row['remaining_s']} s remain after {name}")
        states = {row["state"] for row in here.lab.ask("health", "list")}
        spell.must(states == {"up"}, f"servers are {states} after {name}")
        here.lab.ask("config", "reload")
        here.lab.ask("dip", "weight", "web", here.lab.spec("dip1").v4, 2 + seconds % 7)
    years = {line[:4] for line in here.log().splitlines()[-40:]}
    spell.must(len(years) > 1, "the log's clock did not step: nothing was tried")
    spell.lifted()
    spell.saw("the log's times jump, nothing else does")


# --- one after another ------------------------------------------------------------------------------------------------


FAULTS = (
    Fault("tier-2 worker stopped for 1 s", worker_stopped(TIER2)),
    Fault("tier-1 worker stopped for 1 s", worker_stopped(TIER1)),
    Fault("process stopped for 1 s", process_stopped),
    Fault("ring between workers full", ring_full),
    Fault("TAP removed", tap_gone),
    Fault("netlink messages lost", netlink_lost),
    Fault("link down and up", link_down("mux1", "lb0")),
    Fault("cable out and in", link_down("router", "mux1")),
    Fault(f"MTU lowered to {SMALL_MTU}", mtu_changes),
    Fault("configuration half-written", half_a_configuration),
    Fault("socket client that never reads", silent_client),
    Fault("1,000 socket clients", many_clients),
    Fault("clock steps", clock_steps),
    Fault("packet buffers exhausted", no_buffers),
    Fault("disk full (log, state file)", disk_full),
)


def suffer(here, fault, table):
    wrong, spell, took, intact = [], Spell(here), None, 0
    born = here.sluiced().pid
    try:
        fault.act(here, spell)
        spell.lifted_at = spell.lifted_at or time.monotonic()
        intact = here.intact()
        took = time.monotonic() - spell.lifted_at
        here.balanced()
    except Wrong as sentence:
        wrong.append(str(sentence))
        intact = here.intact()
    if intact != COUNT:
        wrong.append(f"{COUNT - intact} connections did not survive")
    if not here.sluiced().alive():
        wrong.append("sluiced is dead")
    lost = ", ".join(f"{word} {number}" for word, number in spell.lost().items()) or "nothing lost"
    if here.sluiced().pid != born:
        spell.saw("after a restart of its own for the test")
    seen = "; ".join([lost, *spell.seen[:1]])
    table.add((fault.what, f"{took:.1f} s" if took else "-", f"{intact} of {COUNT}", seen), wrong)


def all_faults(table, only=""):
    with ground(SHAPE, change=two_workers) as here:
        for fault in (fault for fault in FAULTS if not only or fault.what.split()[0] in only.split(",")):
            suffer(here, fault, table)


def main(only=""):
    heads = (("fault", 31), ("recovered after", 15), ("intact", 10), ("what was seen", 0))
    return told(Table(*heads), lambda table: all_faults(table, only))


if __name__ == "__main__":
    raise SystemExit(1 if main(*sys.argv[1:])[1] else 0)
