# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""sluice-agent is told of drains and leaves with grace: orders of MUXes, the operator's hook, the last connection."""

import json
import signal

import pytest

from agent_net import STATUS, VIP4, AgentNet
from netns import wait_until

ORDER = {"vip": VIP4, "protocol": "tcp", "port": 80}


@pytest.fixture
def net(tmp_path):
    with AgentNet(tmp_path) as network:
        yield network


def hook(net, script='echo "$@ $SLUICE_VIP $SLUICE_PROTOCOL $SLUICE_PORT $SLUICE_DIP_PORT" >> "$OUT"'):
    path = net.directory / "hook"
    path.write_text(f"#!/bin/sh\nOUT={net.directory}/told\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def told(net):
    path = net.directory / "told"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def start(net, muxes='[ "10.0.0.0/24" ]', **settings):
    net.start([f'{{ address = "{VIP4}"; protocol = "tcp"; port = 80; dip_port = 8080; }}'],
              muxes=muxes, **settings)


def post(net, path, order, host=None):
    """(status, answer) of an order that the MUX's kernel sends."""
    text = (host or net.mux_host).run("curl", "-s", "-m", "10", "-w", "\n%{http_code}", "-d",
                                      order if isinstance(order, str) else json.dumps(order),
                                      f"http://{STATUS[0]}:{STATUS[1]}{path}")
    answer, _, status = text.rpartition("\n")
    return int(status), answer.strip()


def test_a_drain_runs_the_hook_and_tells_when_the_last_connection_is_gone(net):
    net.server(port=8080)
    path = hook(net)
    start(net, drain_hook=f'[ "{path}", "a b" ]')
    with net.connection() as connection:
        connection.request("GET", "/100")
        connection.getresponse().read()
        status, answer = post(net, "/drain", {**ORDER, "deadline_s": 600})
        assert status == 200 and json.loads(answer)["connections"] == 1, answer
        wait_until(lambda: told(net) == [f"a b draining {VIP4} tcp 80 8080"], "the hook to run")
        status = net.status()
        assert status["state"] == "alive" and net.ask("/healthz")[0] == 200, "the server goes on serving"
        assert status["vips"][0]["services"][0]["state"] == "draining"
        (drain,) = status["drains"]
        assert drain["connections"] == 1 and "empty_s" not in drain and 590 < drain["remaining_s"] <= 600
        connection.request("GET", "/101")
        assert len(connection.getresponse().read()) == 101
    wait_until(lambda: b"the last connection of 203.0.113.10 tcp port 80 is gone" in net.logged(), "the last connection")
    assert json.loads(post(net, "/drain", ORDER)[1])["connections"] == 0
    wait_until(lambda: net.status()["drains"][0].get("empty_s", -1) >= 0, "said in /status")
    assert post(net, "/undrain", ORDER)[0] == 200
    wait_until(lambda: told(net)[1:] == [f"a b alive {VIP4} tcp 80 8080"], "the hook to run again")
    assert net.status()["drains"] == []


def test_a_mux_that_asks_again_and_again_runs_the_hook_once(net):
    start(net, drain_hook=f'"{hook(net)}"')
    for _ in range(5):
        assert post(net, "/drain", ORDER)[0] == 200
    wait_until(lambda: net.status()["drain_hook"] == "done", "the hook to end")
    assert len(told(net)) == 1


def test_a_drain_is_over_at_its_deadline(net):
    start(net, drain_hook=f'"{hook(net)}"')
    assert post(net, "/drain", {**ORDER, "deadline_s": 1})[0] == 200
    wait_until(lambda: len(told(net)) == 2, "the end of the drain")
    assert told(net)[1].startswith("alive ") and net.status()["drains"] == []


@pytest.mark.parametrize("order,status,why", [
    ("drain!", 400, "the body is no JSON object"),
    ({**ORDER, "port": 81}, 400, "203.0.113.10 tcp port 81 is not served here"),
    ("x" * 5000, 413, "The request body is too long."),
])
def test_an_order_that_is_none_is_refused_with_a_sentence(net, order, status, why):
    start(net, drain_hook=f'"{hook(net)}"')
    assert post(net, "/drain", order) == (status, why)
    assert told(net) == [] and net.status()["drains"] == []


def test_only_muxes_give_orders(net):
    start(net, drain_hook=f'"{hook(net)}"')
    status, answer = post(net, "/drain", ORDER, host=net.client)
    assert status == 403
    assert answer == (
        "10.9.0.2 is no MUX of this server; if it is, write into the agent's file: "
        'muxes = [ "10.0.0.0/24", "10.9.0.2" ];'
    )
    assert told(net) == []


def test_without_more_only_who_is_on_the_servers_link_gives_orders(net):
    start(net, muxes='[ "link" ]', drain_hook=f'"{hook(net)}"')
    status, answer = post(net, "/drain", ORDER)
    assert status == 403 and answer.endswith('muxes = [ "link", "10.0.0.10" ];'), "a router stands between"
    assert post(net, "/drain", ORDER, host=net.dip)[0] == 403, "the server's own users are no MUX"
    assert told(net) == []
    assert post(net, "/drain", ORDER, host=net.router)[0] == 200
    wait_until(lambda: told(net) == [f"draining {VIP4} tcp 80 8080"], "the hook to run")


def test_a_hook_that_hangs_is_killed(net):
    start(net, drain_hook=f'"{hook(net, "sleep 1000")}"', drain_hook_timeout_s="1")
    assert post(net, "/drain", ORDER)[0] == 200
    wait_until(lambda: net.status()["drain_hook"] == "killed after 1 s", "the hook to be killed")
    assert net.ask("/healthz")[0] == 200


def test_leaving_waits_for_the_last_connection_and_says_so(net):
    net.server(port=8080)
    start(net, leave_s="60")
    with net.connection() as connection:
        connection.request("GET", "/100")
        connection.getresponse().read()
        net.agent.send_signal(signal.SIGTERM)
        wait_until(lambda: net.status()["state"] == "leaving", "leaving")
        assert net.ask("/healthz") == (503, b"leaving\n")
        connection.request("GET", "/101")
        assert len(connection.getresponse().read()) == 101
    assert net.agent.wait(timeout=20) == 0
    assert VIP4 not in net.dip.ip("-o", "address", "show", "dev", "lo")


def test_a_second_sigterm_waits_no_longer(net):
    net.server(port=8080)
    start(net, leave_s="60")
    with net.connection() as connection:
        connection.request("GET", "/100")
        connection.getresponse().read()
        net.agent.send_signal(signal.SIGTERM)
        wait_until(lambda: net.status()["state"] == "leaving", "leaving")
        net.agent.send_signal(signal.SIGTERM)
        assert net.agent.wait(timeout=20) == 0


def test_the_start_is_joining_until_the_check_was_answered(net):
    silent = net.dip.start("python3", "-c", "import socket, time; s = socket.create_server(('127.0.0.1', 8080)); time.sleep(60)")
    wait_until(lambda: "127.0.0.1:8080" in net.dip.run("ss", "-ltn"), "somebody who never answers")
    start(net, health='{ url = "http://127.0.0.1:8080/"; timeout_ms = 3000; }')
    assert net.status()["state"] == "joining" and net.status()["healthy"] is False
    wait_until(lambda: net.status()["state"] == "alive", "the first verdict")
    assert net.status()["healthy"] is False, "it is there, and ill"
    net.agent.send_signal(signal.SIGHUP)
    wait_until(lambda: net.logged().count(b" ready\n") == 2, "the fresh agent")
    assert net.status()["state"] == "restarting"
    silent.kill()


def test_packets_a_second_of_a_vip_are_told(net):
    net.server(port=8080)
    start(net)
    wait_until(lambda: "rx_pps" in net.status()["vips"][0], "the first figure")
    for _ in range(20):
        assert net.http("GET", "/10") == (200, b"x" * 10)
    wait_until(lambda: net.status()["vips"][0]["rx_pps"] > 1, "the packets of the requests")
    assert 0 <= net.status()["cpu"]["busy_10s_percent"] <= 100
