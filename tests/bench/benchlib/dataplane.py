# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Rows of one core without a wire: sluice-bench, beside testpmd on the same port with the same packets."""
from dataclasses import dataclass

from .forwarders import Sluiced, Testpmd, capture_device, null_device
from .rows import Measurement, Row

DIPS = 1_000
QUICK_NEW_FLOWS = 16_000_000


# --- a capture over and over: packets come from memory ----------------------------------------------------------------


@dataclass(frozen=True)
class Capture:
    label: str
    flows: int
    words: tuple = ()

    def of(self, bench):
        return bench.capture(self.flows, self.words)

    def testpmd(self, mode):
        def figures(bench):
            device, buffers = capture_device(self.of(bench)), self.flows + 16384
            with Testpmd(bench.directory, mode, device, bench.cpus, buffers) as forwarder:
                return {f"testpmd {mode}, {self.label}": forwarder.ns_per_packet(bench.seconds)}

        return figures

    def path(self, name, *words):
        def figures(bench):
            shape = "--flows", self.flows, "--dips", DIPS, "--seconds", bench.seconds
            done = bench.program("path", capture_device(self.of(bench)), *shape, *self.words, *words)
            return {name: done["cpu_ns"] / done["packets"]}

        return figures

    def sluiced(self, name):
        def figures(bench):
            shape = {"dips": DIPS, "buffers": self.flows + 16384}
            device = capture_device(self.of(bench))
            with Sluiced(bench.build, bench.directory, device, bench.cpus, **shape) as forwarder:
                return {name: forwarder.ns_per_packet(bench.seconds)}

        return figures


def path_measurements():
    many, few, v6 = Capture("100k flows", 100_000), Capture("4k flows", 4_096), Capture("IPv6", 100_000, ("--v6",))
    for capture in (many, few, v6):
        reference = f"testpmd 5tswap, {capture.label}"
        for mode, includes in (("io", "receive, send"), ("5tswap", "swaps MACs, addresses, ports")):
            row = Row(f"testpmd {mode}, {capture.label}", includes, reference=reference)
            yield Measurement("paths", (row,), capture.testpmd(mode))
        row = Row(f"stateless path, {capture.label}", "receive, all stages, send", reference=reference)
        yield Measurement("paths", (row,), capture.path(row.name))
        if not capture.words:
            row = Row(f"sluiced, {capture.label}", "the same as a program, with control", reference=reference)
            yield Measurement("paths", (row,), capture.sluiced(row.name))
    row = Row("stateless path, 10 groups", "Toeplitz besides", reference="testpmd 5tswap, 100k flows")
    yield Measurement("paths", (row,), many.path(row.name, "--groups", 10))


# --- each stage, hash and table alone -----------------------------------------------------------------------------------

STAGES = {
    "parse": "all checks of the frame, the flow key",
    "join_fragments": "no fragment among them",
    "match_service": "the service table, counters",
    "read_control": "flows are 5-tuples: nothing to read",
    "find_elephants": "there are none",
    "select_group": "one group: no hash",
    "hand_over": "both tiers on this core",
    "hash_flows": "keyed hash",
    "follow_flows": "a stateless service",
    "select_dip": "slot map, prefetch of the target",
    "next_hop": "egress port, TTL, MTU",
    "encapsulate": "TTL and checksum, outer headers, counters",
}
SPECIAL_STAGES = [  # label, words, rows
    ("1 M flows", ("--flows", 1_000_000, "--sticky"), {"follow_flows": "flow table, every flow in it"}),
    ("10 groups", ("--groups", 10), {"select_group": "Toeplitz, tier 1's map"}),
    ("IPv6", ("--v6",), {"parse": STAGES["parse"], "hash_flows": "keyed hash", "encapsulate": "IPv6 in IPv6"}),
]


def stage_measurements():
    def of(label, words, stages):
        def figures(bench):
            shape = words if "--flows" in words else ("--flows", 100_000, *words)
            done = bench.program("stages", "--dips", DIPS, *shape)
            return {f"{stage}{label}": done[stage] for stage in stages}

        # Beside the port whose packets lie in the cache, as they do here.
        rows = tuple(Row(f"{stage}{label}", text, reference=TRAFFIC["random 1M"].reference) for stage, text in stages.items())
        return Measurement("stages", rows, figures)

    yield of("", (), STAGES)
    for label, words, stages in SPECIAL_STAGES:
        yield of(f", {label}", words, stages)


