# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Rows of the table, and the measurements that give them: one measurement is one run of a program, or one forwarder
that is watched for a while, and gives one figure for each of its rows."""
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Row:
    name: str
    includes: str  # what the figure covers
    unit: str = "ns/packet"
    reference: str | None = None  # the row that it is divided by


@dataclass(frozen=True)
class Measurement:
    part: str
    rows: tuple[Row, ...]
    figures: Callable  # (bench) -> {row name: figure}


def select(measurements, parts, patterns):
    """Those with a row that is asked for, and those that give these rows' references, in their order."""
    if unknown := [p for p in patterns if not any(fnmatchcase(r.name, p) for m in measurements for r in m.rows)]:
        raise ValueError(f"no row is called {unknown[0]!r}; --list names all")
    giver = {row.name: m for m in measurements for row in m.rows}
    wanted = [
        m for m in measurements
        if m.part in parts and (not patterns or any(fnmatchcase(r.name, p) for r in m.rows for p in patterns))
    ]  # fmt: skip
    for m in wanted:
        wanted += [giver[r.reference] for r in m.rows if r.reference and giver[r.reference] not in wanted]
    return [m for m in measurements if m in wanted]
