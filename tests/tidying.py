# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""clang-tidy over every source of dataplane/ and control/, with the checks of .clang-tidy (docs/testing.md)."""
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sanitizing

PROGRAM = "clang-tidy-14"  # others know other checks
ROOMS = ("dataplane", "control")
SETUP = sanitizing.DEBUG  # with clang, whose words for its options clang-tidy understands
# Sources include it, and nothing else that the build makes.
MADE_FIRST = ["control/agent/tunnel.skel.h"]
FINDING = re.compile(r"^(\S+?):(\d+):\d+: (?:error|warning): (.*)$")


def sources(build, root=sanitizing.ROOT):
    """The C++ sources that the build compiles, under ROOMS."""
    commands = json.loads((build / "compile_commands.json").read_text())
    files = {(Path(c["directory"]) / c["file"]).resolve() for c in commands}
    rooms = [root / room for room in ROOMS]
    return sorted(f for f in files if f.suffix == ".cc" and any(room in f.parents for room in rooms))


def findings_in(output, root=sanitizing.ROOT):
    """[FILE:LINE: what], each once, of what clang-tidy printed; FILE is relative to the tree."""
    found = {}
    for line in output.splitlines():
        if match := FINDING.match(line):
            # clang names a file by its whole path, or from the directory of the build.
            place = os.path.relpath(match[1], root) if match[1].startswith("/") else match[1].removeprefix("../")
            found[f"{place}:{match[2]}: {match[3]}"] = None
    return list(found)


def tidy(build, file):
    """(what it printed, did it find nothing)"""
    done = subprocess.run([PROGRAM, "-p", build, "--quiet", file], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    return done.stdout, done.returncode == 0


def run(build, root=sanitizing.ROOT):
    """(how many files have no finding, [a sentence for each other file])"""
    files = sources(build)
    print(f"== {PROGRAM}: {len(files)} files of {', '.join(ROOMS)}", flush=True)
    failures, shown = [], set()
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for file, (output, clean) in zip(files, pool.map(lambda f: tidy(build, f), files)):
            if clean:
                continue
            found = findings_in(output, root)
            failures.append(f"{file.relative_to(root)}: {len(found) or 'clang-tidy ended with an error and no'} findings")
            # A header is read again for each source that includes it; one report is enough.
            if not found or set(found) - shown:
                print(output, flush=True)
            shown |= set(found)
    print(f"{len(files) - len(failures)} of {len(files)} files passed, {len(shown)} findings", flush=True)
    return len(files) - len(failures), failures
