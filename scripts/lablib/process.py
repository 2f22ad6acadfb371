# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Daemons in the lab's hosts: start one, wait until it serves, stop it. No process is ever found by its name."""
import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import LabError


@dataclass
class Daemon:
    """A process that outlives `scripts/lab up`. `born` (start time in clock ticks) tells it from a later owner of the pid."""

    host: str
    program: str
    pid: int
    born: int
    log: str

    def alive(self):
        return started_at(self.pid) == self.born

    def title(self):
        return f"{self.program} on {self.host}"

    def last_line(self):
        lines = [line for line in tail(self.log, 20) if line.strip()]
        return lines[-1].strip() if lines else "it logged nothing"


def threads_of(daemon):
    """A line for each of its threads: the name, the state, and where in the kernel it waits. For those who look for a hang."""
    lines = []
    for task in sorted(Path(f"/proc/{daemon.pid}/task").glob("*")):
        try:
            state = (task / "stat").read_text().rpartition(")")[2].split()[0]
            stack = [line.split()[1].split("+")[0] for line in (task / "stack").read_text().splitlines()[:6]]
            lines.append(f"thread {(task / 'comm').read_text().strip()} {state}: {' < '.join(stack)}")
        except OSError:
            continue
    return lines


def started_at(pid):
    """Field 22 of /proc/PID/stat, or None for a process that is gone or only waits for its parent."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def tail(path, lines):
    try:
        with open(path, errors="replace") as file:
            return file.read().splitlines()[-lines:]
    except FileNotFoundError:
        return []


def start(namespace, program, argv, log):
    """Starts argv in the namespace, its output appended to `log`."""
    with open(log, "ab") as out:
        child = subprocess.Popen(
            namespace.wrap(argv), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd="/"
        )
    return Daemon(namespace.name, program, child.pid, started_at(child.pid), log)


def wait_until(daemon, condition, what, seconds):
    """Waits until condition() holds; fails at once when the daemon ends, and after `seconds` in any case."""
    deadline = time.monotonic() + seconds
    try:
        watch = os.pidfd_open(daemon.pid)
    except ProcessLookupError:
        raise LabError(f"{daemon.title()} ended at once: {daemon.last_line()}") from None
    try:
        while not condition():
            # Wakes when the process ends, else looks again: what is waited for has no event that this side could see.
            ended = select.select([watch], [], [], 0.05)[0]
            if ended and not condition():
                raise LabError(f"{daemon.title()} ended before {what}: {daemon.last_line()}")
            if time.monotonic() > deadline:
                raise LabError(f"{daemon.title()}: not {what} after {seconds} s; its last words: {daemon.last_line()}")
    finally:
        os.close(watch)


def stop(daemon, seconds=15):
    """SIGTERM, and SIGKILL for one that does not listen; False when it came to that."""
    if not daemon.alive():
        reap(daemon.pid)
        return True
    try:
        watch = os.pidfd_open(daemon.pid)
        signal.pidfd_send_signal(watch, signal.SIGTERM)
    except ProcessLookupError:
        return True
    try:
        obeyed = bool(select.select([watch], [], [], seconds)[0])
        if not obeyed:
            signal.pidfd_send_signal(watch, signal.SIGKILL)
            select.select([watch], [], [], 5)
    finally:
        os.close(watch)
    reap(daemon.pid)
    return obeyed


def reap(pid):
    """Our own children leave a zombie until they are asked for; others belong to somebody else."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass


# --- failures, for the demo and the tests: always of the daemon with all that it started ---------------------------


def kill(daemon, seconds=5):
    """SIGKILL, and waits for the end."""
    try:
        watch = os.pidfd_open(daemon.pid)
    except ProcessLookupError:
        return
    try:
        _signal_group(daemon, signal.SIGKILL)
        select.select([watch], [], [], seconds)
    finally:
        os.close(watch)
    reap(daemon.pid)


def freeze(daemon):
    """SIGSTOP: it holds its sockets and says nothing."""
    _signal_group(daemon, signal.SIGSTOP)


def thaw(daemon):
    _signal_group(daemon, signal.SIGCONT)


def _signal_group(daemon, number):
    # start() made it the leader of a session of its own, so the group is it and its children.
    if daemon.alive():
        os.killpg(daemon.pid, number)
