# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""sluice-agent as a guest on its host: what it takes it gives back, also after a crash; what it tells is true."""

import os
import signal
import socket
import subprocess
import time

import pytest

from agent_net import (AGENT, CLIENT4, DIP4, ROOT, STATUS, VIP4, VIP6, AgentNet, packed, packet_socket, run_agent, udp_packet,
                       wrap)
from netns import wait_until


@pytest.fixture
def net(tmp_path):
    with AgentNet(tmp_path) as network:
        yield network


def programs(net):
    """Ids of the eBPF programs on the server's interface."""
    words = (net.dip.run("tc", "filter", "show", "dev", "eth0", "ingress") +
             net.dip.run("tc", "filter", "show", "dev", "eth0", "egress")).split()
    return [words[i + 1] for i, word in enumerate(words) if word == "id"]


# -- takes and gives back --


@pytest.mark.parametrize("own_clsact", [False, True])
def test_sigterm_leaves_the_host_as_it_was(net, own_clsact):
    net.dip.sysctl("net.ipv4.conf.eth0.rp_filter", 1)
    if own_clsact:
        net.dip.run("tc", "qdisc", "add", "dev", "eth0", "clsact")
    before = net.host_state()
    net.start(['{ address = "203.0.113.0/24"; }', f'{{ address = "{VIP6}"; }}', '{ address = "2001:db8:cb:1::/64"; }'])
    during = net.host_state()
    assert "sluice_ingress" in during and "sluice_egress" in during and "state.json" in during
    assert "local 203.0.113.0/24 dev lo" in during and VIP6 in during
    assert net.dip.sysctl("net.ipv4.conf.eth0.arp_ignore") == "1"
    assert net.dip.sysctl("net.ipv4.conf.eth0.arp_announce") == "2"
    assert net.dip.sysctl("net.ipv4.conf.eth0.rp_filter") == "2"
    assert net.stop() == 0
    assert net.host_state() == before


def test_what_the_operator_set_up_before_stays(net):
    net.dip.address("lo", VIP4 + "/32")
    before = net.host_state()
    net.start()
    assert net.stop() == 0
    assert net.host_state() == before


def test_a_setting_that_somebody_changed_meanwhile_stays(net):
    net.start()
    net.dip.sysctl("net.ipv4.conf.eth0.arp_ignore", 8)
    assert net.stop() == 0
    assert net.dip.sysctl("net.ipv4.conf.eth0.arp_ignore") == "8"


def test_a_qdisc_that_others_came_to_use_stays_with_their_filters(net):
    net.start()
    net.attach_other_program(priority=77)
    assert net.stop() == 0
    assert "pref 77 bpf" in net.dip.run("tc", "filter", "show", "dev", "eth0", "ingress")
    assert len(programs(net)) == 1


def test_a_killed_agent_goes_on_decapsulating_and_the_next_one_replaces_it(net):
    net.dip.sysctl("net.ipv4.conf.eth0.rp_filter", 1)
    before = net.host_state()
    net.server()
    net.start()
    old = programs(net)
    with net.connection() as connection:
        connection.request("GET", "/1000")
        assert len(connection.getresponse().read()) == 1000
        net.kill()
        connection.request("GET", "/1001")
        assert len(connection.getresponse().read()) == 1001
        net.start()
        new = programs(net)
        assert len(old) == len(new) == 2 and not set(old) & set(new)
        connection.request("GET", "/1002")
        assert len(connection.getresponse().read()) == 1002
    assert net.dip.ip("-o", "address", "show", "dev", "lo").count(VIP4) == 1
    assert net.stop() == 0
    assert net.host_state() == before


def test_the_next_agent_removes_what_is_no_longer_wanted(net):
    before = net.host_state()
    net.start(['{ address = "203.0.113.11"; }', '{ address = "203.0.113.12"; }'], tc_priority="20")
    net.kill()
    net.start(['{ address = "203.0.113.12"; }'], tc_priority="30")
    addresses = net.dip.ip("-o", "address", "show", "dev", "lo")
    assert "203.0.113.11" not in addresses and "203.0.113.12" in addresses
    assert len(programs(net)) == 2
    assert net.stop() == 0
    assert net.host_state() == before


