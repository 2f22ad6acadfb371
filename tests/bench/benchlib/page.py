# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""docs/performance.md: what people wrote stays, what lies between the two marks is made of a run, and so are the tables of
docs/scale.md. The run itself is kept beside them, so that a test can make the pages again and compare."""
import importlib.util
import json
import re
from pathlib import Path

from .plots import bars, lines
from .table import number
from .wires import PERCENTILES, SHARES

BEGIN = "<!-- made by scripts/bench --write-docs from performance.json: begin -->"
END = "<!-- made by scripts/bench --write-docs: end -->"
PARTS = {
    "paths": "Packets from memory: a capture over and over",
    "flows": "Packets from the cache: a port that costs nothing",
    "stages": "Each stage alone",
    "tables": "Hashes and lookups alone",
    "flow-tables": "Flow tables alone, beside `rte_hash`",
    "control": "The control thread",
    "memif": "Two processes on a memif",
    "veth": "Two processes on a veth pair",
}


def good(run, part):
    return [row for row in run["rows"] if row["part"] == part and row["figure"] is not None and not row["error"]]


def bar_plot(title, rows):
    """Ours in one colour, testpmd in another."""
    shown = [(r["row"], r["figure"], r["min"], r["max"], int(r["row"].startswith("testpmd"))) for r in rows]
    return bars(title, rows[0]["unit"], shown)


def delay_plot(run, part):
    figure = {row["row"]: row["figure"] for row in good(run, part)}
    series = []
    for n, percentile in enumerate(PERCENTILES):
        for who, dashed in (("sluiced", False), ("testpmd 5tswap", True)):
            points = [figure.get(f"{who} over {part}, {percentile} at {share} %") for share in SHARES]
            series.append((f"{who}, {percentile}", points, n, dashed))
    return lines(f"Delay through the appliance on {part}, there and back", "us, by share of its own maximum",
                 [f"{share} %" for share in SHARES], series)  # fmt: skip


def plots(run):
    """{file name: SVG}, of those parts that the run has."""
    out = {}
    for part, title in (("flows", "A packet on one core, port included"), ("stages", "Each stage alone, bursts of 64")):
        rows = [row for row in good(run, part) if row["unit"] == "ns/packet" and ", beside " not in row["row"]]
        if rows:
            out[f"performance-{part}.svg"] = bar_plot(title, rows)
    for part in ("memif", "veth"):
        if any(" at 50 %" in row["row"] for row in good(run, part)):
            out[f"performance-{part}.svg"] = delay_plot(run, part)
    return out


def table(rows):
    lines_ = ["| row | median | min | max | unit | ratio | includes |", "|---|---:|---:|---:|---|---:|---|"]
    for r in rows:
        if r["error"] or r["figure"] is None:
            lines_.append(f"| {r['row']} | | | | | | failed: {r['error']} |")
            continue
        cells = [r["row"], number(r["figure"]), number(r["min"]), number(r["max"]), r["unit"]]
        cells += [f"{r['ratio']:.2f}" if r["ratio"] else "", r["includes"]]
        lines_.append("| " + " | ".join(cells) + " |")
    return lines_


def generated(run):
    """The text between the marks."""
    out = ["## A run", "", *(f"- **{key}**: {value}" for key, value in run["machine"].items())]
    files = plots(run)
    for part, title in PARTS.items():
        rows = [row for row in run["rows"] if row["part"] == part]
        if not rows:
            continue
        out += ["", f"### {title}", ""]
        if (name := f"performance-{part}.svg") in files:
            out += [f"![{title}]({name})", ""]
        out += table(rows)
    return "\n".join(out) + "\n"


def with_generated(page, run):
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"the page needs the line {BEGIN} and, further down, {END}, once each")
    return re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n{generated(run)}{END}", page, flags=re.S)


def scale_model():
    """tests/scale/model.py"""
    spec = importlib.util.spec_from_file_location("scale_model", Path(__file__).resolve().parents[2] / "scale/model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(docs, run):
    for name, make in (("performance.md", with_generated), ("scale.md", scale_model().with_generated)):
        page = docs / name
        page.write_text(make(page.read_text(), run))
    (docs / "performance.json").write_text(json.dumps(run, indent=1) + "\n")
    for old in docs.glob("performance-*.svg"):
        old.unlink()
    for name, text in plots(run).items():
        (docs / name).write_text(text)
