# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""scripts/bench: how fast the appliance is on one core of this machine, beside DPDK's testpmd on the same ports.

Builds Sluice for speed, needs root for hugepages and namespaces (and gives them back). Not a test: it never fails for
being slow. How to read the table: docs/performance.md."""
import argparse
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests/bench")]  # lablib, benchlib

from benchlib import BenchError, page  # noqa: E402
from benchlib.bench import Bench, measure, run_quietly  # noqa: E402
from benchlib.every import MEASUREMENTS, PARTS  # noqa: E402
from benchlib.rows import select  # noqa: E402
from benchlib.table import machine, text_of  # noqa: E402
from lablib import hugepages  # noqa: E402

BUILD = Path(os.environ.get("SLUICE_BUILD_BENCH", ROOT / "build-bench"))
HUGEPAGES = 450  # of 2 MiB: the buffers of 100,000 preloaded packets and of those under way
TARGETS = ["sluice-bench", "sluice-bench-flows", "sluice-bench-generator", "libsluice-bench-traffic.so"]


def build():
    if not (BUILD / "build.ninja").exists():
        run_quietly(["meson", "setup", BUILD, ROOT, "-Dbuildtype=release", "-Db_lto=true", "-Dbench=true"], ROOT)
    run_quietly(["ninja", "-C", BUILD, "sluiced", *(f"tests/bench/{target}" for target in TARGETS)], ROOT)


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
    parser.add_argument("--no-build", action="store_true", help="measure what was built last")
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
    if not options.no_build:
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
