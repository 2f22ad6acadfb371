# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""What servers say of their load moves new flows and no old ones; a server that drains is told, and says when it is
empty."""
import contextlib
import json
import subprocess
import time

import pytest
from labtools import VIP4, assert_spread, assert_unharmed, on_every_server, spread
from lablib import programs
from lablib.topology import Shape
from lablib.traffic import PYTHON, steady

SHAPE = Shape(dips=4)
REPORTS = 9111  # where the servers of these tests say what a test wants them to say

# GET /status answers the file, whatever is in it by then.
REPORTER = """
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        with open(sys.argv[1], "rb") as file:
            body = file.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass

server = http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[2])), Handler)
print("listening", flush=True)
server.serve_forever()
"""


def report(lab, name, busy=50, rx_pps=1000.0, state="alive", **more):
    """From now on that server says so."""
    status = {"state": state, "healthy": True, "cpu": {"count": 4, "busy_percent": busy, "busy_10s_percent": busy},
              "vips": [{"address": VIP4, "connections": 1, "rx_pps": rx_pps}], **more}
    path = lab.directory(name) / "status.json"
    path.with_suffix(".new").write_text(json.dumps(status))
    path.with_suffix(".new").rename(path)


@pytest.fixture(scope="module")
def reporters(lab):
    for dip in lab.shape.hosts("dip"):
        report(lab, dip.name)
    argv = lambda dip: [PYTHON, "-c", REPORTER, str(lab.directory(dip.name) / "status.json"), str(REPORTS)]
    with on_every_server(lab, "reporter", argv):
        yield


@contextlib.contextmanager
def policy(lab, text, dips=None):
    """The service web with these keys more, and with `dips` (libconfig) in place of its own list."""
    conf = lab.directory("mux1") / "sluiced.conf"
    plain = conf.read_text()
    head = 'name = "web";'
    changed = plain.replace(head, f"{head} {text}", 1)
    if dips:
        begin = changed.index("dips = (", changed.index(head))
        changed = changed[:begin] + dips + changed[changed.index(" ); }", begin) + 1:]
    conf.write_text(changed)
    try:
        lab.ask("config", "reload")
        yield
    finally:
        conf.write_text(plain)
        lab.ask("config", "reload")
        for dip in lab.shape.hosts("dip"):
            if (lab.directory(dip.name) / "status.json").exists():
                report(lab, dip.name)


def agent_health(port=REPORTS):
    return f'health = {{ type = "agent"; port = {port}; interval_ms = 100; }};'


def until(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, f"not {what} after {seconds} s"
        time.sleep(0.1)  # sluicectl has no event for it
    return answer


def rows(lab, what="effective_weight"):
    """Of the group that the service has from the start; groups that are leaving have rows of their own."""
    names = {dip.v4: dip.name for dip in lab.shape.hosts("dip")}
    return {names[row["address"]]: row[what] for row in lab.ask("dip", "list", "web")
            if row["state"] != "down" and row["group"] == "default"}


def broken(lab):
    return sum(service["flows_broken"] for service in lab.ask("service", "list"))


ADAPTIVE = 'weights = "adaptive"; load = { interval_s = 1; }; transition: { deadline_s = 15; }; ' + agent_health()


def test_weights_follow_the_load_and_no_request_notices(lab, reporters):
    with policy(lab, ADAPTIVE), steady(lab, VIP4) as figures:
        written = lab.ask("config", "show")
        report(lab, "dip4", rx_pps=3000.0)  # as busy as the others with three times the work
        report(lab, "dip1", busy=100)
        until(lambda: rows(lab)["dip4"] > 2.7 and rows(lab)["dip1"] < 0.55, "weights by load")
        weights = rows(lab)
        assert weights["dip2"] == weights["dip3"] == 1 and set(rows(lab, "weight").values()) == {1}
        assert_spread(spread(lab), weights)
        assert lab.ask("config", "show") == written, "what the operator wrote stays"
        assert any(row["service"] == "web" for row in lab.ask("transition", "list"))
    assert_unharmed(figures)
    assert broken(lab) == 0
    until(lambda: set(rows(lab).values()) == {1}, "taken back with the configuration")


def test_who_lies_gets_no_more_than_its_bound(lab, reporters):
    until(lambda: set(rows(lab).values()) == {1}, "as configured")
    with policy(lab, ADAPTIVE):
        report(lab, "dip1", busy=0, rx_pps=9e9)
        until(lambda: rows(lab)["dip1"] > 3.6, "the liar at its bound")
        assert rows(lab) == {"dip1": pytest.approx(3.8, abs=0.2), "dip2": 1, "dip3": 1, "dip4": 1}
        for lie in ({"busy": -5}, {"busy": 1e300}, {"rx_pps": -1}, {"rx_pps": 1e300}, {"busy": "NaN"}, {"vips": None}):
            report(lab, "dip1", **{"busy": 0, "rx_pps": 9e9, **lie})
            until(lambda: rows(lab)["dip1"] == 1, f"the configured weight after {lie}")
            report(lab, "dip1", busy=0, rx_pps=9e9)
            until(lambda: rows(lab)["dip1"] > 1, "believed again")


def test_a_server_that_says_that_it_drains_keeps_its_flows_and_gets_no_new_ones(lab, reporters):
    with policy(lab, agent_health() + " load = { interval_s = 1; }; transition: { deadline_s = 15; };"), steady(lab, VIP4) as figures:
        report(lab, "dip2", state="draining")
        until(lambda: rows(lab, "state")["dip2"] == "draining", "draining")
        answers = spread(lab)
        assert "dip2" not in answers, answers
        for dip in lab.shape.hosts("dip"):
            report(lab, dip.name, state="leaving")
        until(lambda: set(rows(lab, "state").values()) == {"up"}, "served by all, since nobody is left otherwise")
        for dip in lab.shape.hosts("dip"):
            report(lab, dip.name)
    assert_unharmed(figures)
    assert broken(lab) == 0


def test_a_group_with_little_load_lends_a_server(lab, reporters):
    one, two, three, four = [dip.v4 for dip in lab.shape.hosts("dip")]
    groups = (f'groups = ( {{ name = "a"; weight = 1; dips = ( {{ address = "{one}"; }}, {{ address = "{two}"; }}, '
              f'{{ address = "{three}"; }} ); }}, {{ name = "b"; weight = 1; dips = ( {{ address = "{four}"; }} ); }} ')
    keys = ("balance_groups = true; load = { interval_s = 1; group_interval_s = 2; }; "
            "transition: { deadline_s = 30; }; " + agent_health())
    with policy(lab, keys, dips=groups):
        with steady(lab, VIP4) as figures:
            written = lab.ask("config", "show")
            for dip in ("dip1", "dip2", "dip3"):
                report(lab, dip, busy=20)
            report(lab, "dip4", busy=95)

            def lent():
                return [row for row in lab.ask("transition", "list") if row.get("lent")]

            (row,) = until(lent, "a server lent")
            assert row["lent"] == [{"dip": one, "from": "a", "to": "b"}]
            for dip in lab.shape.hosts("dip"):
                report(lab, dip.name, busy=50)
            now = {(r["group"], r["address"]) for r in lab.ask("dip", "list", "web") if r["state"] == "up"}
            assert now == {("b", one), ("a", two), ("a", three), ("b", four)}
            # Tier 1 still gives each group half: two servers each.
            assert_spread(spread(lab), {"dip1": 1, "dip2": 1, "dip3": 1, "dip4": 1})
        assert_unharmed(figures)
        log = (lab.directory("mux1") / "sluiced.log").read_text()
        assert f"DIP {one} goes from group a to group b, since group b is 95 % busy and group a 20 %" in log
        assert lab.ask("config", "show") == written
    assert broken(lab) == 0


# --- the agent is told ------------------------------------------------------------------------------------------------

# Long-lived HTTP connections: opens COUNT, one request each; "check" asks once more on each that is open.
HOLDER = """
import collections, json, re, select, socket, sys

