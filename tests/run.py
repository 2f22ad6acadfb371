# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""every test of Sluice but those that run by name only, or the parts that are named; ends with one line: N passed, N failed

A test that is skipped, disabled or missing counts as failed."""
import argparse
import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import covering  # noqa: E402
import sanitizing  # noqa: E402
import tidying  # noqa: E402
from fuzz import fuzzing  # noqa: E402
from lablib import hugepages  # noqa: E402

RELEASE = Path(os.environ.get("SLUICE_BUILD", ROOT / "build"))
DEBUG = Path(os.environ.get("SLUICE_BUILD_DEBUG", ROOT / "build-debug"))
TSAN = Path(os.environ.get("SLUICE_BUILD_TSAN", ROOT / "build-tsan"))
FUZZ = Path(os.environ.get("SLUICE_BUILD_FUZZ", ROOT / "build-fuzz"))
TIDY = Path(os.environ.get("SLUICE_BUILD_TIDY", ROOT / "build-tidy"))
COVERAGE = Path(os.environ.get("SLUICE_BUILD_COVERAGE", ROOT / "build-coverage"))
PYTHON = "/usr/bin/python3"  # Debian's, to which scapy and pytest belong
SOAK_SEED = 1  # of a run of all parts: what fails there can be had again
HUGEPAGES = 512  # for the offline tests; the lab takes its own


class Tally:
    def __init__(self):
        self.rows = []  # part, passed, failed, seconds
        self.failures = []

    def add(self, part, passed, failures, seconds):
        self.rows.append((part, passed, len(failures), seconds))
        self.failures += [f"{part}: {failure}" for failure in failures]

    def show(self):
        print("\n== summary")
        for part, passed, failed, seconds in self.rows:
            print(f"{part:10} {passed:6} passed {failed:6} failed {seconds:8.1f} s")
        for failure in self.failures:
            print(f"FAILED {failure}")
        passed, failed = sum(r[1] for r in self.rows), sum(r[2] for r in self.rows)
        print(f"{passed} passed, {failed} failed")
        return failed == 0 and passed > 0


class StepFailed(Exception):
    """A build or an installation that did not work: counted as one failed test of its part."""


def step(argv, **environment):
    print(f"== {' '.join(map(str, argv))}", flush=True)
    done = subprocess.run(argv, cwd=ROOT, env={**os.environ, **environment})
    return done.returncode


def must(argv, **environment):
    if step(argv, **environment) != 0:
        raise StepFailed(f"`{' '.join(map(str, argv))}` failed")


def set_up(directory, *options, **environment):
    if not (directory / "build.ninja").exists():
        must(["meson", "setup", directory, ROOT, *options], **environment)


def build(directory, *options, targets=(), **environment):
    set_up(directory, *options, **environment)
    must(["ninja", "-C", directory, *targets])


def build_release():
    build(RELEASE)


# --- counting -------------------------------------------------------------------------------------------------------


def name_of(case):
    """What failed outside of every test, as an environment's last look, has no name but a message, its last line the sentence."""
    if case.get("name"):
        return f"{case.get('classname')}.{case.get('name')}"
    return case.find("failure").get("message").splitlines()[-1]


def count_cases(file):
    """(passed, [names of the others]) of a JUnit file as gtest and pytest write it."""
    passed, failures = 0, []
    for case in xml.parse(file).iter("testcase"):
        bad = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        if bad or case.get("status") == "notrun":
            failures.append(f"{name_of(case)} ({bad[0] if bad else 'disabled'})")
        else:
            passed += 1
    return passed, failures


def meson_tests(directory, environment, names=()):
    """Runs `meson test`; each gtest case counts, and a program that dies before it reports counts as one failure."""
    with tempfile.TemporaryDirectory() as reports:
        step(
            ["meson", "test", "-C", directory, "--no-rebuild", "--print-errorlogs", "--timeout-multiplier", "4",
             *sanitizing.in_meson(), *names],
            GTEST_OUTPUT=f"xml:{reports}/", **environment,
        )
        passed, failures, reported = 0, [], set()
        for report in sorted(Path(reports).glob("*.xml")):
            good, bad = count_cases(report)
            passed, failures = passed + good, failures + bad
            reported.add(report.stem)
        log = directory / "meson-logs" / "testlog.json"
        for line in log.read_text().splitlines():
            test = json.loads(line)
            # gtest names its report after the program.
            programs = {Path(word).name for word in test["command"]}
            if test["result"] == "OK":
                passed += 0 if programs & reported else 1
            elif not (programs & reported and failures):
                failures.append(f"{test['name']} ({test['result']})")
        return passed, failures


