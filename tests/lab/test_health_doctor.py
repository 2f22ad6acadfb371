# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""The probe doctor: something on the way to a real server is broken, and `health check` names it."""
import contextlib
import os
import signal
from pathlib import Path

import pytest
from labtools import INSIDE, PYTHON, VIP4
from lablib import process
from lablib.host import run
from lablib.topology import LATER_SERVICES, Shape

SHAPE = Shape(dips=2)
DNS = LATER_SERVICES[0]


@pytest.fixture
def doctor(lab, health):
    """doctor(): what `health check web` says of dip1, by the service's own question."""
    health('health = { type = "http"; path = "/"; expect = "dip"; interval_ms = 1000; through = "vip"; };')

    def check(service="web", name="dip1"):
        return lab.ask("health", "check", service, lab.spec(name).v4)

    return check


def steps(told):
    return {step["step"]: step["ok"] for step in told["steps"]}


@contextlib.contextmanager
def without_agent(lab, name):
    assert lab.stop(name, "sluice-agent")
    try:
        yield
    finally:
        lab.start(name, "sluice-agent")


@contextlib.contextmanager
def frozen_agent(lab, name):
    """It cannot set right what is broken now."""
    pid = lab.daemon(name, "sluice-agent").pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_server_that_is_well(doctor):
    told = doctor()
    assert told["ok"] is True, told
    assert told["verdict"] == "all is well: next hop, tunnel, VIP and server"
    assert steps(told) == dict.fromkeys(["next hop", "server", "agent", "tunnel", "answer", "large packets"], True)
    assert told["steps"][4]["text"] == "HTTP status 200, the word is there"


def test_ipv6_is_examined_as_well(lab, doctor):
    address = lab.spec("dip1").v6
    assert lab.ask("health", "check", "web6", address)["verdict"] == "all is well: next hop, tunnel, VIP and server"
    with without_agent(lab, "dip1"):
        told = lab.ask("health", "check", "web6", address)
    assert told["verdict"].startswith("the tunnel is not decapsulated on the server: no agent answers there "), told
    router = lab.host("router")
    router.ip("link set dip1 mtu 1400")
    try:
        told = lab.ask("health", "check", "web6", address)
    finally:
        router.ip("link set dip1 mtu 1600")
    assert told["verdict"].startswith("small packets arrive, large ones are lost"), told


def test_the_operator_sees_steps_and_verdict(lab, doctor):
    doctor()
    shown = process_text(lab, "health", "check", "web", lab.spec("dip1").v4)
    assert "verdict  all is well: next hop, tunnel, VIP and server" in shown
    assert "large packets" in shown and "HTTP status 200, the word is there" in shown


def process_text(lab, *words):
    return run([*lab.ctl("mux1"), *words]).stdout


def test_no_agent_takes_the_outer_header_off(lab, doctor):
    with without_agent(lab, "dip1"):
        told = doctor()
    assert told["ok"] is False
    assert told["verdict"].startswith("the tunnel is not decapsulated on the server: no agent answers there "), told
    assert "connection refused" in told["verdict"]
    assert steps(told)["server"] is True and steps(told)["tunnel"] is False and steps(told)["answer"] is None


def test_an_agent_that_does_not_know_the_vip(lab, doctor):
    conf = lab.directory("dip1") / "agent.conf"
    good = conf.read_text()
    conf.write_text(good.replace(f'"{VIP4}"', '"203.0.113.99"'))
    os.kill(lab.daemon("dip1", "sluice-agent").pid, signal.SIGHUP)
    try:
        told = wait_for_verdict(doctor, "the tunnel is not decapsulated on the server: ")
        assert told["verdict"].endswith("its agent runs, but the VIP is not among its vips")
        assert steps(told)["agent"] is False
    finally:
        conf.write_text(good)
        os.kill(lab.daemon("dip1", "sluice-agent").pid, signal.SIGHUP)
        wait_for_verdict(doctor, "all is well")