def ask(s):
    s.sendall(b"GET / HTTP/1.1\\r\\nHost: web\\r\\n\\r\\n")
    answer = b""
    while True:
        head, blank, body = answer.partition(b"\\r\\n\\r\\n")
        if blank and len(body) >= int(re.search(rb"Content-Length: (\\d+)", head)[1]):
            return body.decode().strip()
        chunk = s.recv(65536)
        if not chunk:
            raise EOFError
        answer += chunk

open_, ended = {}, collections.Counter()
for _ in range(int(sys.argv[2])):
    s = socket.create_connection((sys.argv[1], 80), timeout=10)
    open_[s] = ask(s)
while True:
    ready = select.select([sys.stdin, *open_], [], [])[0]
    for s in set(ready) & set(open_):  # nothing was asked: the server ends it, and so do we
        try:
            ended[open_[s] + (" spoke" if s.recv(1) else " closed")] += 1
        except OSError:
            ended[open_[s] + " reset"] += 1
        s.close()
        del open_[s]
    if sys.stdin in ready:
        if not sys.stdin.readline():
            break
        counts = collections.Counter(ended)
        for s, name in open_.items():
            counts[name + (" open" if ask(s) == name else " moved")] += 1
        print(json.dumps(counts), flush=True)
"""

HOOK = """#!/bin/sh
echo "$1 $SLUICE_VIP $SLUICE_PROTOCOL $SLUICE_PORT" >> {dir}/hook.log
case "$1" in draining) keep=0 ;; *) keep=1h ;; esac
sed -i "s/keepalive_timeout .*/keepalive_timeout $keep;/" {dir}/nginx.conf
kill -HUP "$(cat {dir}/nginx.pid)"
"""


@contextlib.contextmanager
def hooks(lab):
    """The agents know their MUX and have a hook that switches nginx' keep-alive off and on."""
    dips = lab.shape.hosts("dip")
    for dip in dips:
        directory = lab.directory(dip.name)
        hook = directory / "hook"
        hook.write_text(HOOK.format(dir=directory))
        hook.chmod(0o755)
        extra = f'  muxes = [ "10.0.0.0/24" ];\n  drain_hook = [ "{hook}" ];\n'
        (directory / "agent.conf").write_text(programs.agent_conf(dip, extra=extra))
        lab.stop(dip.name, "sluice-agent")
        lab.start(dip.name, "sluice-agent")
    try:
        yield
    finally:
        for dip in dips:
            (lab.directory(dip.name) / "agent.conf").write_text(programs.agent_conf(dip))
            lab.stop(dip.name, "sluice-agent")
            lab.start(dip.name, "sluice-agent")


