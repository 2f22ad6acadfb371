# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Programs that forward on one core, measured from outside in the same way: packets by the program's own count,
time by the kernel's account of the forwarding thread. What else runs on that cpu takes wall time, not cpu time."""
import itertools
import json
import os
import re
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

from . import BenchError

BUFFERS_BESIDE_CAPTURE = 16384
START_LIMIT_S = 60
_prefixes = itertools.count()


def capture_device(capture):
    """A port that gives the capture for ever and sends to nowhere: no kernel, no disk, no wire."""
    return f"net_pcap0,rx_pcap={capture},infinite_rx=1"


def null_device(v6=False):
    """A port that gives empty buffers and takes everything; preload.cc fills them (null_traffic.h)."""
    return f"net_null0,size={74 if v6 else 60}"


def eal(cpus, workers=1):
    """Lcore 0 for control on the first of `cpus`, the worker as lcore 1 on the last; a second one on another, which it
    shares with control where there is no third."""
    second = cpus[1:-1][-1] if len(cpus) > 2 else cpus[0]
    lcores = f"0@{cpus[0]},1@{cpus[-1]}" + (f",2@{second}" if workers == 2 else "")
    return ["--in-memory", "--no-pci", "--no-telemetry", "--log-level=error", f"--lcores={lcores}"]


def own_prefix():
    return f"--file-prefix=sluice-bench-{os.getpid()}-{next(_prefixes)}"


