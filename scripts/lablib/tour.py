# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Sluice in two minutes, on a lab of real kernels; every chapter checks what it shows

The story that scripts/demo tells: builds, raises the lab (docs/lab.md), and leaves a clean machine; --keep leaves the lab
up. Exit 0 only if every chapter held."""
import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from lablib import LabError, failover  # noqa: E402
from lablib.lab import Lab, describe  # noqa: E402
from lablib.programs import BIG_FILE, BIG_FILE_BYTES  # noqa: E402
from lablib.topology import Shape  # noqa: E402
from lablib.traffic import VIP4, VIP6, spread, steady, unlike, url  # noqa: E402

SHAPE = Shape(dips=4, spares=1, weights=(1, 1, 2, 4))
CONNECTIONS = 2000
BAR = 48


class DoesNotHold(Exception):
    """What a chapter promised and did not show."""


def hold(condition, sentence):
    if not condition:
        raise DoesNotHold(sentence)


def title(text):
    print(f"\n== {text}", flush=True)


def shown(command):
    """A command as one would type it, before its effect."""
    print(f"   $ {command}", flush=True)


def table(lab, answers, weights, six):
    total, whole = sum(answers.values()), sum(weights.values())
    widest = max(answers.values())
    print("   server  address         weight  due     got     connections")
    for name, weight in weights.items():
        got = answers.get(name, 0)
        bar = "█" * round(BAR * got / widest)
        address = lab.spec(name).v6 if six else lab.spec(name).v4
        print(f"   {name:7} {address:15} {weight:4}   {weight / whole:6.1%}  {got / total:6.1%}  {got:5} {bar}")


def check_spread(lab, figures, weights, six=False):
    hold(figures["failed"] == 0, f"{figures['failed']} connections failed: {figures['failures'][:1]}")
    table(lab, figures["answers"], weights, six)
    wrong = unlike(figures["answers"], weights)
    hold(not wrong, "; ".join(wrong))


def weights_of(lab):
    return {dip.name: lab.shape.weight(dip) for dip in lab.shape.members()}


# --- the chapters ---------------------------------------------------------------------------------------------------


def weighted_spread(lab):
    """One address, four servers in three subnets, by weight"""
    shown(f"scripts/lab exec client1 curl {url(VIP4)}        # {CONNECTIONS} times, a new connection each")
    check_spread(lab, spread(lab, VIP4, CONNECTIONS), weights_of(lab))
    print("   every share is within 5 % of what the weights say")


def server_added(lab):
    """A server joins while requests run"""
    dip5 = lab.spec("dip5")
    weights = {**weights_of(lab), "dip5": 4}
    with steady(lab, VIP6) as meanwhile:
        shown(f"scripts/lab ctl dip add web {dip5.v4} --weight 4")
        lab.ask("dip", "add", "web", dip5.v4, "--weight", 4)
        figures = spread(lab, VIP4, CONNECTIONS)
    check_spread(lab, figures, weights)
    hold(meanwhile["failed"] == 0 and meanwhile["moved"] == 0, f"requests meanwhile: {meanwhile}")
    print(f"   {sum(meanwhile['answers'].values())} further requests ran meanwhile, 0 failed")


def packet_explained(lab):
    """Where does a packet go, and why? The running stages answer"""
    source = f"{lab.spec('client1').v4}:20078"
    words = ["explain", "tcp", source, f"{VIP4}:80", "--syn"]
    shown("scripts/lab ctl " + " ".join(words))
    text = lab.host("mux1").run([*lab.ctl(), *words]).stdout
    print("   " + text.strip().replace("\n", "\n   "))
    told = lab.ask(*words)
    answered = lab.host("client1").run(["curl", "-sS", "-m", "10", "--local-port", "20078", url(VIP4)]).stdout.strip()
    address = lab.spec(answered).v4
    print(f"   and the packet itself, sent from that port, is answered by {answered} ({address})")
    hold(address in told["dip"], f"explain named {told['dip']}")


def replies_go_straight(lab):
    """Replies never meet the MUX"""
    shown(f"scripts/lab exec client1 curl -o /dev/null {url(VIP4, '/' + BIG_FILE)}        # {BIG_FILE_BYTES // 10**6} MB")
    before = counters(lab)
    size = lab.host("client1").run(
        ["curl", "-sSf", "-m", "60", "-o", "/dev/null", "-w", "%{size_download}", url(VIP4, f"/{BIG_FILE}")]
    ).stdout
    client, mux = (after - was for after, was in zip(counters(lab), before))
    print(f"   the router's kernel counted   to the client {client / 1e6:8.1f} MB")
    print(f"                                 from the MUX  {mux / 1e6:8.1f} MB   (requests and acknowledgements, encapsulated)")
    hold(int(size) == BIG_FILE_BYTES, f"only {size} bytes arrived")
    hold(client > BIG_FILE_BYTES, "the client's link carried less than the file")
    hold(0 < mux < BIG_FILE_BYTES / 10, "the MUX sent more than requests and acknowledgements")


def counters(lab):
    """(bytes sent to client1, bytes received from mux1) on the router's links."""
    (client,) = lab.host("router").ip_json("-s", "link", "show", "client1")
    (mux,) = lab.host("router").ip_json("-s", "link", "show", "mux1")
    return client["stats64"]["tx"]["bytes"], mux["stats64"]["rx"]["bytes"]


