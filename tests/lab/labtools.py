# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""What the lab tests do again and again: load from a client, checks on who answered, drops by reason."""
import contextlib
import hashlib
import json
import subprocess
from pathlib import Path

from lablib import process, traffic
from lablib.traffic import INSIDE, PYTHON, VIP4, VIP6, url  # noqa: F401 (VIP6 is for the tests)


def curl(lab, *arguments, client="client1", check=True):
    return lab.host(client).run(["curl", "-sS", "-m", "60", *arguments], check=check)


def spread(lab, vip=VIP4, connections=2000):
    """How many of so many new connections each server answered; none may fail."""
    figures = traffic.spread(lab, vip, connections)
    assert figures["failed"] == 0, figures
    assert sum(figures["answers"].values()) == connections
    return figures["answers"]


def assert_spread(answers, weights):
    assert not traffic.unlike(answers, weights), answers


def assert_unharmed(figures, at_least=100):
    assert figures["failed"] == 0, figures
    assert figures["moved"] == 0, figures
    assert sum(figures["answers"].values()) >= at_least, figures


def drops(lab, mux="mux1"):
    return {row["reason"]: row["packets"] for row in lab.ask("drop", "list", mux=mux)}


def new_drops(before, after):
    return {reason: after[reason] - before.get(reason, 0) for reason in after if after[reason] > before.get(reason, 0)}


def port(lab, mux="mux1"):
    (only,) = lab.ask("port", "list", mux=mux)
    return only


def sha256(path):
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(lab, vip, path):
    """Fetches a file of the servers; its SHA-256 as it arrived at the client."""
    argv = lab.host("client1").wrap(["curl", "-sSf", "-m", "120", url(vip, path)])
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as fetching:
        digest = hashlib.file_digest(fetching.stdout, "sha256").hexdigest()
    assert fetching.returncode == 0, f"curl ended with {fetching.returncode}"
    return digest


def upload(lab, vip, file, name):
    """Puts a file; the path of what the one server that got it wrote."""
    curl(lab, "-f", "-m", "120", "-T", str(file), url(vip, f"/upload/{name}"))
    found = [lab.directory(dip.name) / "upload" / name for dip in lab.shape.hosts("dip")]
    (written,) = [path for path in found if path.exists()]
    return written


# --- a UDP service on VIPs that the servers hold from the start (topology.LATER_SERVICES) -----------------------------


@contextlib.contextmanager
def on_every_server(lab, name, argv_of, dips=None):
    """A program on each DIP for the length of the block, which begins when all have said "listening"."""
    running = []
    try:
        for dip in dips or lab.shape.hosts("dip"):
            log = str(lab.directory(dip.name) / f"{name}.log")
            Path(log).unlink(missing_ok=True)  # an earlier one said "listening" there
            running.append(process.start(lab.host(dip.name), name, argv_of(dip), log))
        for daemon in running:
            process.wait_until(daemon, lambda log=daemon.log: "listening" in process.tail(log, 1), "listening", 20)
        yield
    finally:
        for daemon in running:
            process.stop(daemon)


def udp_servers(lab, service):
    """A small UDP server on every DIP, bound to the VIP, for the length of the block."""
    argv = lambda dip: [PYTHON, str(INSIDE / "echo.py"), dip.name, service.vip, str(service.port)]
    return on_every_server(lab, service.name, argv, lab.shape.members())


@contextlib.contextmanager
def udp_service(lab, service):
    """The MUX serves it, for the length of the block."""
    dips = [word for dip in lab.shape.members() for word in ("--dip", dip.v6 if service.is_v6 else dip.v4)]
    lab.ask("service", "add", service.name, "--vip", service.vip, "--protocol", "udp", "--port", service.port, *dips)
    try:
        yield
    finally:
        lab.ask("service", "remove", service.name)


ASK = """
import collections, hashlib, json, socket, sys
vip, port, count, size = sys.argv[1], *map(int, sys.argv[2:5])
answers, lost = collections.Counter(), []
for number in range(count):
    # A socket for each question, as resolvers do: a new port, a new flow.
    with socket.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET, socket.SOCK_DGRAM) as client:
        if ":" not in vip:
            client.setsockopt(socket.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER, IP_PMTUDISC_DONT: never set DF
        client.settimeout(1)
        client.connect((vip, port))
        question = f"{number} ".encode().ljust(size, b"x")
        client.send(question)
        try:
            name, digest = client.recv(65535).decode().split()
        except OSError:  # no answer in time, or told that it was too big
            lost.append(number)
            continue
        assert digest == hashlib.sha256(question).hexdigest()
        answers[name] += 1
print(json.dumps({"answers": answers, "lost": len(lost), "which": lost}))
"""


def ask_udp(lab, service, count, size=40):
    """`count` questions of `size` bytes, each from a new port: who answered, and how many stayed without an answer."""
    argv = [PYTHON, "-c", ASK, service.vip, str(service.port), str(count), str(size)]
    return json.loads(lab.host("client1").run(argv).stdout)


@contextlib.contextmanager
def cut_off(lab, mux):
    """The cable between that MUX and everybody else is out."""
    router = lab.host("router")
    router.ip(f"link set {mux} down")
    try:
        yield
    finally:
        router.ip(f"link set {mux} up")
