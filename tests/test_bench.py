# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""scripts/bench without its programs: which rows there are, how they are chosen, what is made of samples. That the
programs work is the test `bench` of the build (tests/bench/smoke.py)."""
import json
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/bench"))

from benchlib import page, plots  # noqa: E402
from benchlib.every import MEASUREMENTS, PARTS  # noqa: E402
from benchlib.rows import Measurement, Row, select  # noqa: E402
from benchlib.table import Table, text_of  # noqa: E402
from benchlib.wires import best_rate  # noqa: E402

ROWS = {row.name: row for m in MEASUREMENTS for row in m.rows}
# What whoever compares two releases looks for.
PROMISED = [
    "parse", "follow_flows, 1 M flows", "encapsulate", "next_hop", "stateless path, 100k flows", "stateless, 1 M flows",
    "established, 100 k flows", "established, 1 M flows", "established, 10 M flows", "established, burst-local",
    "established, Zipf", "stateless, IPv6", "established, IPv6", "new flows", "new flows, rate", "transition, 1 M flows",
    "elephants, 1,024 flows", "pipeline, 1 M flows, tier 2", "path, 1 service", "path, 100 services",
    "path, 10,000 services", "path, 10 DIPs", "path, 1,000 DIPs", "path, 10,000 DIPs", "map build, 10,000 DIPs",
    "change to publication, 10,000 DIPs", "memory, 10,000 DIPs", "requests, status", "dip remove to first packet, 10 DIPs",
    "start to ready, 10 DIPs", "sluiced over memif, p99.9 at 90 %", "sluiced over veth, p50 at 10 %",
    "adaptive idle, full load", "first packet after a second of silence, memif, p99",
]  # fmt: skip


def test_every_promised_row_is_there():
    assert not [name for name in PROMISED if name not in ROWS]


def test_rows_have_names_of_their_own_and_say_what_they_include():
    assert len(ROWS) == sum(len(m.rows) for m in MEASUREMENTS)
    assert all(row.includes and row.unit for row in ROWS.values())
    assert not [row.name for row in ROWS.values() if row.reference and row.reference not in ROWS]
    assert set(PARTS) == set(page.PARTS), "a part has no heading in docs/performance.md"


def test_a_row_beside_testpmd_is_measured_on_the_same_port():
    """The costs of packets are divided by a row of testpmd, or of ours that is itself beside one."""
    for row in ROWS.values():
        if row.unit == "ns/packet":
            assert "testpmd 5tswap" in row.reference or "testpmd 5tswap" in ROWS[row.reference].reference, row.name


def test_a_chosen_row_brings_what_it_is_divided_by():
    chosen = select(MEASUREMENTS, PARTS, ["transition*beside*"])
    names = [row.name for m in chosen for row in m.rows]
    assert "stateless, 1 M flows" in names and "testpmd 5tswap, null port, 1 M flows" in names
    assert len(names) < 8
    assert select(MEASUREMENTS, ["stages"], []) != select(MEASUREMENTS, PARTS, [])


def test_a_row_that_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="frobnicate"):
        select(MEASUREMENTS, PARTS, ["frobnicate*"])


def a_run():
    rows = Row("theirs", "t", reference="theirs"), Row("ours", "o", reference="theirs"), Row("rate", "r", "M/s"), Row("lost", "l")
    table = Table([Measurement("flows", rows, None)])
    for theirs, ours in ((10, 21), (11, 20), (30, 90), (10, 20), (9, 19)):
        table.add({"theirs": theirs, "ours": ours, "rate": 3})
    table.failed([rows[3]], "it broke")
    return json.loads(table.as_json({"cpu": "x", "dpdk": "22.11"}))


def test_a_row_is_the_median_with_smallest_and_largest_and_its_ratio():
    ours = a_run()["rows"][1]
    assert (ours["figure"], ours["min"], ours["max"], ours["runs"], ours["ratio"]) == (20, 19, 90, 5, 2)


def test_the_table_says_machine_figures_and_what_failed():
    text = text_of(a_run())
    assert text.startswith("cpu       x\ndpdk      22.11\n")
    assert "FAILED: it broke" in text and "20.00    19.00    90.00  ns/packet    2.00" in text


@pytest.mark.parametrize("limit", [1e3, 4.2e6, 9.9e6])
def test_the_search_finds_the_highest_rate_without_loss(limit):
    found = best_rate(lambda pps: (max(0, 1 - limit / pps), pps), 1e7, 0, steps=16)
    assert found <= limit and limit - found <= 1e7 / 2**15


def test_a_rate_that_was_not_really_offered_does_not_count():
    assert best_rate(lambda pps: (0, min(pps, 5e6)), 1e7, 0) < 5.3e6


def test_the_list_of_rows_can_be_asked_for():
    argv = ["/usr/bin/python3", ROOT / "tests/bench/run.py", "--list", "--parts", "control"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0 and "map build, 10,000 DIPs" in done.stdout, done.stderr


def test_plots_are_pictures_with_every_row():
    picture = plots.bars("a < b", "ns", [("one", 2, 1, 3, 0), ("two & a half", 4, 4, 4, 1)])
    texts = [element.text for element in xml.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert "a < b" in texts and "two & a half" in texts
    picture = plots.lines("delays", "us", ["10 %", "90 %"], [("p50", [1, 20], 0, False), ("p99", [None, 300], 1, True)])
    assert len(list(xml.fromstring(picture).iter("{http://www.w3.org/2000/svg}circle"))) == 3


def test_the_page_is_what_its_run_gives():
    run = json.loads((ROOT / "docs/performance.json").read_text())
    text = (ROOT / "docs/performance.md").read_text()
    assert page.with_generated(text, run) == text, "scripts/bench --write-docs --from docs/performance.json"
    there = {file.name: file.read_text() for file in (ROOT / "docs").glob("performance-*.svg")}
    assert there == page.plots(run)