def test_a_ledger_of_another_boot_is_not_believed(net):
    (net.directory / "state.json").write_text(
        '{"boot": "another", "namespace": 1, "addresses": ["10.1.0.11"], "interfaces": [], "qdiscs": [],'
        ' "tc_priority": 10, "sysctls": [{"path": "net/ipv4/conf/eth0/arp_ignore", "before": "5", "set": "0"}]}',
        encoding="utf-8")
    net.start()
    assert net.stop() == 0
    assert net.dip.sysctl("net.ipv4.conf.eth0.arp_ignore") == "0"


def test_sighup_reads_the_file_again_without_a_gap(net):
    net.server()
    net.start()
    with net.connection() as connection:
        connection.request("GET", "/1000")
        assert len(connection.getresponse().read()) == 1000
        net.config([f'{{ address = "{VIP4}"; }}', '{ address = "203.0.113.99"; }'])
        net.agent.send_signal(signal.SIGHUP)
        wait_until(lambda: net.logged().count(b" ready\n") == 2, "the fresh agent")
        connection.request("GET", "/1001")
        assert len(connection.getresponse().read()) == 1001
    assert net.http("GET", "/", address="203.0.113.99") == (200, b"dip")
    assert [v["address"] for v in net.status()["vips"]] == [VIP4, "203.0.113.99"]


def test_sighup_with_a_bad_file_changes_nothing(net):
    net.server()
    net.start()
    net.config(listn='"x"')
    net.agent.send_signal(signal.SIGHUP)
    wait_until(lambda: b'unknown key "listn"' in net.logged(), "the error in the log")
    assert net.http("GET", "/", address=VIP4) == (200, b"dip")


def test_a_vip_that_somebody_took_away_comes_back(net):
    net.start()
    net.dip.ip("address", "del", VIP4 + "/32", "dev", "lo")
    wait_until(lambda: VIP4 in net.dip.ip("-o", "address", "show", "dev", "lo"), "the VIP on lo again")