def worker_cpu_ns(pid):
    """The cpu time of the thread of lcore 1. The kernel brings it up to date at every tick: some ms are missing."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip().endswith("worker-1"):
            return int((task / "schedstat").read_text().split()[0])
    raise BenchError(f"process {pid} has no thread for lcore 1")


class Program:
    """A context: started on entry, stopped on exit. Subclasses: command(), ready()."""

    stop_signal = signal.SIGTERM
    environment = {}
    wrapper = ()  # a command that runs it elsewhere

    def __enter__(self):
        environment = {**os.environ, "RUNTIME_DIRECTORY": str(self.directory), **self.environment}
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*self.wrapper, *map(str, self.command())], env=environment, bufsize=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
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

    def ready(self):
        """By default there is nothing to wait for."""

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    def wait_for(self, pattern, limit_s=START_LIMIT_S):
        """Reads on until the program has said `pattern`; the match. What came before is forgotten."""
        limit = time.monotonic() + limit_s
        while not (match := re.search(pattern, self.said)):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, limit - time.monotonic()))
            more = os.read(self.process.stdout.fileno(), 65536).decode(errors="replace") if ready else ""
            if not more:
                name = Path(str(self.command()[0])).name
                raise BenchError(f"{name} did not say {pattern!r}; its last words: {self.said[-2000:].strip()}")
            self.said += more
        self.said = self.said[match.end() :]
        return match


class Forwarder(Program):
    """Subclasses: packets(), those sent so far."""

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

    def __init__(self, directory, mode, device, cpus, buffers=BUFFERS_BESIDE_CAPTURE, more=(), environment=None):
        self.directory, self.mode, self.device, self.cpus = directory, mode, device, cpus
        self.buffers, self.more = buffers, more
        self.environment = environment or {}

    def command(self):
        # testpmd keeps what it prints in a buffer unless it prints to a terminal.
        return [
            "stdbuf", "-oL", "dpdk-testpmd", *eal(self.cpus), own_prefix(), f"--vdev={self.device}", "--",
            "--interactive", f"--forward-mode={self.mode}", "--burst=64", "--port-topology=loop",
            f"--total-num-mbufs={self.buffers}", "--mbcache=256", *self.more,
        ]  # fmt: skip

    def ready(self):
        if "LD_PRELOAD" in self.environment:  # a library that cannot be loaded is no error to the loader
            self.wait_for("traffic: ready")
        self.wait_for("testpmd> ")
        self.say("start")
        self.wait_for("testpmd> ")
        time.sleep(0.3)  # the first packets meet cold caches

    def count(self, what):
        self.say("show port stats 0")
        return int(self.wait_for(rf"{what}-packets: (\d+)")[1])

    def packets(self):
        return self.count("TX")


CONFIGURATION = """\
control: {{ socket = "{directory}/sluice.sock"; socket_group = "root"; metrics = ""; log_level = "info"; state_file = ""; }};
dataplane: {{
  eal = {eal};
  idle = "{idle}";
  buffers = {buffers};
  hash_key = "{hash_key}";
  ports = ( {ports} );
  workers = ( {{ lcore = 1; tier1 = true; tier2 = true; }} );
}};
services: (
{services}
);
"""
HASH_KEY = bytes(range(40)).hex()  # the same in every run
GATEWAY_MAC = "02:00:00:00:00:02"


def numbered(base, number):
    """10.1.0.1 and 300 -> 10.1.1.45"""
    value = int.from_bytes(socket.inet_aton(base), "big") + number
    return socket.inet_ntoa(value.to_bytes(4, "big"))


class Sluiced(Forwarder):
    """The whole appliance, as an operator starts it. Services on 203.0.113.10 and so on, each with DIPs of its own."""

    def __init__(self, build, directory, device, cpus, **shape):
        self.build, self.directory, self.cpus = build, directory, cpus
        self.devices = [device, *shape.pop("further_devices", ())]
        self.shape = {"services": 1, "dips": 10, "stickiness": "none", "idle": "busy", "protocol": "tcp",
                      "buffers": BUFFERS_BESIDE_CAPTURE, **shape}  # fmt: skip
        self.file = directory / "sluice.conf"
        self.file.write_text(self.configuration())
        self.client = None

    def configuration(self):
        shape = self.shape
        ports = ", ".join(
            f'{{ name = "port{i}"; device = "{device}"; address = [ "{"10.0.0.10/24" if i == 0 else "10.1.0.254/16"}" ];'
            f' gateway_mac = "{GATEWAY_MAC}"; kernel_interface = ""; }}'
            for i, device in enumerate(self.devices)
        )
        services = []
        for number in range(shape["services"]):
            dips = range(number * shape["dips"], (number + 1) * shape["dips"])
            members = ", ".join(f'{{ address = "{numbered("10.1.0.1", n)}"; }}' for n in dips)
            services.append(
                f'  {{ name = "s{number}"; vip = "{numbered("203.0.113.10", number)}"; protocol = "{shape["protocol"]}";'
                f' port = 80; stickiness = "{shape["stickiness"]}"; groups = ( {{ name = "a"; dips = ( {members} ); }} ); }}'
            )
        return CONFIGURATION.format(
            directory=self.directory, eal=json.dumps([*eal(self.cpus), own_prefix()]), idle=shape["idle"],
            buffers=shape["buffers"], hash_key=HASH_KEY, ports=ports, services=",\n".join(services),
        )  # fmt: skip

    def command(self):
        return [self.build / "sluiced", "-c", self.file]

    def __exit__(self, *arguments):
        if self.client:
            self.client.close()
            self.client = None
        super().__exit__(*arguments)

    def ready(self):
        self.wait_for(r"\binfo ready\b")
        self.ready_after_s = time.monotonic() - self.started
        self.client = Client(self.directory / "sluice.sock")

    def packets(self):
        return self.client.call("worker.list")[0]["packets"]

    def resident_bytes(self):
        return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())[1]) * 1024


class Client:
    """One connection to the control socket: JSON-RPC 2.0, an object a line."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(START_LIMIT_S)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("rb")

    def close(self):
        self.lines.close()
        self.socket.close()

    def ask(self, method, **parameters):
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        self.socket.sendall(json.dumps(request).encode() + b"\n")

    def answer(self):
        answer = json.loads(self.lines.readline())
        if "error" in answer:
            raise BenchError(f"sluiced refused: {answer['error']['message']}")
        return answer["result"]

    def call(self, method, **parameters):
        self.ask(method, **parameters)
        return self.answer()


class Generator(Program):
    """sluice-bench-generator, by its commands."""

    def __init__(self, build, directory, device, cpu, wrapper=()):
        self.build, self.directory, self.device, self.cpu = build, directory, device, cpu
        self.wrapper = wrapper

    def command(self):
        words = ["--in-memory", "--no-pci", "--no-telemetry", "--log-level=error", f"--lcores=0@{self.cpu}", own_prefix()]
        return [self.build / "tests/bench/sluice-bench-generator", self.device,
                *(word for argument in words for word in ("--eal", argument))]  # fmt: skip

    def ready(self):
        self.call("up")

    def answer(self):
        answer = json.loads(self.wait_for(r"(?m)^(\{.*\})\n")[1])
        if "error" in answer:
            raise BenchError(f"the generator says: {answer['error']}")
        return answer

    def call(self, line):
        self.say(line)
        return self.answer()
