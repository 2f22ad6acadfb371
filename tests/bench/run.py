# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""scripts/bench: how fast the appliance is on one core of this machine, beside DPDK's testpmd on the same ports.

Builds Sluice for speed, needs root for hugepages and namespaces (and gives them back). Not a test: it never fails for
being slow. How to read the table: docs/performance.md."""
import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests/bench")]  # lablib, benchlib

from benchlib import BenchError, page  # noqa: E402
from benchlib.every import MEASUREMENTS, PARTS  # noqa: E402
from benchlib.forwarders import eal, own_prefix  # noqa: E402
from benchlib.rows import select  # noqa: E402
from benchlib.table import Table, machine, text_of  # noqa: E402
from lablib import hugepages  # noqa: E402

BUILD = Path(os.environ.get("SLUICE_BUILD_BENCH", ROOT / "build-bench"))
HUGEPAGES = 450  # of 2 MiB: the buffers of 100,000 preloaded packets and of those under way
QUICK_FLOWS = 20_000
TARGETS = ["sluice-bench", "sluice-bench-flows", "sluice-bench-generator", "libsluice-bench-traffic.so"]


def build():
    if not (BUILD / "build.ninja").exists():
        run_quietly(["meson", "setup", BUILD, ROOT, "-Dbuildtype=release", "-Db_lto=true", "-Dbench=true"])
    run_quietly(["ninja", "-C", BUILD, "sluiced", *(f"tests/bench/{target}" for target in TARGETS)])


def run_quietly(argv):
    argv = [str(word) for word in argv]
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise BenchError(f"`{' '.join(argv)}` failed:\n{done.stdout[-4000:]}")


class Bench:
    """What measurements need: programs, cpus, a directory, how long and how large."""

    def __init__(self, build_directory, directory, seconds, quick=False):
        cpus = sorted(os.sched_getaffinity(0))
        self.cpus = (cpus[0], *cpus[1:-1][-1:], cpus[-1])  # control, a second worker, the worker
        self.generator_cpu = self.cpus[-2]
        self.spare_cpu = cpus[1] if len(cpus) > 3 else cpus[0]
        self.build, self.directory = Path(build_directory), Path(directory)
        self.seconds, self.quick = seconds, quick
        self.captures = {}

    def flows(self, wanted):
        return min(wanted, QUICK_FLOWS) if self.quick else wanted

    def run_json(self, argv):
        argv = [str(word) for word in argv]
        done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "RUNTIME_DIRECTORY": str(self.directory)})
        if done.returncode != 0:
            raise BenchError(f"{Path(argv[0]).name} {argv[1]} failed: {done.stderr.strip()[-1000:]}")
        return json.loads(done.stdout)

    def program(self, *words, workers=1):
        """sluice-bench with EAL's arguments: what it prints."""
        arguments = [*eal(self.cpus, workers), own_prefix()]
        eal_words = [word for argument in arguments for word in ("--eal", argument)]
        return self.run_json([self.build / "tests/bench/sluice-bench", *words, *eal_words])

    def capture(self, flows, words):
        """Made once for all repetitions."""
        if (flows, words) not in self.captures:
            file = self.directory / f"{len(self.captures)}.pcap"
            run_quietly([self.build / "tests/bench/sluice-bench", "capture", file, "--flows", flows, *words])
            self.captures[flows, words] = file
        return self.captures[flows, words]


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def measure(bench, measurements, repeat):
    """All of them in turn, `repeat` times, so that a busy minute of the machine meets each row once. What fails is named
    in its rows and not tried again."""
    table, failed = Table(measurements), set()
    for turn in range(repeat):
        for m in measurements:
            if m in failed:
                continue
            progress(f"{turn + 1} of {repeat}: {m.rows[0].name}")
            try:
                table.add(m.figures(bench))
            except (BenchError, OSError, LookupError, ValueError) as error:
                table.failed(m.rows, str(error) or repr(error))
                failed.add(m)
    progress("")
    return table


def parse_arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help='only these rows and what they are compared with; "*" stands for any text')
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="only these parts (default: all)")
    for part, text in (("memif", "two processes on a memif"), ("veth", "the same on a veth pair")):
        parser.add_argument(f"--{part}", action="store_true", help=f"only the part {part}: {text}")
    parser.add_argument("--list", action="store_true", help="name the rows, measure nothing")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--repeat", type=int, help="repetitions of everything, at least 5 (default 5)")
    parser.add_argument("--seconds", type=float, help="of one measurement (default 1)")
    parser.add_argument("--quick", action="store_true", help="one short repetition with few flows: does every row still work?")
    parser.add_argument("--write-docs", action="store_true", help="write table and plots into docs/performance.md")
    parser.add_argument("--from", dest="source", metavar="FILE", help="no run: take what --json printed earlier")
    options = parser.parse_args()
    if any((options.memif, options.veth)):
        options.parts = [part for part in ("memif", "veth") if getattr(options, part)]
    options.repeat = options.repeat or (1 if options.quick else 5)
    options.seconds = options.seconds or (0.1 if options.quick else 1.0)
    if options.repeat < 5 and not options.quick:
        parser.error("fewer than 5 repetitions have no steady middle: --repeat 5 or more, or --quick")
    try:
        options.measurements = select(MEASUREMENTS, options.parts, options.rows)
    except ValueError as error:
        parser.error(str(error))
    return options


def run(options):
    build()
    about = machine(options)
    added = hugepages.take(HUGEPAGES)
    if added is None:
        raise BenchError(f"no {HUGEPAGES} free hugepages of 2 MiB, and no way to make them: run as root, or free memory")
    begin = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="sluice-bench-") as directory:
            table = measure(Bench(BUILD, directory, options.seconds, options.quick), options.measurements, options.repeat)
    finally:
        hugepages.give_back(added)
    about["run"] += f", {(time.monotonic() - begin) / 60:.0f} minutes"
    return json.loads(table.as_json(about))


def main():
    options = parse_arguments()
    if options.list:
        print("\n".join(f"{m.part:12} {row.name}" for m in options.measurements for row in m.rows))
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is stopped
    result = json.loads(Path(options.source).read_text()) if options.source else run(options)
    if options.write_docs:
        page.write(ROOT / "docs", result)
    print(json.dumps(result, indent=1) if options.json else text_of(result))
    return 1 if any(row["error"] for row in result["rows"]) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