def ipv6(lab):
    """The same in IPv6"""
    shown(f"scripts/lab exec client1 curl '{url(VIP6)}'        # {CONNECTIONS} times")
    check_spread(lab, spread(lab, VIP6, CONNECTIONS), weights_of(lab), six=True)


def nothing_lost(lab):
    """Every packet is accounted for"""
    shown("scripts/lab ctl port list")
    (port,) = lab.ask("port", "list")
    parts = ("rx", "created", "tx", "punted", "dropped", "held")
    rx, created, tx, punted, dropped, held = (port[f"{name}_packets"] for name in parts)
    print(f"   received {rx} + created {created} = sent {tx} + to the kernel {punted} + dropped {dropped} + held {held}")
    hold(rx + created == tx + punted + dropped + held, "the balance does not hold")
    reasons = {row["reason"]: row["packets"] for row in lab.ask("drop", "list") if row["packets"]}
    print(f"   drops by reason: {reasons or 'none'}")
    hold(sum(reasons.values()) == dropped, "the reasons do not add up to the drops")


CHAPTERS = (weighted_spread, server_added, packet_explained, replies_go_straight, ipv6, nothing_lost)

NEXT = """
The lab stays up. What to type next:

  scripts/lab status                                  who is there
  scripts/lab exec client1 curl http://203.0.113.10/   a request
  scripts/lab ctl                                     the command line of mux1; ? helps
  scripts/lab ctl service show web                    the service, its servers, their weights
  scripts/lab ctl dip weight web 10.1.0.11 8          more for dip1
  scripts/lab ctl drop list                           what was dropped, and why
  scripts/lab exec dip1 curl -s http://127.0.0.1:9110/status      what the agent knows
  scripts/lab logs mux1                               what sluiced said
  scripts/lab down                                    remove it all
"""


def prepare(build):
    """What changed is built."""
    if not (build / "build.ninja").exists():
        subprocess.run(["meson", "setup", build, ROOT], check=True)
    subprocess.run(["ninja", "-C", build], check=True)


def play_failover(lab):
    """A table, a row for each failure; those that did not hold."""
    failover.prepare(lab)
    title(f"Every part killed, frozen, unplugged, under {failover.COUNT} downloads")
    print(f"   {failover.HEAD}")
    failed = []
    for row in failover.rows(lab):
        print("   " + failover.line(row), flush=True)
        failed += [row.what] if row.wrong else []
    print(f"   a dead server is out within 3 x {failover.INTERVAL_MS} ms + 0.5 s; only its own downloads broke")
    print(f"   a dead MUX is out of the router's routes, or its IIP is taken by the spare, within {failover.MUX_LIMIT_S:.0f} s")
    return failed


def play(lab):
    """All chapters; the names of those that did not hold."""
    failed = []
    for number, chapter in enumerate(CHAPTERS, 1):
        title(f"{number}. {chapter.__doc__}")
        try:
            chapter(lab)
        except (DoesNotHold, LabError, KeyError) as error:
            print(f"   DOES NOT HOLD: {error}")
            failed.append(chapter.__doc__)
    return failed


def main():
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the lab up and say what to type next")
    parser.add_argument("--failover", action="store_true", help="kill, freeze and unplug everything, and count")
    arguments = parser.parse_args()
    shape, story = (failover.SHAPE, play_failover) if arguments.failover else (SHAPE, play)
    count = len(failover.FAILURES_IN_TURN if arguments.failover else CHAPTERS)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lab = Lab(say=lambda text: print(f"   {text}", flush=True))
    if lab.is_up():
        raise LabError("a lab is up already: scripts/lab down first")
    prepare(lab.build)
    begin = time.monotonic()
    title(f"The lab: {describe(shape)}")
    lab.up(shape)
    stay = False
    try:
        failed = story(lab)
        stay = arguments.keep
    finally:
        if not stay:
            lab.down()
    title(f"The end, after {time.monotonic() - begin:.0f} s")
    print(f"   {count - len(failed)} of {count} chapters held" + "".join(f"\n   not: {f}" for f in failed))
    print(NEXT if stay else "   the lab is gone: namespaces, programs, hugepages and files are as before")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"demo: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
