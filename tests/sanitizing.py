# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Which sanitizer sees what: how the trees are set up, and which programs have threads (docs/testing.md)."""
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# At -O1 the million-frame tests take a quarter of the time that they take at -O0, and stacks still read well.
DEBUG = ["-Dbuildtype=debug", "-Doptimization=1", "-Db_lto=false", "-Dtests=true"]
CLANG = {"CXX": "clang++", "CC": "clang"}

ADDRESS = [*DEBUG, "-Db_sanitize=address,undefined"]
ADDRESS_RUN = {
    # DPDK's EAL never frees what it set up for the life of the process: only our own leaks count.
    "ASAN_OPTIONS": "detect_leaks=1:halt_on_error=1:detect_stack_use_after_return=1",
    "LSAN_OPTIONS": f"suppressions={ROOT}/tests/lsan.supp:print_suppressions=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}

# clang, whose thread sanitizer takes fences; DPDK's rings as atomics, so that it sees what they order.
THREAD = [*DEBUG, "-Db_sanitize=thread", "-Db_lundef=false", "-Dcpp_args=-DRTE_USE_C11_MEM_MODEL"]
THREAD_RUN = {"TSAN_OPTIONS": f"suppressions={ROOT}/tests/tsan.supp:halt_on_error=1:second_deadlock_stack=1"}
# The tests of programs with more than one thread, by meson's name, and the program.
THREADED = {
    "threads": "tests/unit/worker/unit_threads",
    "door": "tests/unit/door/unit_door",
    "rpc": "tests/unit/rpc/unit_rpc",
    "metrics": "tests/unit/metrics/unit_metrics",
}


def in_front():
    """Words in front of an instrumented program: with more random bits than this in addresses, the sanitizers of
    clang 14 and gcc 12 find their own places taken."""
    bits = Path("/proc/sys/vm/mmap_rnd_bits")
    return ["setarch", "-R"] if bits.exists() and int(bits.read_text()) > 28 else []


def in_meson():
    return [f"--wrapper={' '.join(in_front())}"] if in_front() else []
