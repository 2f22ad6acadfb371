# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""scripts/bench: how fast the dataplane is on one core of this machine, beside DPDK's testpmd on the same ports.

Builds Sluice for speed, needs root for hugepages (and gives them back), takes about ten minutes. Not a test: it
never fails for being slow. How to read the table: docs/performance.md."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))  # lablib

from benchlib import BenchError  # noqa: E402
from benchlib.forwarders import Sluiced, Testpmd, device, eal  # noqa: E402
from benchlib.table import Table, machine  # noqa: E402
from lablib import hugepages  # noqa: E402

BUILD = Path(os.environ.get("SLUICE_BUILD_BENCH", ROOT / "build-bench"))
HUGEPAGES = 450  # of 2 MiB: the buffers of 100,000 preloaded packets and of those under way
FLOWS, FEW_FLOWS, DIPS = 100_000, 4_096, 1_000
PARTS = ["paths", "sluiced", "stages", "tables", "flows", "flow-tables"]
# Work, flows, label, what it includes. All on a port that costs nothing, beside a loop that swaps addresses and ports.
FLOW_ROWS = [
    ("stateless", 1_000_000, "stateless, 1 M flows", "the map alone: what a transition is compared with"),
    ("transition", 1_000_000, "transition, 1 M flows", "stateless; a tenth of the slots moves, half of their flows in table S"),
    ("established", 100_000, "established, 100 k flows", "flow table, every flow in it"),
    ("established", 1_000_000, "established, 1 M flows", "the same"),
    ("established", 10_000_000, "established, 10 M flows", "the same"),
    ("new", 32_000_000, "new flows", "each packet a SYN of a flow never seen, each gets an entry"),
    ("elephants", 1_024, "elephants, 1,024 flows", "tier 1's table; tier 2 skipped"),
    ("pipeline", 1_000_000, "pipeline, 1 M flows", "tier 2's core: take over, flow table, encapsulate, send"),
]
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
    "fit": "TTL and MTU",
    "encapsulate": "TTL and checksum, outer header, counters",
    "next_hop": "Ethernet header",
}


def build(parts):
    if not (BUILD / "build.ninja").exists():
        run_quietly(["meson", "setup", BUILD, ROOT, "-Dbuildtype=release", "-Db_lto=true", "-Dbench=true"])
    if "flow-tables" in parts:
        run_quietly(["ninja", "-C", BUILD, "tests/bench/sluice-bench-flows"])
    run_quietly(["ninja", "-C", BUILD, "tests/bench/sluice-bench", *(["sluiced", "sluicectl"] if "sluiced" in parts else [])])


def run_quietly(argv):
    argv = [str(word) for word in argv]
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise BenchError(f"`{' '.join(argv)}` failed:\n{done.stdout[-4000:]}")


