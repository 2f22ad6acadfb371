# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""What dies, hangs or is unplugged, and what clients notice: the table of `scripts/demo --failover` and its test.

Each row does one thing to the lab under 200 downloads and a stream of short requests, waits until somebody has noticed,
counts what broke, and mends it. A download is broken when it was reset, or gets no more bytes though the row is over."""
import contextlib
import time
from dataclasses import dataclass, field

from . import LabError, process, routing
from .topology import SERVICES, Service, Shape
from .traffic import VIP4, Downloads, steady

SHAPE = Shape(muxes=2, dips=4, routing="bird")
COUNT, RATE = 200, 30_000  # downloads, bytes a second each
INTERVAL_MS, FAILURES = 300, 3
SERVER_LIMIT_S = FAILURES * INTERVAL_MS / 1000 + 0.5
MUX_LIMIT_S = 1.0  # BFD: five packets of 100 ms; the pool: adverts of 100 ms, see docs/pool.md
SETTLE_S = 12  # for downloads to go on by a new way: the last one's retransmission timer has doubled a few times
HEALTH = f"interval_ms = {INTERVAL_MS}; timeout_ms = {INTERVAL_MS - 50}; failures = {FAILURES}; successes = 2;"
MUXES = ("mux1", "mux2")
IIP = "10.0.0.100"
POOL = f"""
iips: ( {{ address = "{IIP}"; home = "mux1"; }} );
pool: {{ name = "lab"; secret = "none that anybody must keep"; advert_ms = 100;
  members: ( {{ name = "mux1"; address = "10.0.0.11"; }}, {{ name = "mux2"; address = "10.0.0.12"; }} ); }};
"""
TOLD = Service("told-by-agents", "203.0.113.20", "tcp", 80)  # watched through the agents alone


class NotYet(LabError):
    """What was waited for did not come."""


@dataclass
class Row:
    what: str
    noticed_by: str
    seconds: float | None  # from the failure to the notice
    limit_s: float | None
    broken: dict  # server -> downloads
    may_break: tuple
    requests: int
    requests_failed: int
    resent: int  # TCP segments that clients and servers sent again
    wrong: list = field(default_factory=list)

    def judge(self):
        if self.seconds is None and self.limit_s:
            self.wrong.append("nobody noticed")
        elif self.limit_s and self.seconds > self.limit_s:
            self.wrong.append(f"noticed after {self.seconds:.2f} s, not within {self.limit_s:.2f}")
        strangers = {name: n for name, n in self.broken.items() if name not in self.may_break}
        if strangers:
            self.wrong.append(f"downloads of living servers broke: {strangers}")
        return self


def prepare(lab):
    """Short probes on both MUXes: HTTP for the VIP of the downloads; a second VIP goes by what the agents say. Both are a pool."""
    for mux in MUXES:
        text = lab.sluiced_conf(mux, (*SERVICES, TOLD))
        for service, kind in (("web", "http"), (TOLD.name, "agent")):
            mark = f'name = "{service}";'
            text = text.replace(mark, f'{mark} health = {{ type = "{kind}"; {HEALTH} }};', 1)
        (lab.directory(mux) / "sluiced.conf").write_text(text + POOL)
        lab.stop(mux, "sluiced")
    for mux in MUXES:
        lab.start(mux, "sluiced")
    # A router that lost its link asks for its neighbours' addresses once a second; most are quicker.
    lab.host("router").sysctl({f"net.ipv{v}.neigh.muxes.retrans_time_ms": 100 for v in (4, 6)})
    wait(lambda: all_well(lab), "all servers up and two next hops", 30)


def all_well(lab):
    return routing.next_hops(lab, VIP4) == set(MUXES) and all(
        row["state"] == "up" for mux in MUXES for row in lab.ask("health", "list", mux=mux)
    )


def wait(condition, what, seconds):
    """What other machines believe has no event on this side: asked until it holds. The seconds that it took."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > seconds:
            raise NotYet(f"not within {seconds} s: {what}")
        time.sleep(0.01)
    return time.monotonic() - begin


# --- who notices ----------------------------------------------------------------------------------------------------


def dip_is_down(lab, dip, service):
    addresses = (lab.spec(dip).v4, lab.spec(dip).v6)

    def on(mux):
        rows = lab.ask("health", "list", mux=mux)
        return any(r["service"] == service and r["address"] in addresses and r["state"] == "down" for r in rows)

    return lambda: all(on(mux) for mux in MUXES)


def next_hops_are(lab, *muxes):
    return lambda: routing.next_hops(lab, VIP4) == set(muxes)


# --- what is done, and how it is mended -------------------------------------------------------------------------------