def test_an_interface_that_comes_back_is_served_again(net):
    net.server()
    net.start()
    address = [DIP4 + "/24", "2001:db8:1::11/64"]
    net.dip.ip("link", "del", "eth0")
    wait_until(lambda: b"eth0 is gone" in net.logged(), "the agent to notice")
    subprocess.run(["ip", "link", "add", "to-eth0", "netns", net.router.name, "type", "veth", "peer", "name", "eth0",
                    "netns", net.dip.name], check=True)
    for host, device in ((net.router, "to-eth0"), (net.dip, "eth0")):
        host.run("ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        host.ip("link", "set", device, "up")
    net.router.address("to-eth0", "10.1.0.1/24")
    for a in address:
        net.dip.address("eth0", a)
    net.dip.route("default", "10.1.0.1")
    wait_until(lambda: len(programs(net)) == 2, "the programs on the new interface")
    wait_until(lambda: net.logged().count(b"decapsulates on eth0") == 2, "the agent to hold it")
    assert net.http("GET", "/", address=VIP4) == (200, b"dip")


def test_systemd_is_told_when_the_agent_is_ready_and_when_it_stops(net, monkeypatch):
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(str(net.directory / "notify"))
    told.settimeout(10)
    monkeypatch.setenv("NOTIFY_SOCKET", str(net.directory / "notify"))
    net.start()
    assert b"READY=1" in told.recv(1000).splitlines()
    net.agent.send_signal(signal.SIGTERM)
    assert told.recv(1000) == b"STOPPING=1"
    told.close()


def test_the_server_is_silent_about_the_vip_on_the_wire(net):
    wire = packet_socket(net.router, "to-eth0")
    wire.settimeout(10)
    net.start()
    own = bytes.fromhex(net.router.mac("to-eth0").replace(":", ""))

    def arp(target):
        request = b"\0\x01\x08\0\x06\x04\0\x01" + own + packed("10.1.0.1") + bytes(6) + packed(target)
        wire.send(b"\xff" * 6 + own + b"\x08\x06" + request)

    arp(VIP4)
    arp(DIP4)  # answered, and so the one before has had its time
    while True:
        frame = wire.recv(2000)
        if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\x02":
            break
    assert frame[28:32] == packed(DIP4)
    wire.close()


# -- tells the truth --


def test_status_counts_open_connections_and_nothing_else(net):
    net.server(port=8080)  # listens on ::, so IPv4 clients have mapped addresses there
    net.server(DIP4, 9000, socket.AF_INET)
    net.start([f'{{ address = "{VIP4}"; protocol = "tcp"; port = 80; dip_port = 8080; }}',
               f'{{ address = "{VIP6}"; protocol = "tcp"; port = 8080; }}', f'{{ address = "{VIP6}"; }}'])

    def counts():
        status = net.status()
        by_vip = [v["connections"] for v in status["vips"]]
        assert status["connections"] == sum(by_vip)
        return by_vip

    assert counts() == [0, 0]
    with net.client.inside():
        four = [socket.create_connection((VIP4, 80)) for _ in range(7)]
        six = [socket.create_connection((VIP6, 8080)) for _ in range(3)]
        direct = socket.create_connection((DIP4, 9000))
    wait_until(lambda: counts() == [7, 3], "every connection counted")
    services = [v["services"] for v in net.status()["vips"]]
    assert [s["connections"] for s in services[0]] == [7]
    assert [s["connections"] for s in services[1]] == [3, 0]
    for connection in four[:5]:
        connection.close()
    wait_until(lambda: counts() == [2, 3], "closed connections to be gone")
    for connection in four[5:] + six + [direct]:
        connection.close()
    wait_until(lambda: counts() == [0, 0], "no connection left")


def test_status_tells_about_the_machine_and_the_tunnel(net):
    receiver = net.udp_server("0.0.0.0", 53)
    net.start()
    inner = udp_packet(CLIENT4, VIP4, 1000, 53, b"hello")
    net.mux.emit(wrap(inner, 4))
    assert receiver.recv(100) == b"hello"
    net.expect(1, "ipv4-in-ipv4")
    status = net.status()
    assert status["state"] == "alive" and status["healthy"] is True
    assert status["memory"]["total_bytes"] == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < status["memory"]["available_bytes"] < status["memory"]["total_bytes"]
    assert status["cpu"]["count"] == os.cpu_count() and 0 <= status["cpu"]["busy_percent"] <= 100
    assert status["load"]["average_1min"] == pytest.approx(os.getloadavg()[0], abs=2)
    (interface,) = status["interfaces"]
    assert interface.pop("rp_filter") in (0, 1, 2)
    assert interface == {"name": "eth0", "mtu_bytes": 1500, "inner_mtu_bytes": 1452}
    vip = status["vips"][0]
    assert (vip["address"], vip["rx_packets"], vip["rx_bytes"]) == (VIP4, 1, len(inner))


def test_healthz_carries_the_word_until_the_agent_drains(net):
    told = net.directory / "told"
    hook = net.directory / "hook"
    hook.write_text(f'#!/bin/sh\necho "$1" >> {told}\n', encoding="utf-8")
    hook.chmod(0o755)
    net.start(magic='"open-sesame"', drain_hook=f'"{hook}"')
    assert net.ask("/healthz") == (200, b"open-sesame")
    net.agent.send_signal(signal.SIGUSR1)
    wait_until(lambda: net.status()["state"] == "draining", "draining")
    assert net.ask("/healthz") == (503, b"draining\n")
    net.agent.send_signal(signal.SIGUSR2)
    wait_until(lambda: net.status()["state"] == "alive", "alive again")
    assert net.ask("/healthz") == (200, b"open-sesame")
    wait_until(lambda: told.exists() and told.read_text().split() == ["draining", "alive"], "the hook to run twice")


def test_healthz_follows_the_local_check(net):
    server = net.server("127.0.0.1", 8080, socket.AF_INET)
    net.start(health='{ url = "http://127.0.0.1:8080/"; expect = "dip"; interval_ms = 100; failures = 2; }')
    wait_until(lambda: net.ask("/healthz") == (200, b"sluice-ok"), "the first good answer")
    server.http.status = 500
    wait_until(lambda: net.ask("/healthz") == (503, b"ill\n"), "the server to count as ill")
    assert net.status()["healthy"] is False and net.status()["health"] == "HTTP status 500"
    server.http.status = 200
    wait_until(lambda: net.ask("/healthz")[0] == 200, "the server to count as well again")
    server.close()
    wait_until(lambda: net.ask("/healthz")[0] == 503, "a server that is gone to count as ill")


def raw_answer(net, request):
    with net.client.inside():
        peer = socket.create_connection(STATUS, timeout=10)
    peer.sendall(request)
    answer = b""
    while chunk := peer.recv(65536):
        answer += chunk
    peer.close()
    return answer


@pytest.mark.parametrize("request_bytes,status", [
    (b"GET /nothing HTTP/1.0\r\n\r\n", b"404"),
    (b"POST /status HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", b"405"),
    (b"GET / HTTP/1.1\r\nX: " + b"y" * 9000 + b"\r\n\r\n", b"431"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", b"413"),
    (b"\x16\x03\x01 this is no HTTP\r\n\r\n", b"400"),
])
def test_bad_requests_get_an_error_and_the_connection_is_closed(net, request_bytes, status):
    net.start()
    assert raw_answer(net, request_bytes).split()[1] == status
    assert net.ask("/healthz")[0] == 200


def test_slow_and_many_clients_do_not_hold_the_agent_up(net):
    net.start()
    with net.client.inside():
        slow = [socket.create_connection(STATUS, timeout=10) for _ in range(50)]
    for peer in slow:
        peer.sendall(b"GET /hea")
    assert net.ask("/healthz")[0] == 200
    begin = time.monotonic()
    for peer in slow:
        assert peer.recv(1) == b""  # closed by the agent
        peer.close()
    assert time.monotonic() - begin < 9


def test_one_connection_carries_many_probes(net):
    net.start()
    with net.connection(*STATUS) as connection:
        for _ in range(20):
            connection.request("GET", "/healthz")
            assert connection.getresponse().read() == b"sluice-ok"
        connection.request("HEAD", "/status?now")
        response = connection.getresponse()
        assert response.status == 200 and response.read() == b"" and int(response.headers["Content-Length"]) > 100


# -- refuses in one sentence --


def test_the_example_is_good():
    done = run_agent("-c", ROOT / "docs/examples/agent.conf", "--check")
    assert done.returncode == 0 and done.stdout.endswith("agent.conf: good\n")


def test_check_says_where_and_what(net):
    path = net.config(['{ address = "203.0.113.300"; }'], gue_prot="6080")
    done = run_agent("-c", path, "--check")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    text = path.read_text(encoding="utf-8").splitlines()
    for line, word in zip(lines, ("gue_prot", "203.0.113.300"), strict=True):
        file, number, sentence = line.split(":", 2)
        assert file == str(path) and word in text[int(number) - 1] and word in sentence


@pytest.mark.parametrize("words", [(), ("-c",), ("--nonsense",), ("-c", "/does/not/exist")])
def test_wrong_usage_ends_with_2(words):
    done = run_agent(*words)
    assert done.returncode == 2 and done.stderr + done.stdout != ""


def refusal(net, *words, **settings):
    done = subprocess.run(net.dip.command(AGENT, "-c", net.config(*words, **settings)), capture_output=True, text=True,
                          timeout=20, check=False)
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


def test_what_cannot_run_ends_with_1_and_changes_nothing(net):
    before = net.host_state()
    assert "there is no interface eth7" in refusal(net, interface='"eth7"')
    net.dip.ip("tuntap", "add", "tun7", "mode", "tun")
    assert "tun7 is no Ethernet interface" in refusal(net, interface='"tun7"')
    net.dip.ip("link", "del", "tun7")
    assert "cannot listen on 10.1.0.99" in refusal(net, listen='"10.1.0.99:9110"')
    assert f"VIP {DIP4} is an address of another interface" in refusal(net, [f'{{ address = "{DIP4}"; }}'])
    assert net.host_state() == before


def test_a_second_agent_is_refused_and_the_first_goes_on(net):
    net.start()
    during = net.host_state()
    assert "another sluice-agent runs" in refusal(net, listen=f'"{DIP4}:9111"')
    assert net.host_state() == during and net.ask("/healthz")[0] == 200


def test_the_place_of_another_program_is_not_taken(net):
    net.dip.run("tc", "qdisc", "add", "dev", "eth0", "clsact")
    net.attach_other_program(priority=10)
    before = net.host_state()
    assert "priority 10 of eth0 ingress is held by the eBPF program someone_else" in refusal(net)
    assert net.host_state() == before