def agent_status(lab, name):
    answer = lab.host(name).run(["curl", "-sf", "-m", "5", f"http://127.0.0.1:{programs.AGENT_PORT}/status"])
    return json.loads(answer.stdout)


@pytest.mark.parametrize("stickiness", ["none", "flow"])
def test_a_drain_is_told_to_the_server_and_ends_with_its_last_connection(lab, stickiness):
    dip2 = lab.spec("dip2")
    hook_log = lab.directory("dip2") / "hook.log"
    hook_log.unlink(missing_ok=True)
    keys = f'stickiness = "{stickiness}"; transition: {{ deadline_s = 600; }}; ' + agent_health(programs.AGENT_PORT)
    with hooks(lab), policy(lab, keys):
        argv = lab.host("client1").wrap([PYTHON, "-c", HOLDER, VIP4, "60"])
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:

            def check():
                print("check", file=holder.stdin, flush=True)
                return json.loads(holder.stdout.readline())

            before = check()
            assert before["dip2 open"] > 0 and sum(before.values()) == 60, before
            assert not hook_log.exists()
            begin = time.monotonic()
            lab.ask("dip", "drain", "web", dip2.v4)
            until(lambda: hook_log.exists() and hook_log.read_text(), "the hook to run")
            assert hook_log.read_text() == f"draining {VIP4} tcp 80\n"
            (drain,) = agent_status(lab, "dip2")["drains"]
            assert (drain["vip"], drain["protocol"], drain["port"]) == (VIP4, "tcp", 80) and drain["remaining_s"] > 500
            until(lambda: "dip2" not in rows(lab), "out before its deadline")
            took = time.monotonic() - begin
            (drain,) = agent_status(lab, "dip2")["drains"]
            assert drain["connections"] == 0 and drain["empty_s"] > 0, drain
            print(f"{stickiness}: drained {before['dip2 open']} connections in {took:.1f} s of 600")
            after = check()
            others = {key: n for key, n in before.items() if not key.startswith("dip2")}
            assert {key: n for key, n in after.items() if not key.startswith("dip2")} == others, (before, after)
            assert after["dip2 closed"] == before["dip2 open"], after
            # It is wanted again: the hook is told that too.
            lab.ask("dip", "add", "web", dip2.v4)
            until(lambda: hook_log.read_text().endswith(f"alive {VIP4} tcp 80\n"), "the hook to run again")
            assert agent_status(lab, "dip2")["drains"] == []
            holder.stdin.close()
    assert broken(lab) == 0


def test_an_agent_takes_no_orders_from_strangers(lab):
    order = json.dumps({"vip": VIP4, "protocol": "tcp", "port": 80, "deadline_s": 60})
    url = f"http://{lab.spec('dip1').v4}:{programs.AGENT_PORT}/drain"
    with hooks(lab):
        post = ["curl", "-s", "-m", "5", "-d", order, "-w", "%{http_code}", url]
        answer = lab.host("client1").run(post).stdout
        assert answer.endswith("403") and "198.51.100.11 is no MUX of this server" in answer, answer
        assert agent_status(lab, "dip1")["drains"] == []
        assert not (lab.directory("dip1") / "hook.log").exists()