@contextlib.contextmanager
def unplugged(lab, *devices):
    """Links of the router, down for the length of the block."""
    lab.host("router").ip("\n".join(f"link set {device} down" for device in devices))
    try:
        yield
    finally:
        lab.host("router").ip("\n".join(f"link set {device} up" for device in devices))


@contextlib.contextmanager
def frozen(lab, *daemons):
    found = [lab.daemon(*name) for name in daemons]
    for daemon in found:
        process.freeze(daemon)
    try:
        yield
    finally:
        for daemon in found:
            process.thaw(daemon)


@contextlib.contextmanager
def killed(lab, *daemons):
    for name in daemons:
        lab.kill(*name)
    try:
        yield
    finally:
        for name in daemons:
            lab.start(*name)


@contextlib.contextmanager
def bird_killed(lab):
    """The router's own daemon: its routes stay in the kernel, and the next one takes them over."""
    lab.kill("router", "bird")
    try:
        yield
    finally:
        (lab.directory("router") / "bird.ctl").unlink(missing_ok=True)
        routing.start_router(lab)


@contextlib.contextmanager
def by_the_iip(lab):
    """The router has one static route to the VIP, by the IIP, and mux1 holds it."""
    router = lab.host("router")
    router.ip(f"route add {VIP4} via {IIP} dev muxes metric 1")
    try:
        wait(lambda: mux1_holds_the_iip(lab), "mux1 holds the IIP", 30)
        router.run(["ping", "-c", "1", "-W", "2", IIP])
        wait(next_hops_are(lab, "mux1"), "the router sends to mux1", 10)
        yield
    finally:
        router.ip(f"route del {VIP4} via {IIP} dev muxes metric 1")


def mux1_holds_the_iip(lab):
    roles = [{row["name"]: row["role"] for row in lab.ask("mux", "list", mux=mux)} for mux in MUXES]
    if roles[0] != roles[1]:
        return False
    if roles[0]["mux2"] == "active" and roles[0]["mux1"] == "spare":
        lab.host("mux2").run([*lab.ctl("mux2"), "mux", "handover"], check=False)  # too early is refused: tried again
    return roles[0] == {"mux1": "active", "mux2": "spare"}


@dataclass
class Failure:
    what: str
    act: object  # a context manager of the lab
    noticed_by: str = ""
    noticed: object = None  # lab -> condition
    limit_s: float | None = None
    breaks: tuple = ()  # servers whose downloads may break
    lasts_s: float = 0.0  # how long it stays so after somebody noticed
    settles_s: float = 0.0  # for so long all must have been well before the next row
    way: object = contextlib.nullcontext  # lab -> the way that downloads take from the beginning of the row


def server(name, what, act):
    return Failure(f"server {name} {what}", act, "health", lambda lab: dip_is_down(lab, name, "web"), SERVER_LIMIT_S, (name,))


def both(name):
    return (name, "nginx"), (name, "sluice-agent")


def mux(what, act):
    return Failure(f"MUX mux1 {what}", act, "BFD", lambda lab: next_hops_are(lab, "mux2"), MUX_LIMIT_S)


def holder(what, act):
    return Failure(f"MUX with the IIP {what}", act, "pool", lambda lab: next_hops_are(lab, "mux2"), MUX_LIMIT_S, way=by_the_iip)


FAILURES_IN_TURN = (
    server("dip1", "unplugged", lambda lab: unplugged(lab, "dip1")),
    server("dip2", "frozen", lambda lab: frozen(lab, *both("dip2"))),
    server("dip3", "killed", lambda lab: killed(lab, *both("dip3"))),
    server("dip4", "loses nginx", lambda lab: killed(lab, ("dip4", "nginx"))),
    server("dip1", "has nginx frozen", lambda lab: frozen(lab, ("dip1", "nginx"))),
    # The agent's own service finds it dead; what it attached to the kernel goes on for all others.
    Failure(
        "agent of dip2 killed", lambda lab: killed(lab, ("dip2", "sluice-agent")), "health (agent)",
        lambda lab: dip_is_down(lab, "dip2", TOLD.name), SERVER_LIMIT_S,
    ),
    Failure(
        "agent of dip3 frozen", lambda lab: frozen(lab, ("dip3", "sluice-agent")), "health (agent)",
        lambda lab: dip_is_down(lab, "dip3", TOLD.name), SERVER_LIMIT_S,
    ),
    mux("unplugged", lambda lab: unplugged(lab, "mux1")),
    mux("frozen", lambda lab: frozen(lab, ("mux1", "sluiced"))),
    mux("killed", lambda lab: killed(lab, ("mux1", "sluiced"))),
    holder("killed", lambda lab: killed(lab, ("mux1", "sluiced"))),
    holder("frozen", lambda lab: frozen(lab, ("mux1", "sluiced"))),
    holder("unplugged", lambda lab: unplugged(lab, "mux1")),
    Failure(
        "router's link to all MUXes unplugged", lambda lab: unplugged(lab, *MUXES), "BFD",
        lambda lab: next_hops_are(lab), MUX_LIMIT_S,
    ),
    Failure("router's link to the client unplugged", lambda lab: unplugged(lab, "client1"), lasts_s=1.0),
    Failure("router's BIRD frozen", lambda lab: frozen(lab, ("router", "bird")), lasts_s=1.0, settles_s=2.0),
    Failure("router's BIRD killed", bird_killed, lasts_s=1.0, settles_s=2.0),
)


