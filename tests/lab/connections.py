# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""TCP connections that last: servers and clients that exchange a counter, and slow downloads."""
import json
import subprocess
import time

from labtools import VIP4, on_every_server, url
from lablib import process
from lablib.topology import SERVICES, Service
from lablib.traffic import INSIDE, PYTHON

COUNTER = Service("counter", VIP4, "tcp", 7000)
RATE = 40_000  # bytes a second of each download


def conf_text(lab, policy):
    """The lab's configuration and the counter's service, which has this policy."""
    text = lab.sluiced_conf("mux1", SERVICES + (COUNTER,))
    head = f'name = "{COUNTER.name}";'
    assert text.count(head) == 1
    return text.replace(head, f"{head} {policy}")


def counter_servers(lab):
    argv = lambda dip: [PYTHON, str(INSIDE / "counter.py"), "serve", dip.name, COUNTER.vip, str(COUNTER.port)]
    return on_every_server(lab, "counter", argv)


class Client:
    """A program on the client that obeys, a line each."""

    def __init__(self, lab, *argv):
        self.process = subprocess.Popen(
            lab.host("client1").wrap([PYTHON, *map(str, argv)]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.kill()
        self.process.communicate()


def hold(lab, count):
    """So many connections to the counter's servers."""
    return Client(lab, INSIDE / "counter.py", "hold", COUNTER.vip, COUNTER.port, count)


class Downloads:
    """So many slow downloads that last; "check" has the figures of counter.py."""

    def __init__(self, lab, count):
        self.client = Client(lab, INSIDE / "downloads.py", url(VIP4, "/100M"), count, 100_000_000, RATE)
        self.stop = self.client.stop

    def ask(self, _check, pause=1.5):
        """`pause`: seconds in which each must get bytes; buffers hold 2 s of them."""
        self.client.ask("status")
        time.sleep(pause)
        figures = self.client.ask("status")
        intact = figures["running"] - sum(figures["silent"].values())
        return {"intact": intact, "all": figures["all"], "broken": figures["why"]}
