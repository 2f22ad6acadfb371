# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""What sluiced and the agent may still do once they have started: as the kernel tells of each of their threads, and as a
program finds it that they start. And that all they do can be done with that, as another user too."""
import pwd
import re
import shutil
from pathlib import Path

import pytest
from labtools import VIP4, VIP6, curl, drops, spread
from healthtools import wait_for
from lablib.topology import Shape

SHAPE = Shape(dips=2, neighbours=1)
USER = "nobody"  # any will do; every Debian has it
IIP4, IIP6 = "10.0.0.100", "2001:db8:a::100"
# <linux/capability.h>
NET_BIND_SERVICE, NET_ADMIN, NET_RAW, SYS_ADMIN, PERFMON, BPF = (1 << number for number in (10, 12, 13, 21, 38, 39))
FILTERED = 2  # SECCOMP_MODE_FILTER


def threads(pid):
    """name and number -> what /proc says of it."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = dict(re.findall(r"^(\w+):\t(.*)$", (task / "status").read_text(), re.M))
        found[status["Name"], int(task.name)] = status
    return found


def capabilities(status, which="CapEff"):
    return int(status[which], 16)


def assert_confined(pid, kept, uid=0):
    """The control thread has exactly these capabilities, the others none; all of them are bound the same way."""
    for (name, number), status in threads(pid).items():
        expected = kept if number == pid else 0
        assert capabilities(status) == capabilities(status, "CapPrm") == expected, (name, status)
        assert capabilities(status, "CapBnd") == kept, (name, status)
        assert capabilities(status, "CapInh") == capabilities(status, "CapAmb") == 0, (name, status)
        assert status["Uid"].split() == [str(uid)] * 4, (name, status)
        assert status["NoNewPrivs"] == "1" and int(status["Seccomp"]) == FILTERED, (name, status)


def wait_until(condition, seconds=15):
    wait_for(condition, seconds)


def conf_of(lab):
    return lab.directory("mux1") / "sluiced.conf"


def log_of(lab):
    return (lab.directory("mux1") / "sluiced.log").read_text()


@pytest.fixture
def control(lab):
    """control("..."): sluiced is started anew with these keys in `control`; as before at the end."""
    plain = conf_of(lab).read_text()

    def with_keys(keys):
        conf_of(lab).write_text(plain.replace("control: {", "control: { " + keys, 1))
        lab.stop("mux1", "sluiced")
        lab.start("mux1", "sluiced")
        return lab.daemon("mux1", "sluiced").pid

    try:
        yield with_keys
    finally:
        conf_of(lab).write_text(plain)
        lab.stop("mux1", "sluiced")
        lab.start("mux1", "sluiced")


@pytest.fixture
def users_directory(lab):
    """The MUX's directory belongs to USER, as /run/sluice does under systemd."""
    shutil.chown(lab.directory("mux1"), USER)
    try:
        yield
    finally:
        shutil.chown(lab.directory("mux1"), "root")


def test_sluiced_keeps_what_it_needs_and_nothing_else(lab):
    pid = lab.daemon("mux1", "sluiced").pid
    names = {name for name, _ in threads(pid)}
    assert {"sluiced", "rte-worker-1", "sluice-kernel"} <= names, names
    assert_confined(pid, NET_ADMIN | NET_RAW)
    assert "runs as user root with the capabilities: net_admin net_raw (other threads: none)" in log_of(lab)
    assert "keeps its privileges" not in log_of(lab)


def test_so_does_the_agent_also_after_a_reload(lab):
    agent = lab.daemon("dip1", "sluice-agent")
    kept = NET_ADMIN | SYS_ADMIN | PERFMON | BPF
    assert_confined(agent.pid, kept)
    log = Path(agent.log)
    readies = log.read_text().count(" ready\n")
    lab.host("dip1").run(["kill", "-HUP", str(agent.pid)])
    wait_until(lambda: log.read_text().count(" ready\n") > readies)
    assert_confined(agent.pid, kept)
    (filters,) = {int(status["Seccomp_filters"]) for status in threads(agent.pid).values()}
    assert filters == 1, "the kernel adds up filters; one that grows with every reload would end the agent one day"
    spread(lab, VIP4, 100)


FENCE = """fence_command = [ "/bin/sh", "-c",
  "grep Cap /proc/self/status > {told}.new; unshare --user true; echo refused $? >> {told}.new; mv {told}.new {told}" ]; """


