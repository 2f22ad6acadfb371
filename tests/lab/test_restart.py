# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""sluiced stops and starts under downloads and connections that last: the next process goes on where the one before
stopped, and what it cannot read it refuses, and forwards by the map."""
import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest
from connections import COUNTER, Downloads, conf_text, counter_servers, hold
from labtools import VIP4, assert_spread, spread
from lablib import LabError, process
from lablib.topology import Shape

SHAPE = Shape(dips=4, spares=1)
CONNECTIONS, DOWNLOADS, RESTARTS = 200, 200, 10
PATIENCE = 8  # checks
POLICY = "transition: { deadline_s = 600; };"


def conf_of(lab):
    return lab.directory("mux1") / "sluiced.conf"


def state_file(lab):
    return lab.directory("mux1") / "sluice.sock.state"


def log_of(lab):
    return (lab.directory("mux1") / "sluiced.log").read_text()


def restart(lab):
    lab.stop("mux1", "sluiced")
    lab.start("mux1", "sluiced")


@pytest.fixture(scope="module")
def load(lab):
    """Connections and downloads whose servers only the flow tables know: the maps were others when they began."""
    conf_of(lab).write_text(conf_text(lab, POLICY))
    lab.ask("config", "reload")
    with counter_servers(lab):
        running = [hold(lab, CONNECTIONS), Downloads(lab, DOWNLOADS)]
        try:
            assert_intact(running, "opened")
            text = conf_of(lab).read_text()
            for dip, weight in zip(lab.shape.hosts("dip"), (7, 2, 5, 1)):
                text = text.replace(f'"{dip.v4}"; weight = 1', f'"{dip.v4}"; weight = {weight}')
            conf_of(lab).write_text(text)
            lab.ask("config", "reload")
            for service in ("web", COUNTER.name):
                lab.ask("transition", "finish", service)
            assert lab.ask("transition", "list") == []
            yield running
        finally:
            for client in running:
                client.stop()


@contextlib.contextmanager
def unanswered(lab):
    """How long nobody answered a ping to the VIP, in s."""
    argv = lab.host("client1").wrap(["ping", "-q", "-i", "0.01", VIP4])
    outage = {}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as ping:
        try:
            yield outage
        finally:
            ping.send_signal(signal.SIGINT)
        said = ping.stdout.read()
    sent, answered, ms = map(int, re.search(r"(\d+) packets transmitted, (\d+) received.* time (\d+)ms", said).groups())
    outage["s"] = (1 - answered / sent) * ms / 1000


def assert_intact(load, after):
    for client, what in zip(load, ("connections", "downloads")):
        for _ in range(PATIENCE):  # TCP sends again the later, the longer nobody answered
            figures = client.ask("check")
            if figures["broken"] or figures["intact"] == figures["all"]:
                break
        print(f"{figures['intact']} of {figures['all']} {what} intact: {after}")
        assert figures["intact"] == figures["all"], figures


def test_many_of_these_flows_are_not_where_the_map_is(lab, load):
    """Or the tests below would show nothing."""
    rows = lab.ask("dip", "list", COUNTER.name)
    slots = sum(row["slots"] for row in rows)
    elsewhere = sum(max(0, row["flows"] - CONNECTIONS * row["slots"] / slots) for row in rows)
    assert elsewhere > CONNECTIONS / 5, rows


def test_ten_restarts_break_nothing(lab, load):
    for turn in range(RESTARTS):
        with unanswered(lab) as outage:
            restart(lab)
        status = lab.ask("status")["restart"]
        print(f"restart {turn + 1}: {outage['s']:.2f} s without an answer; {status}")
        assert status["flows"] >= CONNECTIONS + DOWNLOADS, status
        assert status["flows_gone"] == status["flows_no_room"] == status["flows_wrong"] == status["tables_refused"] == 0
        assert_intact(load, f"restart {turn + 1}")
    assert not state_file(lab).exists()


def test_ten_take_overs_break_nothing(lab, load):
    for turn in range(RESTARTS):
        with unanswered(lab) as outage:
            lab.take_over("mux1")
        status = lab.ask("status")["restart"]
        print(f"take-over {turn + 1}: {outage['s']:.2f} s without an answer; {status}")
        assert status["flows"] >= CONNECTIONS + DOWNLOADS, status
        assert_intact(load, f"take-over {turn + 1}")
    figures = load[1].ask("check", pause=6)
    assert figures["intact"] == figures["all"], figures


@contextlib.contextmanager
def systemd(path):
    """What NOTIFY_SOCKET hears; a barrier passes once it is read."""
    heard = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        server.settimeout(0.2)
        done = threading.Event()

        def listen():
            while not done.is_set():
                with contextlib.suppress(TimeoutError):
                    text, descriptors, _, _ = socket.recv_fds(server, 4096, 1)
                    heard.append(text.decode())
                    for descriptor in descriptors:
                        os.close(descriptor)

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield heard
        finally:
            done.set()
            thread.join()


def test_a_take_over_in_the_background_becomes_the_main_process_of_systemds_service(lab, load, tmp_path):
    """The drop-in of docs/restart.md: the command comes back when the next process is ready."""
    before = lab.daemon("mux1", "sluiced")
    with systemd(tmp_path / "notify") as heard, open(before.log, "ab") as log:
        argv = [str(lab.build / "sluiced"), "-c", str(conf_of(lab)), "--take-over", "--background"]
        command = subprocess.run(
            lab.host("mux1").wrap(["env", f"NOTIFY_SOCKET={tmp_path / 'notify'}", *argv]),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=120, check=False,
        )
        assert command.returncode == 0
        assert lab.ask("status")["ready"] and not before.alive()
        deadline = time.monotonic() + 20
        while not any("READY=1" in text for text in heard):
            assert time.monotonic() < deadline, heard
            time.sleep(0.02)
    (pid,) = re.findall(r"^MAINPID=(\d+)$", "\n".join(heard), re.M)
    # It has no other parent by now than the one that adopts orphans; the lab has to know it, to stop it.
    lab.stop("mux1", "sluiced")
    lab.record(process.Daemon("mux1", "sluiced", int(pid), process.started_at(int(pid)), before.log))
    assert_intact(load, "a take-over in the background")


def test_one_that_fails_in_the_background_says_so_and_the_old_one_goes_on(lab, load, tmp_path):
    wrong = tmp_path / "wrong.conf"
    wrong.write_text(conf_of(lab).read_text().replace("control: {", 'control: { user = "no-such-user"; ', 1))
    before = lab.daemon("mux1", "sluiced")
    argv = [str(lab.build / "sluiced"), "-c", str(wrong), "--take-over", "--background"]
    command = lab.host("mux1").run(argv, check=False)
    assert command.returncode == 1 and "there is no user" in command.stderr, command
    assert before.alive() and lab.ask("status")["ready"]
    assert_intact(load, "a take-over that failed")


def test_a_start_that_fails_leaves_the_state_to_the_next(lab, load):
    plain = conf_of(lab).read_text()
    conf_of(lab).write_text(plain.replace("iface=lb0", "iface=lb9"))
    lab.stop("mux1", "sluiced")
    with pytest.raises(LabError, match="the device cannot be opened"):
        lab.start("mux1", "sluiced")
    conf_of(lab).write_text(plain)
    lab.start("mux1", "sluiced")
    assert lab.ask("status")["restart"]["flows"] >= CONNECTIONS + DOWNLOADS
    assert_intact(load, "a start that failed, and one that did not")


def test_the_flows_are_listed_as_before(lab, load):
    def flows():
        rows = lab.ask("flow", "list", COUNTER.name, "--limit", 10 * CONNECTIONS)
        return {row["source"]: row["dip"] for row in rows if row["state"] == "established"}

    before = flows()
    assert len(before) == CONNECTIONS
    restart(lab)
    assert flows() == before


def test_a_drain_goes_on(lab, load):
    dip = lab.spec("dip2").v4
    conf_of(lab).write_text(re.sub(rf'\{{ address = "{dip}"; weight = \d+; \}},\n', "", conf_of(lab).read_text()))
    lab.ask("config", "reload")
    (before,) = [row for row in lab.ask("transition", "list") if row["service"] == COUNTER.name]
    assert before["flows_old"] > 0
    restart(lab)
    (after,) = [row for row in lab.ask("transition", "list") if row["service"] == COUNTER.name]
    assert after["flows_old"] == before["flows_old"] and after["slots_moved"] == before["slots_moved"]
    assert 0 < after["remaining_s"] <= before["remaining_s"]
    state = {row["address"]: row["state"] for row in lab.ask("dip", "list", COUNTER.name)}
    assert state[dip] == "draining"
    assert_intact(load, "a restart while a server drains")


def test_a_server_that_only_a_command_added_leaves_gently(lab, load):
    spare = lab.spec("dip5").v4
    lab.ask("dip", "add", COUNTER.name, spare, "--weight", 50)
    later = hold(lab, CONNECTIONS)
    try:
        assert_intact([later], "opened")
        assert later.ask("check")["servers"]["dip5"] > CONNECTIONS / 5
        restart(lab)
        state = {row["address"]: row["state"] for row in lab.ask("dip", "list", COUNTER.name)}
        assert state[spare] == "draining"
        assert_intact(load, "a restart that takes a server out")
        assert_intact([later], "the connections on that server too")
    finally:
        later.stop()


def cut_short(data):
    return data[: len(data) // 2]


def of_version_9(data):
    return data[:8] + struct.pack("<I", 9) + data[12:]


def with_a_changed_flow(data):
    """The last byte before the directory belongs to the last table."""
    (directory,) = struct.unpack_from("<Q", data, 24)
    return data[: directory - 9] + bytes([data[directory - 9] ^ 255]) + data[directory - 8 :]


@pytest.mark.parametrize(
    "change, sentence",
    [
        (cut_short, "is cut short"),
        (of_version_9, "is of version 9, and this program reads version 1"),
        (with_a_changed_flow, "1 tables could not be read: their flows follow the map"),
        (lambda data: b"", "is cut short: 0 bytes"),
        (lambda data: b"x" * 100_000, "is not a state file of Sluice"),
    ],
    ids=["cut-short", "other-version", "changed", "empty", "something-else"],
)
def test_what_cannot_be_read_is_refused_and_forwarding_goes_on(lab, load, change, sentence):
    lab.stop("mux1", "sluiced")
    data = state_file(lab).read_bytes()
    state_file(lab).write_bytes(change(data))
    said = len(log_of(lab))
    lab.start("mux1", "sluiced")
    assert sentence in log_of(lab)[said:]
    assert not state_file(lab).exists()
    metrics = lab.host("mux1").run(["curl", "-sSf", "-m", "5", "http://127.0.0.1:9107/metrics"]).stdout
    refused = dict(re.findall(r"^(sluice_restart_\w*refused) (\d+)$", metrics, re.M))
    assert sorted(refused.values()) == ["0", "1"], refused
    spread(lab, connections=200)


def test_a_stale_file_is_refused(lab):
    lab.stop("mux1", "sluiced")
    data = bytearray(state_file(lab).read_bytes())
    data[32] ^= 1  # of the boot's name
    state_file(lab).write_bytes(data)
    said = len(log_of(lab))
    lab.start("mux1", "sluiced")
    assert "its head was changed since it was written" in log_of(lab)[said:]


def test_after_a_kill_there_is_nothing_to_take_over(lab):
    os.kill(lab.daemon("mux1", "sluiced").pid, signal.SIGKILL)
    lab.stop("mux1", "sluiced")
    lab.start("mux1", "sluiced")
    assert lab.ask("status")["restart"] == "nothing to take over"
    assert_spread(spread(lab), {"dip1": 7, "dip3": 5, "dip4": 1})
