# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Which lines of dataplane/ and control/ the tests run, and which drop reasons (docs/testing.md).

gcc counts, since its counters are written at every exit of every process, forked and executed ones too; gcov reads
them. A line is covered when any instance of it ran: that of one template argument, or in one program."""
import json
import os
import re
import subprocess
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sanitizing

# Without optimization a line is a line. Workers and control count at the same time: atomically.
SETUP = ["-Dbuildtype=debug", "-Doptimization=0", "-Db_lto=false", "-Dtests=true", "-Db_coverage=true",
         "-Dcpp_args=-fprofile-update=atomic", "-Dcpp_link_args=-Wl,-u,__gcov_dump"]
PLACES = ("dataplane", "control")
LEAST = {"dataplane": 95.0}  # percent of lines
# Captures through sluiced, but not those that race a clock: control is slow without optimization.
CAPTURES = [*sorted((sanitizing.ROOT / "tests" / "packet").glob("test_offline*.py")), "-k", "not while_a_capture_runs"]
REASONS = "dataplane/door/drop_reason.h"
COLUMNS = "{:24} {:>6} {:>6} {:>8} {:>8}"


def reasons_file(build):
    """Where test programs say for which reasons their packets were dropped (tests/packet/sluice.h)."""
    return build / "reasons.txt"


def run_environment(build):
    return {"SLUICE_TEST_REASONS": str(reasons_file(build))}


def forget(build):
    """Counters of earlier runs."""
    for file in build.rglob("*.gcda"):
        file.unlink()
    reasons_file(build).unlink(missing_ok=True)


def read_gcov(text, lines, root):
    """Adds to lines[file][number] the times it ran, from what gcov --json-format says: one document a line."""
    for document in filter(None, text.splitlines()):
        told = json.loads(document)
        for source in told["files"]:
            path = os.path.normpath(os.path.join(told["current_working_directory"], source["file"]))
            name = os.path.relpath(path, root)
            if name.split("/")[0] not in PLACES:
                continue
            counts = lines[name]
            for line in source["lines"]:
                number = line["line_number"]
                counts[number] = max(counts.get(number, 0), line["count"])


def collect(build, root=sanitizing.ROOT):
    """({file: {line: times}} for all that was compiled, whether it ran or not; [what gcov could not read])"""
    # A compiler that was interrupted leaves half a file and no object.
    notes = [note for note in sorted(build.rglob("*.gcno")) if note.with_suffix(".o").exists()]

    def ask(note):
        return subprocess.run(["gcov", "--json-format", "--stdout", note], cwd=build, capture_output=True, text=True,
                              check=False)

    lines, unread = defaultdict(dict), []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for note, told in zip(notes, pool.map(ask, notes)):
            if told.returncode == 0:
                read_gcov(told.stdout, lines, root)
            else:
                unread.append(f"gcov cannot read {note.relative_to(build)}: {told.stderr.strip()}")
    return lines, unread


def percent(covered, total):
    return 100.0 * covered / total if total else 0.0


def rooms(lines):
    """{room or place: [files, lines, covered]}; a place is the sum of its rooms."""
    table = {place: [0, 0, 0] for place in PLACES}
    for file, counts in sorted(lines.items()):
        parts = file.split("/")
        for name in (parts[0], "/".join(parts[:2]) if len(parts) > 2 else f"{parts[0]}/."):
            row = table.setdefault(name, [0, 0, 0])
            row[0] += 1
            row[1] += len(counts)
            row[2] += sum(n > 0 for n in counts.values())
    return dict(sorted(table.items()))


def show(table):
    print(COLUMNS.format("room", "files", "lines", "covered", "percent"))
    for name, (files, total, covered) in table.items():
        print(COLUMNS.format(name, files, total, covered, f"{percent(covered, total):.1f}"))


def too_low(table):
    """A sentence for each place below its LEAST."""
    return [f"{place}: {percent(table[place][2], table[place][1]):.1f} % of lines, at least {least} % are asked for"
            for place, least in LEAST.items() if percent(table[place][2], table[place][1]) < least]


def reasons_not_met(file, root=sanitizing.ROOT):
    """([the words of all drop reasons], [those that no program wrote to the file, because no packet of a test ended so])"""
    wanted = re.findall(r'^  X\(k\w+, *"([a-z0-9-]+)"', (root / REASONS).read_text(), re.M)
    met = set(file.read_text().split()) if file.exists() else set()
    return wanted, [reason for reason in wanted if reason not in met]


def write_gaps(lines, file):
    """FILE:FIRST-LAST of the lines that no test ran, for an editor."""
    with Path(file).open("w") as out:
        for name, counts in sorted(lines.items()):
            run = []
            for number in [*sorted(counts), None]:
                if number is not None and counts[number] == 0:
                    run.append(number)
                elif run:
                    out.write(f"{name}:{run[0]}-{run[-1]}\n")
                    run = []


def report(build):
    """(how many demands are met, [a sentence for each that is not])"""
    lines, unread = collect(build)
    table = rooms(lines)
    show(table)
    wanted, missed = reasons_not_met(reasons_file(build))
    print(f"drop reasons: {len(wanted) - len(missed)} of {len(wanted)} hit by a test")
    gaps = build / "not-covered.txt"
    write_gaps(lines, gaps)
    print(f"lines that no test ran: {os.path.relpath(gaps)}", flush=True)
    short = too_low(table) + [f"no packet of any test was dropped as {reason}" for reason in missed]
    return len(LEAST) + len(wanted) - len(short), short + unread