# --- one after another --------------------------------------------------------------------------------------------------


def resent_segments(lab):
    """RetransSegs of all clients and servers (RFC 4022 tcpRetransSegs)."""
    total = 0
    for host in lab.shape.hosts("client") + lab.shape.hosts("dip"):
        names, values = [
            line.split() for line in lab.host(host.name).run(["cat", "/proc/net/snmp"]).stdout.splitlines() if line.startswith("Tcp:")
        ]
        total += int(values[names.index("RetransSegs")])
    return total


def broken_downloads(downloads, may_break):
    """By server, once all others have gone on, or SETTLE_S have passed."""
    downloads.ask()
    deadline = time.monotonic() + SETTLE_S
    while True:
        time.sleep(1.0)  # in which a living download gets 30,000 bytes
        figures = downloads.ask()
        stopped = {name: figures["silent"].get(name, 0) + figures["broken"].get(name, 0) for name in figures["servers"]}
        broken = {name: count for name, count in stopped.items() if count}
        if set(broken) <= set(may_break) or time.monotonic() > deadline:
            return broken


def suffer(lab, failure, downloads):
    before, seconds = resent_segments(lab), None
    with steady(lab, VIP4, connections=10, pause=0.05, timeout=2) as requests:
        begin = time.monotonic()
        with failure.act(lab):
            if failure.noticed:
                with contextlib.suppress(NotYet):
                    wait(failure.noticed(lab), failure.what, 3 * failure.limit_s)
                    seconds = time.monotonic() - begin
            time.sleep(failure.lasts_s)
            # Where a way was lost, flows must go on by another one before it is mended; else they wait for it.
            others_serve = failure.breaks or (failure.noticed and routing.next_hops(lab, VIP4))
            broken = broken_downloads(downloads, failure.breaks) if others_serve else None
        if broken is None:
            broken = broken_downloads(downloads, failure.breaks)
    row = Row(
        failure.what, failure.noticed_by, seconds, failure.limit_s, broken, failure.breaks,
        sum(requests["answers"].values()) + requests["failed"], requests["failed"], resent_segments(lab) - before,
    )
    return row.judge()


def mend(lab, settles_s):
    """All as it was before the first row: servers and MUXes in use, no transition under way, and no flow remembered whose
    addresses and ports a later one may have."""
    well_since = None

    def has_settled():
        nonlocal well_since
        if not all_well(lab):
            well_since = None
            return False
        well_since = well_since or time.monotonic()
        return time.monotonic() - well_since >= settles_s

    wait(has_settled, "all servers up and two next hops", 40)
    for name in MUXES:
        for service in {row["service"] for row in lab.ask("transition", "list", mux=name)}:
            lab.ask("transition", "finish", service, mux=name)
        lab.ask("flow", "flush", "web", mux=name)


def rows(lab, failures=FAILURES_IN_TURN):
    """Yields a Row for each failure, each with downloads of its own."""
    for failure in failures:
        with failure.way(lab), Downloads(lab, count=COUNT, rate=RATE) as downloads:
            downloads.wait_until_all_run()
            row = suffer(lab, failure, downloads)
        mend(lab, failure.settles_s)
        yield row


HEAD = f"{'failure':39} {'noticed by':15} {'after':>7}  {f'broken of {COUNT}':15} {'requests failed':>16} {'segments resent':>16}"


def line(row):
    after = f"{row.seconds:.2f} s" if row.seconds is not None else "-"
    broken = ", ".join(f"{count} ({name})" for name, count in sorted(row.broken.items())) or "0"
    failed = f"{row.requests_failed} of {row.requests}"
    text = f"{row.what:39} {row.noticed_by or '-':15} {after:>7}  {broken:15} {failed:>16} {row.resent:16}"
    return text + "".join(f"\n    WRONG: {sentence}" for sentence in row.wrong)
