# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Programs that forward on one core, measured from outside in the same way: packets by the program's own count,
time by the kernel's account of the forwarding thread. What else runs on that cpu takes wall time, not cpu time."""
import json
import os
import re
import select
import signal
import subprocess
import time
from pathlib import Path

from . import BenchError

BUFFERS_BESIDE_CAPTURE = 16384
START_LIMIT_S = 30


def device(capture):
    """A port that gives the capture for ever and sends to nowhere: no kernel, no disk, no wire."""
    return f"net_pcap0,rx_pcap={capture},infinite_rx=1"


def eal(cpus, workers=1):
    """Lcore 0 for control on the first of `cpus`, the worker as lcore 1 on the last; a second one on another, which it
    shares with control where there is no third."""
    second = cpus[1:-1][-1] if len(cpus) > 2 else cpus[0]
    lcores = f"0@{cpus[0]},1@{cpus[-1]}" + (f",2@{second}" if workers == 2 else "")
    return ["--in-memory", "--no-pci", "--log-level=error", f"--lcores={lcores}"]


def worker_cpu_ns(pid):
    """The cpu time of the thread of lcore 1. The kernel brings it up to date at every tick: some ms are missing."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip().endswith("worker-1"):
            return int((task / "schedstat").read_text().split()[0])
    raise BenchError(f"process {pid} has no thread for lcore 1")


class Forwarder:
    """A context: started on entry, stopped on exit. Subclasses: command(), ready(), packets()."""

    stop_signal = signal.SIGTERM

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
        )
        self.said = ""
        try:
            self.ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def wait_for(self, pattern):
        """Reads on until the program has said `pattern`; the match. What came before is forgotten."""
        limit = time.monotonic() + START_LIMIT_S
        while not (match := re.search(pattern, self.said)):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, limit - time.monotonic()))
            more = os.read(self.process.stdout.fileno(), 65536).decode(errors="replace") if ready else ""
            if not more:
                name = self.command()[0]
                raise BenchError(f"{name} did not say {pattern!r}; its last words:\n{self.said[-2000:]}")
            self.said += more
        self.said = self.said[match.end() :]
        return match

    def ns_per_packet(self, seconds):
        before = self.packets(), worker_cpu_ns(self.process.pid)
        time.sleep(seconds)
        after = self.packets(), worker_cpu_ns(self.process.pid)
        if after[0] == before[0]:
            raise BenchError(f"{self.command()[0]} forwarded nothing")
        return (after[1] - before[1]) / (after[0] - before[0])


class Testpmd(Forwarder):
    """DPDK's own forwarder in one of its modes, with bursts of 64 as we have."""

    stop_signal = signal.SIGINT

    def __init__(self, mode, capture, packets_in_capture, cpus):
        self.mode, self.capture, self.cpus = mode, capture, cpus
        self.buffers = packets_in_capture + BUFFERS_BESIDE_CAPTURE

    def command(self):
        # testpmd keeps what it prints in a buffer unless it prints to a terminal.
        return [
            "stdbuf", "-oL", "dpdk-testpmd", *eal(self.cpus), f"--vdev={device(self.capture)}", "--",
            "--interactive", f"--forward-mode={self.mode}", "--burst=64", "--port-topology=loop",
            f"--total-num-mbufs={self.buffers}", "--mbcache=256",
        ]  # fmt: skip

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    def ready(self):
        self.wait_for("testpmd> ")
        self.say("start")
        self.wait_for("testpmd> ")
        time.sleep(0.3)  # the first packets meet cold caches

    def packets(self):
        self.say("show port stats 0")
        return int(self.wait_for(r"TX-packets: (\d+)")[1])


CONFIGURATION = """\
control: {{ socket = "{directory}/sluice.sock"; socket_group = "root"; metrics = ""; log_level = "info"; }};
dataplane: {{
  eal = [ {eal} ];
  idle = "busy";
  buffers = {buffers};
  ports = ( {{ name = "uplink"; device = "{device}"; address = [ "10.0.0.10/24" ];
              gateway_mac = "02:00:00:00:00:02"; kernel_interface = ""; }} );
  workers = ( {{ lcore = 1; tier1 = true; tier2 = true; }} );
}};
services: ( {{ name = "web"; vip = "203.0.113.10"; protocol = "tcp"; port = 80; stickiness = "{stickiness}";
  groups = ( {{ name = "a"; dips = (
{dips}
  ); }} ); }} );
"""


class Sluiced(Forwarder):
    """The whole appliance, as an operator starts it."""

    def __init__(self, build, directory, capture, packets_in_capture, cpus, dips, stickiness):
        self.build, self.directory = build, directory
        self.file = directory / "sluice.conf"
        members = ",\n".join(f'    {{ address = "10.1.{i // 250}.{i % 250 + 1}"; }}' for i in range(dips))
        self.file.write_text(
            CONFIGURATION.format(
                directory=directory,
                eal=", ".join(json.dumps(argument) for argument in eal(cpus)),
                buffers=packets_in_capture + BUFFERS_BESIDE_CAPTURE,
                device=device(capture),
                dips=members,
                stickiness=stickiness,
            )
        )

    def command(self):
        return [str(self.build / "sluiced"), "-c", str(self.file)]

    def ctl(self, *words):
        argv = [str(self.build / "sluicectl"), "--socket", str(self.directory / "sluice.sock"), "--json", *words]
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode != 0:
            raise BenchError(f"`sluicectl {' '.join(words)}` failed: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def ready(self):
        self.wait_for(r"\bready\b")
        time.sleep(0.3)

    def packets(self):
        return self.ctl("worker", "list")[0]["packets"]