def wait_for_verdict(doctor, beginning, tries=10):
    """A signal takes its time: each question is a whole walk there and back."""
    for _ in range(tries):
        told = doctor()
        if told["verdict"].startswith(beginning):
            return told
    raise AssertionError(told)


def test_the_vip_is_not_on_the_server(lab, doctor):
    """Decapsulated, and nobody there to take it; the agent, which would set it right, is frozen."""
    dip1 = lab.host("dip1")
    with frozen_agent(lab, "dip1"):
        dip1.ip(f"addr del {VIP4}/32 dev lo")
        told = doctor()
        dip1.ip(f"addr add {VIP4}/32 dev lo scope host")
    assert told["verdict"].startswith("the server is there, but the tunnel is silent, and no agent answers"), told
    assert "the VIP is not on the server" in told["verdict"] and "one of: " in told["verdict"]


def test_nothing_listens_on_the_vip(lab, doctor):
    pid = lab.daemon("dip1", "nginx").pid
    conf = lab.directory("dip1") / "nginx.conf"
    good = conf.read_text()
    conf.write_text(good.replace("listen 80 ", "listen 8080 "))
    os.kill(pid, signal.SIGHUP)
    try:
        told = wait_for_verdict(doctor, "nothing listens on ")
        assert told["verdict"] == f"nothing listens on {VIP4}:80 on the server: the connection was refused there"
    finally:
        conf.write_text(good)
        os.kill(pid, signal.SIGHUP)
        wait_for_verdict(doctor, "all is well")


def test_the_servers_rp_filter(lab, doctor):
    """Answers from the VIP leave by another interface than tunnel packets come in by, and the filter is strict.

    The agent sees the new interface and may make the filter lenient again: then it is made strict once more."""
    dip1 = lab.host("dip1")
    dip1.ip("link add back0 type veth peer name back1\nlink set back0 up\nlink set back1 up")
    dip1.ip(f"rule add from {VIP4} lookup 100\nroute add default dev back0 table 100")

    def asked_with_a_strict_filter():
        dip1.sysctl({"net.ipv4.conf.eth0.rp_filter": 1})
        return doctor()

    try:
        wait_for_verdict(
            asked_with_a_strict_filter, "the server's kernel drops what was decapsulated: rp_filter is 1 there"
        )
        dip1.sysctl({"net.ipv4.conf.eth0.rp_filter": 2})
        told = doctor()
    finally:
        dip1.sysctl({"net.ipv4.conf.eth0.rp_filter": 0})
        dip1.ip(f"rule del from {VIP4} lookup 100\nlink del back0")
    assert "one of: a firewall rule on the server, an answer that leaves by an interface that" in told["verdict"], told


def test_an_answer_that_does_not_find_back(lab, doctor):
    """A router on the way back lets no packet of the VIP's address pass, as source filters do."""
    router = lab.host("router")
    router.ip(f"rule add from {VIP4} lookup 101\nroute add blackhole default table 101")
    try:
        told = doctor()
    finally:
        router.ip(f"rule del from {VIP4} lookup 101\nroute del blackhole default table 101")
    assert told["verdict"].startswith("the server answered, and its answer was lost on the way back"), told


def test_our_own_rp_filter(lab, doctor):
    mux = lab.host("mux1")
    mux.ip(f"route add {VIP4}/32 dev lo")
    mux.sysctl({"net.ipv4.conf.sluice0.rp_filter": 1})
    try:
        told = doctor()
    finally:
        mux.sysctl({"net.ipv4.conf.sluice0.rp_filter": 2})
        mux.ip(f"route del {VIP4}/32 dev lo")
    assert told["verdict"].startswith("the answer from the VIP came back, and this MUX's own kernel refused it: rp_filter is 1"), told


def test_large_packets_are_lost(lab, doctor):
    """A bridge drops what its port is too narrow for, and says nothing."""
    router = lab.host("router")
    router.ip("link set dip1 mtu 1400")
    try:
        told = doctor()
    finally:
        router.ip("link set dip1 mtu 1600")
    assert told["verdict"].startswith("small packets arrive, large ones are lost between here and the server"), told
    assert steps(told)["answer"] is True and steps(told)["large packets"] is False