def table_measurements():
    hashes = ["toeplitz burst", "toeplitz scalar twin", "keyed hash burst", "keyed hash portable twin"]
    lookups = {f"service lookup, {n}": f"among {n} services" for n in (1, 100, 10_000)}
    rows = [Row(name, "IPv4, bursts of 64", "ns/key") for name in hashes]
    rows += [Row(name, text, "ns/key") for name, text in lookups.items()]
    yield Measurement("tables", tuple(rows), lambda bench: bench.program("tables", "--flows", 100_000))


# --- workers on a port that costs nothing ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Traffic:
    label: str
    flows: int
    order: str = "random"
    v6: bool = False
    services: int = 1

    @property
    def reference(self):
        return f"testpmd 5tswap, {self.label}"

    def measurement(self):
        """testpmd on that port: what preload.cc reads tells it what comes."""

        def figures(bench):
            environment = {
                "LD_PRELOAD": str(bench.build / "tests/bench/libsluice-bench-traffic.so"),
                "SLUICE_BENCH_TRAFFIC": f"{self.order} {self.flows_in(bench)} {6 if self.v6 else 4} {self.services}",
            }
            with Testpmd(bench.directory, "5tswap", null_device(self.v6), bench.cpus, environment=environment) as forwarder:
                return {self.reference: forwarder.ns_per_packet(bench.seconds)}

        row = Row(self.reference, "writes the frame, swaps MACs, addresses, ports, sends", reference=self.reference)
        return Measurement("flows", (row,), figures)

    def flows_in(self, bench):
        """New flows need room for a while of them, however quick it is to be."""
        if self.order != "new":
            return bench.flows(self.flows)
        return min(self.flows, QUICK_NEW_FLOWS) if bench.quick else self.flows

    def words(self, bench):
        words = ["--flows", self.flows_in(bench), "--services", self.services]
        words += ["--v6"] if self.v6 else []
        return words if self.order == "new" else [*words, "--order", self.order]


TRAFFIC = {
    "random 1M": Traffic("null port, 1 M flows", 1_000_000),
    "random 100k": Traffic("null port, 100 k flows", 100_000),
    "random 10M": Traffic("null port, 10 M flows", 10_000_000),
    "random 1k": Traffic("null port, 1,024 flows", 1_024),
    "local 1M": Traffic("null port, burst-local", 1_000_000, "local"),
    "zipf 1M": Traffic("null port, Zipf", 1_000_000, "zipf"),
    "v6 1M": Traffic("null port, IPv6", 1_000_000, v6=True),
    "new": Traffic("null port, new flows", 32_000_000, "new"),
    "100 services": Traffic("null port, 100 VIPs", 1_000_000, services=100),
    "10,000 services": Traffic("null port, 10,000 VIPs", 1_000_000, services=10_000),
}


def flows_of(bench, work, traffic, *words):
    shape = ["--dips", DIPS] if "--dips" not in words else []
    return bench.program("flows", work, *traffic.words(bench), *shape, "--seconds", bench.seconds, *words, workers=2)


def flow_measurement(row_name, work, traffic, includes, *words, beside=None):
    """Cost of a packet beside testpmd; `beside`: a second row that compares it with another of ours."""
    rows = [Row(row_name, includes, reference=traffic.reference)]
    if beside:
        rows.append(Row(f"{row_name}, beside {beside}", "the row above, as a ratio", reference=beside))

    def figures(bench):
        ns = flows_of(bench, work, traffic, *words)["sluice"]
        return {row.name: ns for row in rows}

    return Measurement("flows", tuple(rows), figures)


def new_flows():
    traffic = TRAFFIC["new"]
    rows = (
        Row("new flows", "each packet a SYN of a flow never seen, each gets an entry", reference=traffic.reference),
        Row("new flows, rate", "of one core", "M flows/s"),
    )

    def figures(bench):
        ns = flows_of(bench, "new", traffic)["sluice"]
        return {"new flows": ns, "new flows, rate": 1e3 / ns}

    return Measurement("flows", rows, figures)


def largest_table():
    traffic = TRAFFIC["random 10M"]
    rows = (
        Row("established, 10 M flows", "the same", reference=traffic.reference),
        Row("memory of a flow", "IPv4, all in, at ten million", "bytes"),
    )

    def figures(bench):
        done = flows_of(bench, "established", traffic)
        return {rows[0].name: done["sluice"], rows[1].name: done["flow_bytes"] / done["flows"]}

    return Measurement("flows", rows, figures)