def test_a_program_that_it_starts_has_no_capability_and_no_other_system_calls(lab, control):
    told = lab.directory("mux1") / "told"
    control(FENCE.format(told=told))
    neighbour = lab.spec("neighbour1")
    said = lab.host("mux1").run([*lab.ctl(), "iip", "add", neighbour.v4], check=False)
    assert "fence_command is started" in said.stderr, said
    wait_until(told.exists)
    found = dict(line.split() for line in told.read_text().splitlines())
    assert int(found["CapEff:"], 16) == int(found["CapPrm:"], 16) == 0, found
    assert int(found["CapBnd:"], 16) == NET_ADMIN | NET_RAW, found
    assert found["refused"] == "159", found  # 128 and SIGSYS
    spread(lab, VIP4, 100)


def test_other_capabilities_are_kept_and_other_answers_given_when_the_file_says_so(lab, control):
    pid = control('capabilities = "auto net_bind_service"; seccomp = "off"; ')
    for (name, number), status in threads(pid).items():
        kept = NET_ADMIN | NET_RAW | NET_BIND_SERVICE
        assert capabilities(status) == (kept if number == pid else 0), (name, status)
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "0", (name, status)
    assert "system calls are not filtered" in log_of(lab)


def test_a_user_that_is_not_there_is_named_before_anything_happens(lab, tmp_path):
    wrong = tmp_path / "wrong.conf"
    wrong.write_text(conf_of(lab).read_text().replace("control: {", 'control: { user = "no-such-user"; ', 1))
    ended = lab.host("mux1").run([str(lab.build / "sluiced"), "-c", str(wrong)], check=False)
    assert ended.returncode == 1
    assert 'control.user: there is no user "no-such-user"' in ended.stderr
    spread(lab, VIP4, 100)


def test_as_another_user_it_does_all_it_does_as_root(lab, control, users_directory):
    uid = pwd.getpwnam(USER).pw_uid
    pid = control(f'user = "{USER}"; ')
    assert_confined(pid, NET_ADMIN | NET_RAW, uid)
    assert f"runs as user {USER}" in log_of(lab)
    assert "cannot write in" not in log_of(lab)
    for vip in (VIP4, VIP6):
        assert set(spread(lab, vip, 200)) == {"dip1", "dip2"}

    # Addresses, and the question whether somebody has them.
    for address in (IIP4, IIP6):
        assert lab.ask("iip", "add", address)["done"]
        lab.host("router").run(["ping", "-c1", "-w10", address])
    neighbour = lab.spec("neighbour1")
    refused = lab.host("mux1").run([*lab.ctl(), "iip", "add", neighbour.v4], check=False)
    assert f"{neighbour.mac} has it" in refused.stderr
    for address in (IIP4, IIP6):
        lab.ask("iip", "remove", address)

    # Routes, probes of all kinds, the doctor, a reload, metrics.
    with_icmp = conf_of(lab).read_text().replace("port = 80;\n", 'port = 80; health = { type = "icmp"; interval_ms = 200; };\n')
    before = conf_of(lab).read_text()
    conf_of(lab).write_text(with_icmp)
    lab.ask("config", "reload")
    wait_until(lambda: {row["state"] for row in lab.ask("health", "list")} == {"up"})
    assert {row["state"] for row in lab.ask("route", "list")} == {"announced"}
    lab.ask("health", "check", "web", lab.spec("dip1").v4)
    conf_of(lab).write_text(before)
    lab.ask("config", "reload")
    page = lab.host("mux1").run(["curl", "-sSf", "-m", "5", "http://127.0.0.1:9107/metrics"]).stdout
    assert "sluice_" in page

    # A next process, by a restart and by a take-over: it starts as root and reads what the user wrote.
    figures = curl(lab, "-o", "/dev/null", "-w", "%{http_code}", f"http://{VIP4}/").stdout
    assert figures == "200"
    lab.stop("mux1", "sluiced")
    assert (lab.directory("mux1") / "sluice.sock.state").stat().st_uid == uid
    lab.start("mux1", "sluiced")
    assert isinstance(lab.ask("status")["restart"], dict), lab.ask("status")["restart"]
    lab.take_over("mux1")
    assert isinstance(lab.ask("status")["restart"], dict), lab.ask("status")["restart"]
    assert_confined(lab.daemon("mux1", "sluiced").pid, NET_ADMIN | NET_RAW, uid)
    spread(lab, VIP4, 200)
    assert drops(lab).get("kernel-refused", 0) == 0
