# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Figures, each the median of its repetitions, as a table for people and as JSON for programs."""
import json
import os
import platform
import statistics
import subprocess
import time
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


def machine(options):
    changed = "" if not first_line("git", "status", "--porcelain", "--untracked-files=no") else " with changes"
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1024 / 1024
    virtual = first_line("systemd-detect-virt") or "none"
    return {
        "cpu": cpu_name(),
        "cpus": f"{len(os.sched_getaffinity(0))}, {memory:.0f} GiB of memory, virtualisation: {virtual}",
        "kernel": platform.release(),
        "dpdk": first_line("pkg-config", "--modversion", "libdpdk"),
        "compiler": first_line("c++", "--version"),
        "sluice": first_line("git", "rev-parse", "--short", "HEAD") + changed,
        "date": time.strftime("%Y-%m-%d"),
        "load": f"{os.getloadavg()[0]:.2f} before the run",
        "run": f"{options.repeat} repetitions, {options.seconds} s a measurement" + (", --quick" if options.quick else ""),
    }


def number(figure):
    """Four digits that count."""
    if figure is None:
        return ""
    if figure == 0 or abs(figure) >= 1000:
        return f"{figure:.0f}"
    return f"{figure:.1f}" if abs(figure) >= 100 else f"{figure:.2f}" if abs(figure) >= 0.1 else f"{figure:.3g}"


class Table:
    """Rows in the order in which they were announced, whoever is measured first."""

    def __init__(self, measurements=()):
        self.row = {row.name: row for m in measurements for row in m.rows}
        self.part = {row.name: m.part for m in measurements for row in m.rows}
        self.samples = {name: [] for name in self.row}
        self.errors = {}  # row -> sentence

    def add(self, figures):
        for name, figure in figures.items():
            self.samples[name].append(figure)

    def failed(self, rows, sentence):
        for row in rows:
            self.errors[row.name] = sentence

    def rows(self):
        for name, row in self.row.items():
            samples = self.samples[name]
            base = self.samples.get(row.reference)
            middle = statistics.median(samples) if samples else None
            yield {
                "part": self.part[name],
                "row": name,
                "figure": middle,
                "min": min(samples, default=None),
                "max": max(samples, default=None),
                "runs": len(samples),
                "unit": row.unit,
                "ratio": middle / statistics.median(base) if base and samples and statistics.median(base) else None,
                "reference": row.reference,
                "includes": row.includes,
                "error": self.errors.get(name),
            }

    def as_json(self, about):
        return json.dumps({"machine": about, "rows": list(self.rows())}, indent=1)

    def as_text(self, about):
        return text_of({"machine": about, "rows": list(self.rows())})


def text_of(run):
    """The table of what as_json() gave."""
    lines = [f"{key:9} {value}" for key, value in run["machine"].items()]
    width = max((len(r["row"]) for r in run["rows"]), default=0)
    lines += ["", f"{'row':{width}} {'median':>8} {'min':>8} {'max':>8}  {'unit':10} {'ratio':>6}  includes"]
    part = None
    for r in run["rows"]:
        if r["part"] != part:
            part = r["part"]
            lines.append(f"-- {part}")
        if r["error"]:
            lines.append(f"{r['row']:{width}} FAILED: {r['error']}")
            continue
        figures = " ".join(f"{number(r[key]):>8}" for key in ("figure", "min", "max"))
        ratio = f"{r['ratio']:.2f}" if r["ratio"] else ""
        lines.append(f"{r['row']:{width}} {figures}  {r['unit']:10} {ratio:>6}  {r['includes']}".rstrip())
    return "\n".join(lines)
