# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Requests from a client of the lab, for the demo and the tests: both read load.py's figures."""
import contextlib
import json
import math
import subprocess
import time
from pathlib import Path

from . import LabError
from .programs import BIG_FILE, BIG_FILE_BYTES

VIP4, VIP6 = "203.0.113.10", "2001:db8:cb::10"
PYTHON = "/usr/bin/python3"
INSIDE = Path(__file__).parent  # programs that run in the hosts
LOAD = str(INSIDE / "load.py")


def url(vip, path="/"):
    return f"http://[{vip}]{path}" if ":" in vip else f"http://{vip}{path}"


def spread(lab, vip=VIP4, connections=2000, client="client1"):
    """The figures of load.py after so many new connections."""
    argv = [PYTHON, LOAD, "spread", url(vip), "--connections", str(connections)]
    return json.loads(lab.host(client).run(argv, check=False).stdout)


@contextlib.contextmanager
def steady(lab, vip=VIP4, connections=20, pause=0.01, client="client1", timeout=10):
    """Requests flow while the block runs; afterwards the dict that it gave has the figures of load.py."""
    argv = [PYTHON, LOAD, "steady", url(vip), "--connections", str(connections), "--pause", str(pause)]
    argv += ["--timeout", str(timeout)]
    process = subprocess.Popen(lab.host(client).wrap(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    figures = {}
    try:
        yield figures
        figures.update(json.loads(process.communicate(timeout=60)[0]))
    finally:
        process.kill()
        process.wait()


class Downloads:
    """So many slow downloads of the first `size` bytes of the big file, `rate` bytes a second each, from one client.

    with Downloads(lab) as downloads: …; the questions and their answers are those of downloads.py."""

    def __init__(self, lab, vip=VIP4, count=200, size=BIG_FILE_BYTES, rate=50_000, client="client1"):
        argv = [PYTHON, str(INSIDE / "downloads.py"), url(vip, f"/{BIG_FILE}"), str(count), str(size), str(rate)]
        self.count = count
        self.process = subprocess.Popen(
            lab.host(client).wrap(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.kill()
        self.process.wait()

    def ask(self, word="status"):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def wait_until_all_run(self, seconds=20):
        """Every connection has an answer and gets bytes; the figures."""
        deadline = time.monotonic() + seconds
        while (figures := self.ask())["servers"].get("nobody", 0) or figures["running"] < self.count or figures["silent"]:
            if time.monotonic() > deadline or figures["broken"]:
                raise LabError(f"not all of {self.count} downloads run: {figures}")
            time.sleep(0.3)  # the downloads' own pace
        return figures


def unlike(answers, weights):
    """What is wrong with this spread, as sentences: shares must follow the weights within 5 % of all connections, and
    within what chance allows (4.5 standard deviations)."""
    total, whole = sum(answers.values()), sum(weights.values())
    wrong = [f"{name} answered and has no weight" for name in answers if not weights.get(name)]
    for name, weight in weights.items():
        share = weight / whole
        off = abs(answers.get(name, 0) / total - share)
        if off > min(0.05, 4.5 * math.sqrt(share * (1 - share) / total) + 1e-9):
            wrong.append(f"{name} answered {answers.get(name, 0)} of {total}, its weight says {share:.1%}")
    return wrong
