# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""What every source file has in common, whatever its formatting."""
import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACES = ["dataplane", "control", "tests", "scripts", ".ci"]
CPP = {".h", ".hh", ".hpp", ".c", ".cc", ".cpp"}
CORPUS = ROOT / "tests" / "fuzz" / "corpus"  # whatever bytes found something
WITHOUT_A_HEADER = {".pcap", ".pcapng", ".md", ".txt", ".json", ".pyc"}


def sources():
    for place in PLACES:
        for path in sorted((ROOT / place).rglob("*")):
            if path.is_file() and not {"__pycache__", ".pytest_cache"} & set(path.parts) and CORPUS not in path.parents:
                if path.suffix not in WITHOUT_A_HEADER:
                    yield path
    yield from ROOT.glob("meson*")


def text_of(path):
    return path.read_text(errors="replace")


def first_line(path):
    with path.open(errors="replace") as file:
        return file.readline()


def shown(offenders):
    return "\n" + "\n".join(str(o) for o in offenders)


def test_every_source_starts_with_licence_and_owner():
    offenders = []
    for path in sources():
        lines = [line for line in text_of(path).splitlines()[:3] if not line.startswith("#!")]
        if "SPDX-License-Identifier: Apache-2.0" not in lines[0] or "Copyright The Sluice Authors" not in lines[1]:
            offenders.append(path.relative_to(ROOT))
    assert not offenders, shown(offenders)


def test_every_header_is_included_once():
    headers = [p for p in sources() if p.suffix in {".h", ".hh", ".hpp"}]
    assert headers
    offenders = [p.relative_to(ROOT) for p in headers if "\n#pragma once\n" not in text_of(p)]
    assert not offenders, shown(offenders)


def test_nothing_is_left_for_later():
    words = [a + b for a, b in (("TO", "DO"), ("FIX", "ME"), ("XX", "X:"), ("GTEST_", "SKIP"), ("DISABLED", "_"), ("pytest.", "skip"))]
    offenders = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sources()
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if any(word in line for word in words) and path != Path(__file__)
    ]
    assert not offenders, shown(offenders)


def test_no_tabs_and_no_blanks_at_the_end():
    offenders = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources()
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if "\t" in line or line != line.rstrip()
    ]
    assert not offenders, shown(offenders)


def test_scripts_parse():
    shells = [p for p in sources() if first_line(p).startswith(("#!/bin/sh", "#!/bin/bash"))]
    pythons = [p for p in sources() if p.suffix == ".py" or first_line(p).startswith("#!/usr/bin/python3")]
    assert shells and pythons
    for path in pythons:
        ast.parse(text_of(path), str(path))
    for path in shells:
        subprocess.run(["bash", "-n", path], check=True)


def test_scripts_can_be_run():
    offenders = [p.relative_to(ROOT) for p in sources() if first_line(p).startswith("#!") and not p.stat().st_mode & 0o111]
    assert not offenders, shown(offenders)
