# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""scripts/lab as an operator types it: up, used, down, and nothing of it left; a failed `up` says why."""
import os
import stat
import subprocess
from pathlib import Path

import pytest
from conftest import PREFIX, ROOT
from lablib.host import run

LAB = ROOT / "scripts" / "lab"


def lab(*words, check=True, **environment):
    done = subprocess.run(
        [LAB, *words], capture_output=True, text=True, timeout=600, env={**os.environ, "SLUICE_LAB": PREFIX, **environment}
    )
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def traces():
    """All that a lab could leave on the machine."""
    meminfo = Path("/proc/meminfo").read_text().splitlines()
    return {
        "namespaces": sorted(p.name for p in Path("/run/netns").glob("*")),
        "links": [line.split(":")[1] for line in run(["ip", "-o", "link", "show"]).stdout.splitlines()],
        "mounts": sorted(Path("/proc/mounts").read_text().splitlines()),
        "hugepages": [line for line in meminfo if line.startswith("HugePages_Total")],
        "run": sorted(p.name for p in Path("/run").iterdir() if p.name != "netns"),
        "hugetlb files": sorted(p.name for p in Path("/dev/hugepages").glob("*")),
        "processes": sorted(p for p in processes() if PREFIX in p),
    }


def processes():
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            yield (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue


@pytest.fixture
def clean():
    lab("down")
    before = traces()
    yield
    lab("down")
    assert traces() == before


def test_up_serves_and_down_leaves_nothing(clean):
    before = traces()
    lab("up", "--dips", "2")
    assert lab("exec", "client1", "curl", "-sS", "-m", "10", "http://203.0.113.10/").stdout.strip() in ("dip1", "dip2")
    assert '"ready"' in lab("ctl", "--json", "status").stdout
    assert lab("ctl", "mux1", "--json", "status").stdout.startswith("{")
    assert "sluiced runs" in lab("status").stdout
    assert "ready" in lab("logs", "mux1").stdout
    assert traces() != before
    lab("down")
    assert traces() == before


@pytest.mark.parametrize("routing", ["bird", "frr", "exabgp"])
def test_routing_daemons_leave_nothing(clean, routing):
    before = traces()
    lab("up", "--muxes", "2", "--dips", "1", "--routing", routing)
    assert "is DEAD" not in lab("status").stdout
    lab("down")
    assert traces() == before


def test_up_while_up_says_so_and_another_shape_is_refused(clean):
    lab("up", "--bare", "--dips", "2")
    assert "is up already" in lab("up", "--bare", "--dips", "2").stdout
    other = lab("up", "--bare", "--dips", "3", check=False)
    assert other.returncode == 1 and "another shape" in other.stderr
    assert "scripts/lab down first" in other.stderr


def test_down_ends_what_an_operator_left_running_inside(clean):
    lab("up", "--bare", "--dips", "1")
    inside = subprocess.Popen([LAB, "exec", "dip1", "sleep", "60173"], env={**os.environ, "SLUICE_LAB": PREFIX})
    while "sleep 60173" not in " ".join(processes()):
        assert inside.poll() is None
    lab("down")
    assert inside.wait(10) != 0


def test_exec_gives_the_commands_own_exit_code(clean):
    lab("up", "--bare", "--dips", "1")
    assert lab("exec", "router", "sh", "-c", "exit 7", check=False).returncode == 7
    unknown = lab("exec", "dip9", "true", check=False)
    assert unknown.returncode == 1 and 'no host named "dip9"' in unknown.stderr and "dip1" in unknown.stderr


def test_a_failed_up_names_the_line_and_cleans_up(clean, tmp_path):
    """The programs are stand-ins: the agent serves, sluiced says why it cannot."""
    write_program(tmp_path / "sluice-agent", "exec python3 -c '" + STANDIN_AGENT + "'")
    write_program(tmp_path / "sluicectl", "exit 1")
    write_program(tmp_path / "sluiced", "echo 'port uplink: no such device lb7'; exit 1")
    failed = lab("up", "--dips", "1", check=False, SLUICE_BUILD=str(tmp_path))
    assert failed.returncode == 1
    assert "sluiced on mux1" in failed.stderr
    assert "port uplink: no such device lb7" in failed.stderr
    assert "is down" in lab("status", check=False).stdout


STANDIN_AGENT = (
    "import http.server as h; H = h.BaseHTTPRequestHandler; "
    "H.do_GET = lambda s: (s.send_response(200), s.end_headers()); "
    'h.HTTPServer(("0.0.0.0", 9110), H).serve_forever()'
)


def write_program(path, body):
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_a_namespace_of_somebody_else_is_not_touched(clean):
    run(["ip", "netns", "add", f"{PREFIX}-dip1"])
    try:
        refused = lab("up", "--bare", "--dips", "1", check=False)
        assert refused.returncode == 1 and f"{PREFIX}-dip1" in refused.stderr
        assert Path(f"/run/netns/{PREFIX}-dip1").exists()
    finally:
        run(["ip", "netns", "del", f"{PREFIX}-dip1"])


@pytest.mark.parametrize(
    "words,says",
    [
        (["up", "--dips", "0"], "from 1 to 200"),
        (["up", "--dips", "2", "--weights", "1,2,3"], "3 weights for 2 servers"),
        (["up", "--driver", "dpdk"], "invalid choice"),
        (["ctl", "status"], "the lab is not up"),
        (["exec", "client1", "true"], "the lab is not up"),
        (["lift"], "invalid choice"),
    ],
)
def test_a_wrong_word_is_told_what_would_be_right(words, says):
    lab("down")
    done = lab(*words, check=False)
    assert done.returncode in (1, 2)
    assert says in done.stderr