class Run:
    def __init__(self, options, directory):
        cpus = sorted(os.sched_getaffinity(0))
        self.cpus = (cpus[0], *cpus[1:-1][-1:], cpus[-1])
        self.options, self.directory = options, directory
        self.table = Table()

    def program(self, *words):
        eal_words = [word for argument in eal(self.cpus) for word in ("--eal", argument)]
        argv = [str(BUILD / "tests/bench/sluice-bench"), *map(str, words)]
        done = subprocess.run([*argv, *(eal_words if words[0] != "capture" else [])], capture_output=True, text=True)
        if done.returncode != 0:
            raise BenchError(f"sluice-bench {words[0]} failed: {done.stderr.strip()}")
        return json.loads(done.stdout.splitlines()[-1]) if words[0] != "capture" else None

    def capture(self, name, *shape):
        file = self.directory / name
        self.program("capture", file, *shape)
        return file

    def path(self, capture, flows, *shape):
        words = "path", device(capture), "--seconds", self.options.seconds, "--flows", flows, "--dips", DIPS
        figures = self.program(*words, *shape)
        return figures["cpu_ns"] / figures["packets"]

    def testpmd(self, mode, capture, flows):
        with Testpmd(mode, capture, flows, self.cpus) as forwarder:
            return forwarder.ns_per_packet(self.options.seconds)

    def sluiced(self, capture, flows):
        with Sluiced(BUILD, self.directory, capture, flows, self.cpus, DIPS, "none") as forwarder:
            return forwarder.ns_per_packet(self.options.seconds)

    def compare(self, capture, flows, label, *shape):
        """testpmd and Sluice in turn, so that a busy minute of the machine meets both."""
        reference = f"testpmd 5tswap, {label}"
        add = self.table.add
        add(f"testpmd io, {label}", self.testpmd("io", capture, flows), "receive, send", reference=reference)
        add(reference, self.testpmd("5tswap", capture, flows), "swaps MACs, addresses, ports", reference=reference)
        ours = self.path(capture, flows, *shape)
        add(f"stateless path, {label}", ours, "receive, all stages, send", reference=reference)
        if "sluiced" in self.options.parts and not shape:
            add(f"sluiced, {label}", self.sluiced(capture, flows), "the same as a program, with control", reference=reference)

    def stages(self, reference):
        figures = self.program("stages", "--flows", FLOWS, "--dips", DIPS)
        for stage, includes in STAGES.items():
            self.table.add(stage, figures[stage], includes, reference=reference)

    def tables(self):
        for row, ns in self.program("tables", "--flows", FLOWS).items():
            self.table.add(row, ns, "", unit="ns/key")

    def flows(self):
        words = [word for argument in eal(self.cpus, workers=2) for word in ("--eal", argument)]
        for work, flows, label, includes in FLOW_ROWS:
            shape = "--flows", flows, "--dips", DIPS, "--seconds", self.options.seconds
            argv = [str(BUILD / "tests/bench/sluice-bench"), "flows", work, *map(str, shape), *words]
            done = subprocess.run(argv, capture_output=True, text=True)
            if done.returncode != 0:
                raise BenchError(f"sluice-bench flows {work} failed: {done.stderr.strip()}")
            figures = json.loads(done.stdout.splitlines()[-1])
            add, reference = self.table.add, f"5tswap loop, {label}"
            add(f"io loop, {label}", figures["io"], "receive, write the frame, send", reference=reference)
            add(reference, figures["5tswap"], "the same; swap MACs, addresses, ports", reference=reference)
            add(label, figures["sluice"], includes, reference=reference)
            if work == "pipeline":
                add(f"{label}, tier 1", figures["tier 1"], "tier 1's core: receive to the ring, drops included", reference=reference)
            if work == "transition":
                add("transition beside none", figures["sluice"], "the row above, beside stateless", reference="stateless, 1 M flows")
            if work == "new":
                add("new flows, rate", 1e3 / figures["sluice"], "of one core", unit="M flows/s")
            if work == "established" and flows == 10_000_000:
                add("memory of a flow", figures["flow_bytes"] / figures["flows"], "IPv4, all in", unit="bytes")

    def flow_tables(self):
        """Our flow table beside rte_hash, without packets."""
        for flows, label in ((100_000, "100 k"), (1_000_000, "1 M"), (10_000_000, "10 M")):
            # rte_hash from small pages, as ours may be: hugepages for ten million flows would be taken from others.
            done = subprocess.run(
                [str(BUILD / "tests/bench/sluice-bench-flows"), "--no-huge", "--flows", str(flows)], capture_output=True, text=True
            )
            if done.returncode != 0:
                raise BenchError(f"sluice-bench-flows failed: {done.stderr.strip()}")
            figures = json.loads(done.stdout)
            theirs = figures["rte_hash"]
            for what, ns in figures["flow table"].items():
                if what not in theirs:
                    continue
                reference = f"rte_hash {what}, {label}"
                self.table.add(reference, theirs[what], "", unit="ns/key", reference=reference)
                self.table.add(f"flow table {what}, {label}", ns, "", unit="ns/key", reference=reference)

    def paths(self, captures):
        many, few, v6 = captures
        self.compare(many, FLOWS, "100k flows")
        self.compare(few, FEW_FLOWS, "4k flows")
        self.compare(v6, FLOWS, "IPv6", "--v6")
        several = self.path(many, FLOWS, "--groups", 10)
        self.table.add("stateless path, 10 groups", several, "Toeplitz besides", reference="testpmd 5tswap, 100k flows")

    def all(self):
        captures = (
            self.capture("many.pcap", "--flows", FLOWS),
            self.capture("few.pcap", "--flows", FEW_FLOWS),
            self.capture("v6.pcap", "--flows", FLOWS, "--v6"),
        )
        for _ in range(self.options.repeat):
            if "paths" in self.options.parts:
                self.paths(captures)
            if "stages" in self.options.parts:
                self.stages("testpmd 5tswap, 4k flows")
            if "tables" in self.options.parts:
                self.tables()
            if "flows" in self.options.parts:
                self.flows()
            if "flow-tables" in self.options.parts:
                self.flow_tables()
        return self.table


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions of everything, at least 3 (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.5, help="of one measurement (default %(default)s)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="only these (default: all)")
    options = parser.parse_args()
    if options.repeat < 3:
        parser.error("fewer than 3 repetitions have no middle: --repeat 3 or more")
    build(options.parts)
    about = machine()
    added = hugepages.take(HUGEPAGES)
    if added is None:
        raise BenchError(f"no {HUGEPAGES} free hugepages of 2 MiB, and no way to make them: run as root, or free memory")
    try:
        with tempfile.TemporaryDirectory(prefix="sluice-bench-") as directory:
            table = Run(options, Path(directory)).all()
    finally:
        hugepages.give_back(added)
    print(table.as_json(about) if options.json else table.as_text(about))


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"bench: {error}")