def pytest(part, *paths, build_directory=RELEASE):
    with tempfile.TemporaryDirectory() as reports:
        report = Path(reports) / "pytest.xml"
        code = step(
            [PYTHON, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--tb=short", f"--junitxml={report}", *paths],
            PYTHONDONTWRITEBYTECODE="1", SLUICE_BUILD=str(build_directory),
        )
        if not report.exists():
            return 0, [f"pytest ended with {code} and no report"]
        passed, failures = count_cases(report)
        if code == 5:
            failures.append(f"no tests in {' '.join(map(str, paths))}")
        elif code != 0 and not failures:
            failures.append(f"pytest ended with {code}")
        return passed, failures


# --- the parts ------------------------------------------------------------------------------------------------------


def part_checks():
    return pytest("checks", *sorted((ROOT / "tests").glob("test_*.py")))


def part_unit():
    build(DEBUG, *sanitizing.ADDRESS)
    return meson_tests(DEBUG, sanitizing.ADDRESS_RUN)


def part_tsan():
    build(TSAN, *sanitizing.THREAD, targets=sanitizing.THREADED.values(), **sanitizing.CLANG)
    return meson_tests(TSAN, sanitizing.THREAD_RUN, sanitizing.THREADED)


def part_offline():
    build_release()
    return pytest("offline", ROOT / "tests" / "packet")


def part_lab():
    build_release()
    return pytest("lab", ROOT / "tests" / "lab")


def part_fuzz():
    build(FUZZ, *fuzzing.SETUP, targets=["fuzz"], **sanitizing.CLANG)
    return fuzzing.run_targets(FUZZ, SETTINGS.fuzz_seconds, sanitizing.ADDRESS_RUN, SETTINGS.fuzz_target)


def part_tidy():
    set_up(TIDY, *tidying.SETUP, **sanitizing.CLANG)
    # Sources that were added or moved since the last time: the list of commands is made anew.
    must(["ninja", "-C", TIDY, "build.ninja", *tidying.MADE_FIRST])
    return tidying.run(TIDY)


def part_coverage():
    build(COVERAGE, *covering.SETUP)
    covering.forget(COVERAGE)
    results = [meson_tests(COVERAGE, covering.run_environment(COVERAGE)),
               pytest("coverage", *covering.CAPTURES, build_directory=COVERAGE),
               covering.report(COVERAGE)]
    return sum(passed for passed, _ in results), [failure for _, failures in results for failure in failures]


def hurt(name, **how):
    """A table of tests/hurt: what was tried and what survived."""
    build_release()
    sys.path.insert(0, str(ROOT / "tests" / "hurt"))
    os.environ.setdefault("SLUICE_BUILD", str(RELEASE))
    return importlib.import_module(name).main(**how)


def part_soak():
    return hurt("soak", seconds=SETTINGS.soak_seconds, seed=SETTINGS.soak_seed)


PARTS = {
    "checks": (part_checks, "the rules of the house: include layers, licence heads"),
    "unit": (part_unit, "all unit tests, under the address and undefined-behaviour sanitizers"),
    "tsan": (part_tsan, "the programs with threads, under the thread sanitizer"),
    "offline": (part_offline, "captures through sluiced"),
    "fuzz": (part_fuzz, "libFuzzer on all that comes from outside"),
    "lab": (part_lab, "whole systems with real kernels"),
    "floods": (lambda: hurt("floods"), "floods under connections that must survive"),
    "faults": (lambda: hurt("faults"), "what breaks inside and around it, under the same connections"),
    "soak": (part_soak, "everything in no order, for three minutes"),
    "tidy": (part_tidy, "clang-tidy over the dataplane and control (by name only)"),
    "coverage": (part_coverage, "which lines and drop reasons tests reach (by name only)"),
}
BY_NAME = {"tidy", "coverage"}  # too long for every run: only when they are asked for
OTHER_NAMES = {"unit": ["--asan"]}
SETTINGS = argparse.Namespace()  # what was given besides parts


def parse_arguments():
    parser = argparse.ArgumentParser(prog="scripts/test", description=__doc__.splitlines()[0])
    for name, (_, text) in PARTS.items():
        parser.add_argument(*OTHER_NAMES.get(name, []), f"--{name}", dest=name, action="store_true", help=text)
    parser.add_argument("--fuzz-seconds", type=int, default=60, metavar="N", help="how long each target is fuzzed (60)")
    parser.add_argument("--fuzz-target", action="append", default=[], choices=list(fuzzing.TARGETS), help="only this one")
    parser.add_argument("--soak-seconds", type=int, default=180, metavar="N", help="how long the soak lasts (180)")
    parser.add_argument("--soak-seed", type=int, metavar="N", help="which events it makes")
    parser.parse_args(namespace=SETTINGS)
    arguments = vars(SETTINGS)
    named = [name for name in PARTS if arguments[name]]
    if not named and SETTINGS.soak_seed is None:
        SETTINGS.soak_seed = SOAK_SEED
    return named or [name for name in PARTS if name not in BY_NAME]


@contextlib.contextmanager
def some_hugepages():
    added = hugepages.take(HUGEPAGES) if os.geteuid() == 0 else None
    if added is None:
        print("test: this machine gives no hugepages; programs run with --no-huge where they can")
    try:
        yield
    finally:
        hugepages.give_back(added)


def main():
    names = parse_arguments()
    # SIGTERM ends like Ctrl-C: labs are taken down, hugepages given back.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    tally = Tally()
    with some_hugepages():
        for name in names:
            begin = time.monotonic()
            try:
                passed, failures = PARTS[name][0]()
            except StepFailed as error:
                passed, failures = 0, [str(error)]
            tally.add(name, passed, failures, time.monotonic() - begin)
    return 0 if tally.show() else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
