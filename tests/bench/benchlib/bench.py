# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""What measurements need of this machine, and the loop that takes them in turn."""
import json
import os
import subprocess
import sys
from pathlib import Path

from . import BenchError
from .forwarders import eal, own_prefix
from .table import Table

QUICK_FLOWS = 20_000


def run_quietly(argv, directory=None):
    argv = [str(word) for word in argv]
    done = subprocess.run(argv, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
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
