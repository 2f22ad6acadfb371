# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""The ground that floods, faults and the soak share: a lab, connections through its VIP that never pause, what Sluice
counted meanwhile, and a table of what was tried and what survived.

Nothing here fails because a machine is slow: connections are asked until they have gone on, and times are reported."""
import contextlib
import os
import re
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "scripts"), str(ROOT / "tests" / "lab")]

from connections import COUNTER, conf_text, counter_servers, hold  # noqa: E402
from labtools import drops, new_drops, port  # noqa: E402, F401
from lablib import process  # noqa: E402
from lablib.lab import Lab  # noqa: E402

PREFIX = os.environ.get("SLUICE_TEST_LAB", "sluice-test")
COUNT = 200  # connections
PATIENCE = 12  # checks of 2.5 s: a segment that was lost again and again is sent again after 0.2, 0.4, … 12.8 s
POLICY = "flows = 4096; transition: { deadline_s = 600; };"
# Probes run all the time, and nothing that lasts a few seconds may bring a server down.
HEALTH = 'health = { type = "tcp"; port = 80; interval_ms = 1000; timeout_ms = 900; failures = 6; };'


class Wrong(Exception):
    """What did not hold, in a sentence."""


class Ground:
    """A lab that is up, and its connections."""

    def __init__(self, lab, connections):
        self.lab, self.connections = lab, connections

    # --- the connections ---

    def times(self):
        """How long the exchanges since the last question took."""
        return self.connections.ask("times")

    def intact(self):
        """How many of the connections have gone on; asked again while some have not."""
        for _ in range(PATIENCE):
            figures = self.connections.ask("check")
            if figures["broken"] or figures["intact"] == figures["all"]:
                break
        if figures["broken"]:
            print(f"  broken: {figures['broken']}")
        return figures["intact"]

    def service(self, name=COUNTER.name):
        (row,) = [row for row in self.lab.ask("service", "list") if row["name"] == name]
        return row

    # --- what Sluice counted ---

    def metrics(self):
        """{'name{labels}': value} of the metrics page."""
        page = self.lab.host("mux1").run(["curl", "-sSf", "-m", "5", "http://127.0.0.1:9107/metrics"]).stdout
        return {name: float(value) for name, value in re.findall(r"^(sluice\S+?(?:\{.*?\})?) (\S+)$", page, re.M)}

    def balanced(self, seconds=10):
        """Every packet is accounted for, at the first quiet moment. The ports."""
        deadline = time.monotonic() + seconds
        while unbalanced := [row for row in self.lab.ask("port", "list") if missing(row)]:
            if time.monotonic() > deadline:
                raise Wrong(f"packets unaccounted for: {unbalanced}")
        return self.lab.ask("port", "list")

    # --- the program ---

    def sluiced(self):
        return self.lab.daemon("mux1", "sluiced")

    def log(self):
        return (self.lab.directory("mux1") / "sluiced.log").read_text(errors="replace")

    def wait(self, condition, what, seconds=20):
        """sluicectl has no events: asked until it holds. The seconds that it took."""
        begin = time.monotonic()
        while not condition():
            if time.monotonic() - begin > seconds:
                raise Wrong(f"not within {seconds} s: {what}")
            time.sleep(0.02)
        return time.monotonic() - begin


def shown(number):
    return f"{number / 1000:.0f}k" if number >= 10_000 else f"{number:.0f}"


def missing(row):
    """Packets of a port that came and of which nobody knows where they went."""
    came = row["rx_packets"] + row["created_packets"]
    return came - sum(row[f"{way}_packets"] for way in ("tx", "punted", "dropped", "held"))


def configure(lab, policy=POLICY, change=lambda text: text):
    """The lab's configuration with the counter's service and health probes, as `change` makes it."""
    text = change(conf_text(lab, f"{policy} {HEALTH}"))
    (lab.directory("mux1") / "sluiced.conf").write_text(text)


@contextlib.contextmanager
def ground(shape, policy=POLICY, change=None):
    """`change`: of the configuration's text, where a start is needed for it."""
    lab = Lab(prefix=PREFIX)
    lab.down()  # what an interrupted run left
    lab.up(shape)
    try:
        configure(lab, policy, change or (lambda text: text))
        if change:
            lab.stop("mux1", "sluiced")
            lab.start("mux1", "sluiced")
        else:
            lab.ask("config", "reload")
        with counter_servers(lab):
            connections = hold(lab, COUNT)
            try:
                here = Ground(lab, connections)
                if (intact := here.intact()) != COUNT:
                    raise Wrong(f"only {intact} of {COUNT} connections opened")
                unsettle(lab)
                yield here
            except BaseException:
                last_words(lab)
                raise
            finally:
                connections.stop()
    finally:
        lab.down()


def unsettle(lab):
    """The map is another one from here on, so that only the flow tables know where most of the connections belong."""
    for dip, weight in zip(lab.shape.members(), (7, 2, 5, 1)):
        lab.ask("dip", "weight", COUNTER.name, dip.v4, weight)
    lab.ask("transition", "finish", COUNTER.name)


def last_words(lab):
    for daemon in lab.daemons():
        if daemon.program == "sluiced" or not daemon.alive():
            print(f"--- {daemon.title()}{'' if daemon.alive() else ' (DEAD)'}:", *process.threads_of(daemon), *process.tail(daemon.log, 25), sep="\n    ")


# --- the table ------------------------------------------------------------------------------------------------------


class Table:
    """Printed row by row, as they come."""

    def __init__(self, *heads):
        """(title, width) each; the last one is as wide as it likes."""
        self.heads = heads
        self.failures, self.rows, self.passed = [], 0, 0

    def line(self, cells):
        parts = [f"{cell:{'>' if n and n + 1 < len(cells) else '<'}{self.heads[n][1]}}" for n, cell in enumerate(map(str, cells))]
        return "  ".join(parts).rstrip()

    def add(self, cells, wrong=()):
        text = self.line(cells) + "".join(f"\n    WRONG: {sentence}" for sentence in wrong)
        if not self.rows:
            print(self.line([title for title, _ in self.heads]))
        print(text, flush=True)
        self.rows += 1
        self.failures += [f"{cells[0]}: {sentence}" for sentence in wrong]
        self.passed += not wrong


def told(table, run):
    """Runs it; (rows that hold, sentences of those that do not) as tests/run.py counts them."""
    try:
        run(table)
    except Exception as error:  # a lab that does not come up is a failure like any other
        traceback.print_exc()
        table.failures.append(f"{type(error).__name__}: {error}")
    return table.passed, table.failures
