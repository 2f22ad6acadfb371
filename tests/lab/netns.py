# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Network namespaces for tests: small networks of real kernels that vanish when the test ends.

    with Lab() as lab:
        a, b = lab.namespace("a"), lab.namespace("b")
        lab.veth(a, "to-b", b, "to-a")
        a.address("to-b", "10.9.0.1/24")
        b.address("to-a", "10.9.0.2/24")
        a.run("ping", "-c1", "10.9.0.2")
        with b.inside():                # this thread's new sockets belong to b
            server = socket.create_server(("10.9.0.2", 80))

A Lab removes what it made, and nothing else, in the reverse order and whatever happened: processes, then
namespaces (and with them their links). Needs root.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import time

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Timeout(AssertionError):
    pass


def wait_until(condition, what, timeout_s=10.0, step_s=0.02):
    """Returns the first true answer of condition(); raises Timeout(what) when there is none in time."""
    end = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Timeout(f"not within {timeout_s} s: {what}")
        time.sleep(step_s)


def _setns(path):
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {path}")
    finally:
        os.close(fd)


class Namespace:
    """One host: a network namespace with `lo` up, and the processes that were started in it."""

    def __init__(self, name):
        self.name = name
        self.processes = []
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.ip("link", "set", "lo", "up")
        self.sysctl("net.ipv6.conf.default.accept_dad", 0)  # addresses of coming links serve at once

    def command(self, *words):
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def run(self, *words, check=True, timeout_s=60, **options):
        """Runs a command to its end and returns its stdout; raises with stderr when it fails."""
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=timeout_s, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"{self.name}: {' '.join(map(str, words))}: exit {done.returncode}\n{done.stderr}")
        return done.stdout

    def start(self, *words, **options):
        """Starts a command and returns its Popen; it is ended with the lab."""
        process = subprocess.Popen(self.command(*words), **options)
        self.processes.append(process)
        return process

    @contextlib.contextmanager
    def inside(self):
        """Moves the calling thread into the namespace; sockets made meanwhile stay there."""
        with open("/proc/thread-self/ns/net", "rb") as back:
            _setns(f"/run/netns/{self.name}")
            try:
                yield self
            finally:
                if _libc.setns(back.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns back")

    def ip(self, *words):
        return self.run("ip", *words)

    def address(self, device, address):
        family = ["-6"] if ":" in address else ["-4"]
        nodad = ["nodad"] if ":" in address else []
        self.ip(*family, "address", "add", address, "dev", device, *nodad)

    def route(self, destination, via):
        self.ip("-6" if ":" in via else "-4", "route", "add", destination, "via", via)

    def sysctl(self, name, value=None):
        """Reads a setting ("net.ipv4.ip_forward"), or writes it."""
        path = "/proc/sys/" + name.replace(".", "/")
        with self.inside(), open(path, "r+" if value is not None else "r", encoding="ascii") as file:
            if value is not None:
                file.write(str(value))
                return str(value)
            return file.read().strip()

    def mac(self, device):
        # Not below /sys: that shows the namespace of whoever mounted it.
        words = self.ip("-o", "link", "show", "dev", device).split()
        return words[words.index("link/ether") + 1]

    def close(self):
        for process in reversed(self.processes):
            end(process)
        self.processes.clear()
        subprocess.run(["ip", "netns", "delete", self.name], check=False)


def end(process, timeout_s=10):
    """SIGTERM, then SIGKILL for one that does not listen. Returns the exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


class Lab:
    """The namespaces of one test. Their names are `prefix` and the host's, so that labs do not meet."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.hosts = []

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        for host in reversed(self.hosts):
            host.close()
        self.hosts.clear()

    def namespace(self, name):
        host = Namespace(self.prefix + name)
        self.hosts.append(host)
        return host

    def veth(self, a, a_device, b, b_device, mtu=1500, offloads=False):
        """A cable. Without offloads every packet on it has finished checksums and is no larger than the MTU."""
        subprocess.run(["ip", "link", "add", a_device, "netns", a.name, "type", "veth", "peer", "name", b_device,
                        "netns", b.name], check=True)
        for host, device in ((a, a_device), (b, b_device)):
            if not offloads:
                host.run("ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
            host.ip("link", "set", device, "mtu", mtu, "up")
