# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""A capture through sluiced: a file with frames in, the program as it is, a file with frames out."""
import itertools
import json
import os
import re
import signal
import struct
import subprocess
import time
from pathlib import Path

from frames import GATEWAY_MAC

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SLUICE_BUILD", ROOT / "build"))
# The published key: a choice that a test saw is the choice of every later run.
HASH_KEY = (
    "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"
)
ONE_CORE = "{ lcore = 1; tier1 = true; tier2 = true; }"
TWO_CORES = "{ lcore = 1; tier1 = true; tier2 = false; }, { lcore = 2; tier1 = false; tier2 = true; }"
THREE_CORES = TWO_CORES + ", { lcore = 3; tier1 = false; tier2 = true; }"
MUX4, MUX6 = "10.0.0.10", "2001:db8:a::10"
START_S, WORK_S, END_S = 20, 30, 20
_numbers = itertools.count()


def service(name, vip, dips, protocol="tcp", port=80, **more):
    """The text of a service; `dips` are addresses, or (address, weight)."""
    dips = [dip if isinstance(dip, tuple) else (dip, 1) for dip in dips]
    rows = ", ".join(f'{{ address = "{address}"; weight = {weight}; }}' for address, weight in dips)
    extra = "".join(f" {key} = {json.dumps(value)};" for key, value in more.items())
    return (
        f'{{ name = "{name}"; vip = "{vip}"; protocol = "{protocol}"; port = {port};'
        f" dips = ( {rows} );{extra} }}"
    )


def owned_by(text, lcore):
    """The same service, its flow table kept by the worker on `lcore`."""
    return re.sub(r"dips = (\( .*? \));", rf'groups = ( {{ name = "default"; worker = {lcore}; dips = \1; }} );', text)


def configuration(directory, services, workers=ONE_CORE, capture="in.pcap", eal=(), port=""):
    prefix = f"--file-prefix=sluice-{os.getpid()}-{next(_numbers)}"
    arguments = ["--in-memory", "--no-pci", "--no-telemetry", prefix, *eal]
    return f"""control: {{ socket = "{directory}/sock"; metrics = ""; }};
dataplane: {{
  eal = {json.dumps(arguments)};
  hash_key = "{HASH_KEY}";
  flows = 262144;
  ports = ( {{ name = "uplink"; device = "net_pcap0,rx_pcap={directory}/{capture},tx_pcap={directory}/out.pcap";
    address = [ "{MUX4}/24", "{MUX6}/64" ]; gateway_mac = "{GATEWAY_MAC}"; kernel_interface = ""; {port} }} );
  workers = ( {workers} );
}};
services: (
  {", ".join(services)}
);
"""


# --- capture files: classic pcap, written and read without a library, since 30,000 packets shall take no time ---------

FILE_HEAD = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)


def record(frame):
    return struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame


def write_capture(path, frames):
    path.write_bytes(FILE_HEAD + b"".join(map(record, frames)))


def read_capture(path):
    data = path.read_bytes()
    assert data[:4] in (FILE_HEAD[:4], b"\x4d\x3c\xb2\xa1"), f"{path} is no capture: {data[:4].hex()}"
    frames, at = [], len(FILE_HEAD)
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at + 8)
        frames.append(data[at + 16 : at + 16 + length])
        at += 16 + length
    assert at == len(data), f"{path} ends inside a frame"
    return frames


# --- the program ------------------------------------------------------------------------------------------------------


def surroundings(directory):
    """EAL makes a directory for each prefix, even --in-memory, and leaves it: it shall be one of the test's own."""
    return {**os.environ, "RUNTIME_DIRECTORY": str(directory)}


def run_sluiced(directory, *arguments, wrapper=()):
    """sluiced to its end: for starts that are to fail."""
    argv = [*map(str, wrapper), str(BUILD / "sluiced"), *map(str, arguments)]
    return subprocess.run(argv, env=surroundings(directory), capture_output=True, text=True, timeout=END_S)


class Offline:
    """with Offline(tmp_path, services, frames) as run: …; afterwards run.out holds the frames that left.

    Inside the block every frame has been read and the balance of the port is settled. Leaving it ends sluiced
    by SIGTERM and holds it to its word: exit code 0, nothing unaccounted for, nothing left behind.
    frames=None: the test feeds the capture itself (a FIFO), and calls processed() when it is through."""

    def __init__(self, directory, services, frames, workers=ONE_CORE, **more):
        self.directory = directory
        self.frames = frames
        self.config = directory / "sluiced.conf"
        self.config.write_text(configuration(directory, services, workers, **more))
        if frames is not None:
            write_capture(directory / "in.pcap", frames)
        (directory / "out.pcap").unlink(missing_ok=True)
        self.out = None

    def __enter__(self):
        self.start()
        try:
            if self.frames is not None:
                self.ready()
                self.processed(len(self.frames))
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.kill()
            return
        try:
            self.end()
        finally:
            self.kill()

    def start(self):
        self.log_path = self.directory / "sluiced.log"
        with self.log_path.open("wb") as log:
            argv = [str(BUILD / "sluiced"), "-c", str(self.config)]
            self.process = subprocess.Popen(
                argv, env=surroundings(self.directory), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait(self, condition, what, limit_s):
        limit = time.monotonic() + limit_s
        while not condition():
            assert self.process.poll() is None, f"sluiced ended with {self.process.returncode}:\n{self.log}"
            assert time.monotonic() < limit, f"not within {limit_s} s: {what}\n{self.log}"
            time.sleep(0.01)

    def ready(self):
        self.wait(lambda: re.search(r" ready$", self.log, re.MULTILINE), "ready", START_S)

    def ctl(self, *words):
        argv = [str(BUILD / "sluicectl"), "--socket", f"{self.directory}/sock", "--json", *map(str, words)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, f"sluicectl {words}: {done.stderr}"
        return json.loads(done.stdout)

    def port(self):
        (port,) = self.ctl("port", "list")
        return port

    def drops(self):
        return {row["reason"]: row["packets"] for row in self.ctl("drop", "list") if row["packets"]}

    def processed(self, count):
        def settled():
            port = self.port()
            return port["rx_packets"] == count and balance(port) == 0 and port["held_packets"] == 0

        self.wait(settled, f"{count} packets processed; last seen: {self.port()}", WORK_S)

    def end(self):
        """SIGTERM; then the file that was written and the last word on the balance."""
        port = self.port()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(END_S) == 0, self.log
        self.out = read_capture(self.directory / "out.pcap")
        assert len(self.out) == port["tx_packets"], port
        last = re.search(
            r"port uplink: rx (\d+) \+ created (\d+) = tx (\d+) \+ punted (\d+) \+ dropped (\d+) \+ held (\d+)", self.log
        )
        assert last, self.log
        rx, created, tx, punted, dropped, held = map(int, last.groups())
        assert rx + created == tx + punted + dropped + held, last[0]
        assert (rx, tx, held) == (port["rx_packets"], len(self.out), 0), last[0]


def balance(port):
    """What came and was made, less what went: 0 in a settled appliance."""
    came = port["rx_packets"] + port["created_packets"]
    return came - sum(port[f"{way}_packets"] for way in ("tx", "punted", "dropped", "held"))


def through(directory, services, frames, workers=ONE_CORE, **more):
    """A capture through sluiced where every packet must leave; the frames that left."""
    with Offline(directory, services, frames, workers, **more) as run:
        assert run.drops() == {}
    return run.out
