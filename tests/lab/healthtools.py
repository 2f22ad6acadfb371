# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""What the tests of health share: a health section for every service, and questions about what came of it."""
import contextlib
import json
import subprocess
import time

import pytest
from labtools import PYTHON, VIP4


@pytest.fixture
def health(lab):
    """health("..."): that health section in every service from now on, until the end of the test."""
    conf = lab.directory("mux1") / "sluiced.conf"
    plain = conf.read_text()

    def configure(section):
        conf.write_text(plain.replace("port = 80;\n", f"port = 80; {section}\n"))
        lab.ask("config", "reload")

    try:
        yield configure
    finally:
        conf.write_text(plain)
        lab.ask("config", "reload")


def row(lab, name, service="web"):
    address = lab.spec(name).v4
    return next(r for r in lab.ask("health", "list") if (r["service"], r["address"]) == (service, address))


def states(lab):
    """What `health list` says of each server of `web`, and what `dip list` does."""
    names = {lab.spec(host.name).v4: host.name for host in lab.shape.hosts("dip")}
    said = {names[r["address"]]: r["state"] for r in lab.ask("health", "list") if r["service"] == "web"}
    slots = {names[r["address"]]: r["slots"] for r in lab.ask("dip", "list", "web")}
    return said, slots


def wait_for(condition, seconds):
    """Asks again and again (each question is a program's run, so no pause is needed); the seconds that it took."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, f"not so after {seconds} s"
    return time.monotonic() - begin


def out_of_the_maps(lab, name):
    return states(lab)[1][name] == 0


def all_up(lab):
    return set(states(lab)[0].values()) == {"up"}


def last_probes(lab, text):
    """Whether the last probe of every server of every service said so."""
    return all(r["last"] and r["last"][-1]["text"] == text for r in lab.ask("health", "list"))


KEPT = """
import http.client, json, sys
connections = [http.client.HTTPConnection(sys.argv[1], 80, timeout=3) for _ in range(int(sys.argv[2]))]
def ask(connection):
    connection.request("GET", "/")
    return connection.getresponse().read().decode().strip()
print(json.dumps([ask(c) for c in connections]), flush=True)
for _ in sys.stdin:
    answers = []
    for connection in connections:
        connection.auto_open = 0
        try:
            answers.append(ask(connection))
        except (OSError, http.client.HTTPException):
            answers.append(None)
    print(json.dumps(answers), flush=True)
"""


@contextlib.contextmanager
def kept_connections(lab, count):
    """Gives (who answered each connection at first, a function that asks all of them again)."""
    argv = lab.host("client1").wrap([PYTHON, "-c", KEPT, VIP4, str(count)])
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:

        def again():
            print(file=client.stdin, flush=True)
            return json.loads(client.stdout.readline())

        try:
            yield json.loads(client.stdout.readline()), again
        finally:
            client.stdin.close()
