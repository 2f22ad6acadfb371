# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Verbs on network namespaces: make one, wire it to the router, run a command inside. All need root."""
import json
import os
import signal
import subprocess

from . import LabError


def run(argv, check=True, timeout=120, stdin=None):
    """Runs a command to its end; its output as text. A failure is a LabError with what it said."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout)
    except FileNotFoundError:
        raise LabError(f"{argv[0]} is not installed: scripts/setup installs what the lab needs") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"no end after {timeout} s: {' '.join(argv)}") from None
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"exit {done.returncode} of `{' '.join(argv)}`: {said}")
    return done


class Namespace:
    """One host of the lab. `prefix` keeps the lab's names apart from everything else on the machine."""

    def __init__(self, prefix, name):
        self.name = name
        self.netns = f"{prefix}-{name}"

    def exists(self):
        return os.path.exists(f"/run/netns/{self.netns}")

    def create(self):
        run(["ip", "netns", "add", self.netns])
        # No router is announced in the lab and no address is disputed: addresses are usable at once. Reverse-path
        # filters would drop what arrives through one subnet and is answered through another.
        self.sysctl(
            {
                "net.ipv4.conf.all.rp_filter": 0,
                "net.ipv4.conf.default.rp_filter": 0,
                "net.ipv6.conf.default.accept_dad": 0,
                "net.ipv6.conf.default.accept_ra": 0,
            }
        )
        self.ip("link set lo up")

    def delete(self):
        """The namespace with every process that still lives in it."""
        self.kill_all()
        run(["ip", "netns", "del", self.netns])

    def kill_all(self):
        while pids := run(["ip", "netns", "pids", self.netns], check=False).stdout.split():
            for pid in pids:
                try:
                    watch = os.pidfd_open(int(pid))
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    continue
                # A pidfd is readable when the process is gone.
                import select

                select.select([watch], [], [], 5)
                os.close(watch)

    def wrap(self, argv):
        return ["ip", "netns", "exec", self.netns, *argv]

    def run(self, argv, check=True, timeout=120, stdin=None):
        return run(self.wrap(argv), check, timeout, stdin)

    def ip(self, commands):
        """`ip` commands, one a line, in this namespace."""
        lines = "\n".join(line.strip() for line in commands.strip().splitlines())
        run(["ip", "-n", self.netns, "-batch", "-"], stdin=lines + "\n")

    def ip_json(self, *arguments):
        return json.loads(run(["ip", "-n", self.netns, "-json", *arguments]).stdout or "[]")

    def sysctl(self, values):
        self.run(["sysctl", "-qw", *(f"{key}={value}" for key, value in values.items())])

    def no_offloads(self, device):
        # On veth a sender leaves checksums unfinished and segments uncut for hardware that is not there; whoever reads
        # the wire below the kernel (the MUX) would see broken packets.
        self.run(["ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off", "gro", "off"])
