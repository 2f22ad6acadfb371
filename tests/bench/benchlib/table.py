# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Rows of figures, each the median of its repetitions, as a table for people and as JSON for programs."""
import json
import os
import platform
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def first_line(*argv):
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.splitlines()[0].strip() if done.returncode == 0 and done.stdout else ""


def cpu_name():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def machine():
    changed = "" if not first_line("git", "status", "--porcelain", "--untracked-files=no") else " with changes"
    return {
        "cpu": cpu_name(),
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "dpdk": first_line("pkg-config", "--modversion", "libdpdk"),
        "compiler": first_line("c++", "--version"),
        "sluice": first_line("git", "rev-parse", "--short", "HEAD") + changed,
        "load": os.getloadavg()[0],
    }


class Table:
    """`reference` is the row that the others are divided by, repetition by repetition, where both have as many."""

    def __init__(self):
        self.samples = {}  # row -> figures, in the order of the first ones
        self.about = {}  # row -> (unit, reference row or None, what it includes)

    def add(self, row, figure, includes, unit="ns/packet", reference=None):
        self.samples.setdefault(row, []).append(figure)
        self.about[row] = unit, reference, includes

    def rows(self):
        for row, figures in self.samples.items():
            unit, reference, includes = self.about[row]
            middle = statistics.median(figures)
            base = self.samples.get(reference)
            yield {
                "row": row,
                "figure": middle,
                "min": min(figures),
                "max": max(figures),
                "unit": unit,
                "ratio": middle / statistics.median(base) if base else None,
                "reference": reference,
                "includes": includes,
            }

    def as_json(self, about):
        return json.dumps({"machine": about, "rows": list(self.rows())}, indent=2)

    def as_text(self, about):
        lines = [f"{key:9} {value}" for key, value in about.items()]
        lines += ["", f"{'row':34} {'median':>8} {'min':>8} {'max':>8}  {'unit':10} {'ratio':>6}  includes"]
        for r in self.rows():
            ratio = f"{r['ratio']:.2f}" if r["ratio"] else ""
            figures = f"{r['figure']:8.2f} {r['min']:8.2f} {r['max']:8.2f}"
            lines.append(f"{r['row']:34} {figures}  {r['unit']:10} {ratio:>6}  {r['includes']}")
        return "\n".join(lines)