def test_a_wrong_answer(lab, doctor, health):
    health('health = { type = "http"; path = "/gone"; };')
    told = doctor()
    assert told["verdict"] == (
        "the way is good, the answer is wrong: HTTP status 404; at its own address the server says the same"
    )
    health('health = { type = "http"; expect = "another word"; };')
    assert "HTTP status 200, the word is not there" in doctor()["verdict"]


def test_no_next_hop(lab, doctor):
    mux = lab.host("mux1")
    mux.ip("route add unreachable 10.1.0.11/32")
    try:
        told = wait_for_verdict(doctor, "no next hop to the server: ")
        assert steps(told)["next hop"] is False and steps(told)["tunnel"] is None
    finally:
        mux.ip("route del unreachable 10.1.0.11/32")
        wait_for_verdict(doctor, "all is well")


def test_a_server_that_is_switched_off(lab, doctor):
    router = lab.host("router")
    router.ip("link set dip1 down")
    try:
        told = doctor()
    finally:
        router.ip("link set dip1 up")
    assert told["verdict"].startswith(("the server does not answer at all", "no route to the server behind ")), told
    assert steps(told)["server"] is False
    wait_for_verdict(doctor, "all is well")


@contextlib.contextmanager
def datagram_service(lab, bound_to, health):
    """A UDP server on dip1, bound to that address, and a service of it with that health section."""
    log = str(lab.directory("dip1") / "dns.log")
    Path(log).unlink(missing_ok=True)
    daemon = process.start(lab.host("dip1"), "echo.py", [PYTHON, str(INSIDE / "echo.py"), "dip1", bound_to, "53"], log)
    conf = lab.directory("mux1") / "sluiced.conf"
    before = conf.read_text()
    dips = f'dips = ( {{ address = "{lab.spec("dip1").v4}"; }} );'
    service = f'{{ name = "dns"; vip = "{DNS.vip}"; protocol = "udp"; port = 53; {dips} {health} }}'
    try:
        process.wait_until(daemon, lambda: "listening" in process.tail(log, 1), "listening", 10)
        conf.write_text(before.replace("services: (", f"services: (\n{service},"))
        lab.ask("config", "reload")
        yield
    finally:
        conf.write_text(before)
        lab.ask("config", "reload")
        process.stop(daemon)


ASKED = 'health = { type = "udp"; payload = "who"; expect = "dip1"; through = "vip"; };'


def test_a_datagram_server_that_is_well(lab, doctor):
    with datagram_service(lab, DNS.vip, ASKED):
        told = doctor("dns")
        assert told["verdict"] == "all is well: next hop, tunnel, VIP and server", told
        assert steps(told)["answer"] is True


def test_a_datagram_server_that_answers_from_the_wrong_address(lab, doctor):
    """Bound to every address, it answers from the server's own: the classic mistake."""
    with datagram_service(lab, "0.0.0.0", ASKED):
        told = doctor("dns")
    assert told["verdict"].startswith(f"the reply came from the wrong source 10.1.0.11 in place of {DNS.vip}:53"), told


def test_a_datagram_port_where_nobody_listens(lab, doctor):
    with datagram_service(lab, "127.0.0.1", ASKED):
        told = doctor("dns")
    assert told["verdict"].startswith(f"nothing listens on {DNS.vip}:53 on the server"), told


def test_a_datagram_service_without_a_question(lab, doctor):
    with datagram_service(lab, DNS.vip, ""):
        told = doctor("dns")
    assert told["verdict"].startswith("the clients' way cannot be tried: the service is UDP"), told


def test_what_is_not_there(lab, doctor):
    for words, sentence in (
        (("web", "10.1.0.99"), 'service web has no DIP "10.1.0.99"; its DIPs: 10.1.0.11, 10.2.0.12'),
        (("wbe", "10.1.0.11"), 'no service named "wbe"'),
    ):
        done = run([*lab.ctl("mux1"), "health", "check", *words], check=False)
        assert done.returncode == 1 and sentence in done.stderr, done
