# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""A worker that is stuck is named and the process ends; systemd hears of workers that turn; a crash is soon over."""
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest
from offline import BUILD, Offline, balance, service
from one_thread import Stopped, threads

SERVICES = [service("web", "203.0.113.10", ["10.1.0.11", "10.2.0.12", "10.3.0.13"])]
WORKER = "rte-worker-1"  # lcore 1, as DPDK names its threads
BACK_S = 2


class Supervised(Offline):
    """sluiced with these keys in `control`, ready; killed at the end whatever its state."""

    def __init__(self, directory, control=""):
        super().__init__(directory, SERVICES, [])
        self.config.write_text(self.config.read_text().replace("control: {", f"control: {{ {control} ", 1))

    def __enter__(self):
        self.start()
        try:
            self.ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_):
        self.kill()

    @property
    def worker(self):
        (thread,) = threads(self.process.pid, WORKER)
        return thread

    def ended(self):
        self.process.wait(20)
        return self.process.returncode


class Systemd:
    """What NOTIFY_SOCKET hears."""

    def __init__(self, monkeypatch, directory, watchdog_ms):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(directory / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(directory / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", str(watchdog_ms * 1000))
        monkeypatch.delenv("WATCHDOG_PID", raising=False)

    def heard(self, seconds):
        """All that comes within this time."""
        words, end = [], time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                words += self.socket.recv(4096).decode().splitlines()
            except TimeoutError:
                break
        return words


@pytest.mark.parametrize("action, code", [("exit", 1), ("abort", -signal.SIGABRT)])
def test_a_stuck_worker_is_named_and_the_process_ends(tmp_path, action, code):
    with Supervised(tmp_path, f'stall_s = 1; on_stall = "{action}";') as run:
        with Stopped(run.worker) as stopped:
            stopped.bury()
        assert run.ended() == code
        assert re.search(r" critical worker lcore 1 has not turned for 1\d\d\d ms: sluiced ends", run.log), run.log


def test_a_stuck_worker_is_only_named_when_the_operator_says_so(tmp_path):
    with Supervised(tmp_path, 'stall_s = 1; on_stall = "log";') as run:
        with Stopped(run.worker):
            run.wait(lambda: " worker lcore 1 has not turned for" in run.log, "named", 10)
        run.wait(lambda: balance(run.port()) == 0, "it works on", 10)
        assert run.log.count("has not turned") == 1


def test_a_process_that_was_stopped_as_a_whole_goes_on(tmp_path):
    with Supervised(tmp_path, "stall_s = 2;") as run:
        run.process.send_signal(signal.SIGSTOP)
        time.sleep(3)  # longer than stall_s: what is tested is that this time does not count
        run.process.send_signal(signal.SIGCONT)
        before = turns(run)
        run.wait(lambda: turns(run) > before, "the worker turns again", 10)
        assert "has not turned" not in run.log


def turns(run):
    return run.ctl("worker", "list")[0]["turns"]


def test_systemd_hears_only_while_every_worker_turns(tmp_path, monkeypatch):
    systemd = Systemd(monkeypatch, tmp_path, watchdog_ms=600)
    with Supervised(tmp_path, 'on_stall = "log";') as run:
        words = systemd.heard(1.5)
        assert "READY=1" in words
        assert words.count("WATCHDOG=1") >= 4
        with Stopped(run.worker):
            systemd.heard(0.5)  # a look may have been under way
            assert "WATCHDOG=1" not in systemd.heard(1.5)
        assert "WATCHDOG=1" in systemd.heard(1.5)
        run.process.send_signal(signal.SIGTERM)
        assert run.ended() == 0
        assert "STOPPING=1" in systemd.heard(0.2)


def choices(run):
    """Where 64 flows go."""
    told = [run.ctl("explain", "tcp", f"198.51.100.11:{40000 + i}", "203.0.113.10:80") for i in range(64)]
    return [(one["hash"], one["slot"], one["dip"]) for one in told]


def cpu_seconds(pid):
    """utime and stime of proc(5)."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_after_a_kill_the_same_maps_are_back_within_two_seconds(tmp_path):
    with Supervised(tmp_path) as run:
        before = choices(run)
        assert len({dip for _, _, dip in before}) == 3
        run.process.kill()
        run.process.wait()
        begin = time.monotonic()
        run.start()
        run.ready()
        wall, cpu = time.monotonic() - begin, cpu_seconds(run.process.pid)
        print(f"ready {wall:.2f} s after the start, {cpu:.2f} s of them its own")
        assert cpu < BACK_S
        assert choices(run) == before


def test_the_units_are_installed_and_systemd_understands_them(tmp_path):
    installed = json.loads(subprocess.run(["meson", "introspect", "--installed", BUILD], capture_output=True, check=True).stdout)
    units = {name.rpartition("/")[2]: name for name in installed if name.endswith(".service")}
    assert set(units) == {"sluiced.service", "sluice-agent.service"}
    for name, source in units.items():
        assert installed[source].endswith(f"/lib/systemd/system/{name}")
        text = open(source).read()
        assert not re.search(r"@\w+@", text)
        copy = tmp_path / name
        copy.write_text(re.sub(r"ExecStart=\S+/", f"ExecStart={BUILD}/", text))
        # It makes directories in /run: let them be its own.
        alone = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"]
        done = subprocess.run([*alone, "systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True)
        about_it = [line for line in done.stderr.splitlines() if name in line]
        assert not about_it, about_it
