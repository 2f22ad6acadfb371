# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Rows of two processes: a generator and the appliance (or testpmd in its place) at the two ends of a memif or of a
veth pair. Packets of 64 bytes, UDP, 65,536 flows, each with an entry in the flow table."""
import contextlib
import os
import statistics
import subprocess
import time

from . import BenchError
from .forwarders import GATEWAY_MAC, Generator, Sluiced, Testpmd
from .rows import Measurement, Row

MAC = "02:00:00:00:00:01"
NO_DROP, PARTIAL_DROP = 0.0, 0.001  # share of packets lost
STEPS = 9  # of a binary search: 1/512 of the maximum
SHARES = (10, 50, 90)  # percent of the maximum at which delays are measured
PERCENTILES = {"p50": "p50_us", "p99": "p99_us", "p99.9": "p999_us"}


class Memif:
    """Two processes that share memory, one ring each way; no kernel between them."""

    name = "memif"
    includes = "shared memory, no kernel"
    wrapper = ()

    def __init__(self, bench):
        self.socket = bench.directory / f"memif-{time.monotonic_ns()}.sock"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.unlink(missing_ok=True)

    def device(self, role, number=0, ident=0):
        mac = MAC if role == "server" else GATEWAY_MAC
        return f"net_memif{number},role={role},id={ident},socket={self.socket},socket-abstract=no,rsize=11,mac={mac}"

    @property
    def appliance(self):
        return self.device("server")

    @property
    def generator(self):
        return self.device("client")


class Veth:
    """A pair of the kernel's in a namespace of its own, both ends by AF_PACKET."""

    name = "veth"
    includes = "AF_PACKET on both ends, in the kernel"
    appliance = "net_af_packet0,iface=appliance"
    generator = "net_af_packet0,iface=generator"

    def __init__(self, _):
        self.namespace = f"sluice-bench-{os.getpid()}"
        self.wrapper = ("ip", "netns", "exec", self.namespace)

    def __enter__(self):
        inside = " ".join(self.wrapper)
        ends = f"name generator address {GATEWAY_MAC}", f"name appliance address {MAC}"
        self.run(f"ip netns add {self.namespace}")
        try:
            # No addresses, not even link-local ones: the kernel has nothing to say here.
            self.run(f"{inside} sysctl -q -w net.ipv6.conf.default.disable_ipv6=1")
            self.run(f"{inside} ip link add {ends[0]} type veth peer {ends[1]}")
            for end in ("generator", "appliance"):
                self.run(f"{inside} ip link set {end} arp off up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run(["ip", "netns", "del", self.namespace], capture_output=True)

    @staticmethod
    def run(command):
        done = subprocess.run(command.split(), capture_output=True, text=True)
        if done.returncode != 0:
            raise BenchError(f"`{command}` failed: {done.stderr.strip()}")


def appliance_on(bench, wire, **shape):
    shape = {"protocol": "udp", "stickiness": "flow", "idle": "adaptive", **shape}
    sluiced = Sluiced(bench.build, bench.directory, wire.appliance, bench.cpus, **shape)
    sluiced.wrapper = wire.wrapper
    return sluiced


def testpmd_on(bench, wire):
    testpmd = Testpmd(bench.directory, "5tswap", wire.appliance, bench.cpus, more=("--no-lsc-interrupt",))
    testpmd.wrapper = wire.wrapper
    return testpmd


@contextlib.contextmanager
def generator_on(bench, wire):
    with Generator(bench.build, bench.directory, wire.generator, bench.generator_cpu, wire.wrapper) as generator:
        yield generator


# --- the search (RFC 2544 section 26.1: trials at chosen rates, halving) ------------------------------------------------


def trial(generator, pps, seconds):
    """What the generator says of it, with rates and the share that was lost. pps 0: all that goes."""
    done = generator.call(f"run {pps:.0f} {seconds}")
    offered = done["sent"] + done["refused"]
    done["offered_pps"] = offered / done["seconds"]
    done["received_pps"] = done["received"] / done["seconds"]
    done["loss"] = 1 - done["received"] / offered if offered else 1
    return done


def best_rate(try_rate, high, most_loss, steps=STEPS):
    """The highest rate in (0, high] that loses no more than `most_loss`, by halving; 0 when none does. try_rate(pps) ->
    (loss, what was really offered)."""
    low, best = 0.0, 0.0
    for _ in range(steps):
        middle = (low + high) / 2
        loss, offered = try_rate(middle)
        if loss <= most_loss and offered >= 0.95 * middle:
            low, best = middle, max(best, offered)
        else:
            high = middle
    return best


def capacity(generator, seconds):
    """(received when offered all that goes, the share lost of it, partial drop rate, no drop rate); packets a second."""

    def try_rate(pps):
        done = trial(generator, pps, seconds)
        return done["loss"], done["offered_pps"]

    flood = trial(generator, 0, seconds)
    if flood["received"] == 0:
        raise BenchError("nothing came back to the generator")
    partial = best_rate(try_rate, 1.1 * flood["received_pps"], PARTIAL_DROP)
    return flood["received_pps"], flood["loss"], partial, best_rate(try_rate, partial, NO_DROP) if partial else 0.0


def wire_rows(who, wire, reference=None):
    """Names and rows of one forwarder on one wire."""

    def row(what, includes, unit):
        return Row(f"{who}, {what}", includes, unit, f"{reference}, {what}" if reference else f"{who}, {what}")

    return [
        row("most received", f"{wire.includes}; offered: all that goes", "M packets/s"),
        row("loss at that", "of what was offered; what the ring did not take counts", "%"),
        row("PDR", "partial drop rate: at most 0.1 % lost", "M packets/s"),
        row("NDR", "no drop rate: not one packet lost in the trial", "M packets/s"),
        *(row(f"{p} at {share} %", f"there and back, at {share} % of its own PDR", "us") for share in SHARES for p in PERCENTILES),
    ]


def wire_measurement(part, who, wire_kind, forwarder_on, reference=None):
    rows = tuple(wire_rows(who, wire_kind, reference))

    def figures(bench):
        with wire_kind(bench) as wire, forwarder_on(bench, wire), generator_on(bench, wire) as generator:
            trial(generator, 0, 0.2)  # opens the flows, warms caches
            most, loss, partial, none = capacity(generator, bench.seconds)
            out = [most / 1e6, 100 * loss, partial / 1e6, none / 1e6]
            for share in SHARES:
                done = trial(generator, max(1.0, (partial or most) * share / 100), bench.seconds)
                out += [done[key] for key in PERCENTILES.values()]
            return dict(zip((row.name for row in rows), out))

    return Measurement(part, rows, figures)


def silence(part, wire_kind):
    rows = tuple(
        Row(f"first packet after a second of silence, {wire_kind.name}, {p}", 'idle = "adaptive"; there and back', "us")
        for p in ("p50", "p99")
    )

    def figures(bench):
        with wire_kind(bench) as wire, appliance_on(bench, wire), generator_on(bench, wire) as generator:
            done = generator.call("pings 3 100" if bench.quick else "pings 30 1000")
            return {rows[0].name: done["p50_us"], rows[1].name: done["p99_us"]}

    return Measurement(part, rows, figures)


def idle_and_busy():
    busy, adaptive = "sluiced over memif, busy, most received", "sluiced over memif, adaptive, most received"
    rows = (
        Row(busy, 'idle = "busy"', "M packets/s", busy),
        Row(adaptive, 'idle = "adaptive", in turn with busy', "M packets/s", busy),
    )

    def figures(bench):
        out = {}
        for row, idle in zip(rows, ("busy", "adaptive")):
            with Memif(bench) as wire, appliance_on(bench, wire, idle=idle), generator_on(bench, wire) as generator:
                trial(generator, 0, 0.2)
                out[row.name] = trial(generator, 0, bench.seconds)["received_pps"] / 1e6
        return out

    return Measurement("memif", rows, figures)


def removal(dips):
    row = Row(f"dip remove to first packet, {dips:,} DIPs", "`dip remove --now` sent, to a packet of its flow at another DIP", "ms")

    def figures(bench):
        with Memif(bench) as wire, appliance_on(bench, wire, dips=dips) as sluiced, generator_on(bench, wire) as generator:
            took = []
            for _ in range(5):
                generator.say("watch 10")
                destination = generator.answer()["destination"]
                asked_ns = time.monotonic_ns()
                sluiced.client.call("dip.remove", service="s0", address=destination, now=True)
                took.append((generator.answer()["changed_ns"] - asked_ns) / 1e6)
            return {row.name: statistics.median(took)}

    return Measurement("memif", (row,), figures)


def testpmd_generator():
    """testpmd cannot be told a rate, so this is the most that goes through, and what is lost on the way."""
    rows = (
        Row("testpmd txonly to rxonly by sluiced", "two testpmd processes, two memifs; 64 bytes, several flows", "M packets/s"),
        Row("testpmd txonly to rxonly by sluiced, loss", "of what the first one got rid of", "%"),
    )

    def figures(bench):
        with Memif(bench) as wire:
            source, sink = wire.device("client"), wire.device("client", ident=1)
            out = wire.device("server", number=1, ident=1)
            tx = ("--tx-ip=198.18.0.1,203.0.113.10", "--tx-udp=1024,80", "--txonly-multi-flow", "--txpkts=60",
                  f"--eth-peer=0,{MAC}", "--no-lsc-interrupt")  # fmt: skip
            rx = ("--no-lsc-interrupt",)
            with (
                appliance_on(bench, wire, further_devices=[out]),
                Testpmd(bench.directory, "rxonly", sink, (bench.cpus[0], bench.spare_cpu), more=rx) as receiver,
                Testpmd(bench.directory, "txonly", source, (bench.cpus[0], bench.generator_cpu), more=tx) as sender,
            ):
                before = sender.count("TX"), receiver.count("RX")
                begin = time.monotonic()
                time.sleep(bench.seconds)
                after = sender.count("TX"), receiver.count("RX")
                took = time.monotonic() - begin
            sent, received = (b - a for a, b in zip(before, after))
            if received == 0:
                raise BenchError("nothing came through to the second testpmd")
            return {rows[0].name: received / took / 1e6, rows[1].name: max(0.0, 100 * (1 - received / sent))}

    return Measurement("memif", rows, figures)


def measurements():
    for part, kind in (("memif", Memif), ("veth", Veth)):
        reference, ours = f"testpmd 5tswap over {kind.name}", f"sluiced over {kind.name}"
        yield wire_measurement(part, reference, kind, testpmd_on)
        yield wire_measurement(part, ours, kind, appliance_on, reference)
        yield silence(part, kind)
    yield idle_and_busy()
    yield testpmd_generator()
    for dips in (10, 1_000, 10_000):
        yield removal(dips)
