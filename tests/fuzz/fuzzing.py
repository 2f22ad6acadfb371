# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Runs the libFuzzer targets side by side and shows what each has tried (docs/testing.md)."""
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import sanitizing

HERE = Path(__file__).resolve().parent
# Leaks and undefined behaviour end an input too.
SETUP = [*sanitizing.ADDRESS, "-Db_lundef=false", "-Dfuzz=true"]

# Longest input in bytes. What takes longer than kTooLong for one input is a finding.
TARGETS = {
    "frames": 4096,
    "config": 4096,
    "rpc": 4096,
    "netlink": 4096,
    "answers": 4096,
    "agent": 2048,
    "state": 8192,
    "adverts": 2048,
}
TOO_LONG_S = 10
MOST_MEMORY_MB = 2048
SEED = 1  # with the same code and inputs, the same run, as far as it gets
COLUMNS = "{:10} {:>10} {:>9} {:>8} {:>8} {:>8}"


@dataclass
class Outcome:
    target: str
    runs: int = 0
    seconds: float = 0.0
    edges: int = 0
    corpus: int = 0
    findings: list = field(default_factory=list)

    def row(self):
        rate = round(self.runs / self.seconds) if self.seconds else 0
        return COLUMNS.format(self.target, self.runs, rate, self.edges, self.corpus, len(self.findings))


def read_log(text, outcome):
    """Fills in what libFuzzer says: `#1234 NEW cov: 567 ft: 890 corp: 12/345b ...`"""
    for runs, rest in re.findall(r"^#(\d+)\s+(.*)$", text, re.M):
        outcome.runs = max(outcome.runs, int(runs))
        if found := re.search(r"cov: (\d+)", rest):
            outcome.edges = int(found[1])
        if found := re.search(r"corp: (\d+)/", rest):
            outcome.corpus = int(found[1])


def story_of(text):
    """The lines of a log from the report on."""
    at = max(text.find(word) for word in ("fuzz: ", "==ERROR", "runtime error", "ERROR: libFuzzer"))
    return "\n".join(text[max(0, at):].splitlines()[:60])


class Fuzzing:
    def __init__(self, build, environment):
        self.build = Path(build)
        self.environment = {**os.environ, **environment}

    def program(self, name):
        return self.build / "tests" / "fuzz" / f"fuzz_{name}"

    def make_seeds(self):
        seeds = self.build / "seeds" / "frames"
        subprocess.run([*sanitizing.in_front(), self.program("seeds"), seeds], check=True, env=self.environment)

    def corpora(self, target):
        """Where new inputs go, and where inputs come from."""
        found = self.build / "found" / target
        found.mkdir(parents=True, exist_ok=True)
        return [found, *filter(Path.is_dir, (HERE / "corpus" / target, self.build / "seeds" / target))]

    def run(self, target, seconds):
        outcome = Outcome(target)
        artifacts = self.build / "findings"
        artifacts.mkdir(exist_ok=True)
        before = set(artifacts.glob(f"{target}-*"))
        dictionary = HERE / "dictionaries" / target
        argv = [
            *sanitizing.in_front(), self.program(target), f"-max_total_time={seconds}", f"-seed={SEED}",
            f"-timeout={TOO_LONG_S}",
            f"-rss_limit_mb={MOST_MEMORY_MB}", f"-max_len={TARGETS[target]}", f"-artifact_prefix={artifacts}/{target}-",
            *([f"-dict={dictionary}"] if dictionary.exists() else []), *self.corpora(target),
        ]
        begin = time.monotonic()
        done = subprocess.run(argv, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        outcome.seconds = time.monotonic() - begin
        text = done.stdout.decode(errors="replace")
        (self.build / f"{target}.log").write_text(text)
        read_log(text, outcome)
        if done.returncode != 0:
            inputs = sorted(set(artifacts.glob(f"{target}-*")) - before)
            outcome.findings = [str(file) for file in inputs] or [f"the target ended with {done.returncode}"]
            print(f"== {target}\n{story_of(text)}", flush=True)
        return outcome


def run_targets(build, seconds, environment, targets=()):
    """(how many targets found nothing, [a sentence for each finding])"""
    fuzzing = Fuzzing(build, environment)
    fuzzing.make_seeds()
    names = list(targets) or list(TARGETS)
    print(f"== fuzzing: {seconds} s each, {', '.join(names)}", flush=True)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        outcomes = list(pool.map(lambda name: fuzzing.run(name, seconds), names))
    print(COLUMNS.format("target", "inputs", "inputs/s", "edges", "corpus", "findings"))
    for outcome in outcomes:
        print(outcome.row())
    sys.stdout.flush()
    findings = [f"{o.target}: {finding}" for o in outcomes for finding in o.findings]
    return sum(not o.findings and o.runs > 0 for o in outcomes), findings