def pipeline():
    reference = TRAFFIC["random 1M"].reference
    rows = (
        Row("pipeline, 1 M flows, tier 2", "its core: take over, flow table, encapsulate, send", reference=reference),
        Row("pipeline, 1 M flows, tier 1", "its core: receive to the ring, drops included", reference=reference),
        Row("pipeline, rate", "of the slower core", "M packets/s"),
    )

    def figures(bench):
        done = flows_of(bench, "pipeline", TRAFFIC["random 1M"])
        both = done["sluice"], done["tier 1"]
        return dict(zip((row.name for row in rows), (*both, 1e3 / max(both))))

    return Measurement("flows", rows, figures)


def null_port_measurements():
    yield from (traffic.measurement() for traffic in TRAFFIC.values())
    of, t = flow_measurement, TRAFFIC
    yield of("stateless, 1 M flows", "stateless", t["random 1M"], "the map alone")
    yield of("transition, 1 M flows", "transition", t["random 1M"],
             "stateless; a tenth of the slots moves, half of their flows in table S", beside="stateless, 1 M flows")  # fmt: skip
    yield of("established, 100 k flows", "established", t["random 100k"], "flow table, every flow in it")
    yield of("established, 1 M flows", "established", t["random 1M"], "the same, random order")
    yield largest_table()
    yield of("established, burst-local", "established", t["local 1M"], "1 M flows; a burst has 8 packets of each of 8")
    yield of("established, Zipf", "established", t["zipf 1M"], "1 M flows; flow k comes as often as 1/k")
    yield of("stateless, IPv6", "stateless", t["v6 1M"], "the map alone, IPv6 in IPv6", beside="stateless, 1 M flows")
    yield of("established, IPv6", "established", t["v6 1M"], "1 M flows", beside="established, 1 M flows")
    yield new_flows()
    yield of("elephants, 1,024 flows", "elephants", t["random 1k"], "tier 1's table; tier 2 skipped")
    yield pipeline()
    yield of("path, 1 service", "stateless", t["random 1M"], "4 DIPs", "--dips", 4)
    for n in ("100", "10,000"):
        yield of(f"path, {n} services", "stateless", t[f"{n} services"], "each with 4 DIPs and maps of its own; all get packets",
                 "--dips", 4, beside="path, 1 service")  # fmt: skip
    yield of("path, 10,000 services, same DIPs", "stateless", t["10,000 services"], "each with the same 4 DIPs: one map for all",
             "--dips", 4, "--one-map", beside="path, 1 service")  # fmt: skip
    for n in (10, 1_000, 10_000):
        beside = "path, 10 DIPs" if n > 10 else None
        yield of(f"path, {n:,} DIPs", "stateless", t["random 1M"], "of one service", "--dips", n, beside=beside)
    yield of("adaptive idle, full load", "stateless", t["random 1M"], 'idle = "adaptive", nothing to rest for',
             "--adaptive", beside="stateless, 1 M flows")  # fmt: skip


# --- flow tables alone ------------------------------------------------------------------------------------------------


def flow_table_measurements():
    operations = ["fill: find and insert", "hit", "hit and touch", "miss"]

    def of(flows, label):
        rows = []
        for what in operations:
            reference = f"rte_hash {what}, {label}"
            rows.append(Row(reference, "DPDK's table, the same keys", "ns/key", reference))
            rows.append(Row(f"flow table {what}, {label}", "ours", "ns/key", reference))

        def figures(bench):
            # rte_hash from small pages, as ours may be: hugepages for ten million flows would be taken from others.
            done = bench.run_json([bench.build / "tests/bench/sluice-bench-flows", "--no-huge", "--flows", bench.flows(flows)])
            out = {f"rte_hash {what}, {label}": done["rte_hash"][what] for what in operations}
            return out | {f"flow table {what}, {label}": done["flow table"][what] for what in operations}

        return Measurement("flow-tables", tuple(rows), figures)

    for flows, label in ((100_000, "100 k"), (1_000_000, "1 M"), (10_000_000, "10 M")):
        yield of(flows, label)


def measurements():
    yield from path_measurements()
    yield from null_port_measurements()
    yield from stage_measurements()
    yield from table_measurements()
    yield from flow_table_measurements()
