# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""What operators, crashes and attackers do, in no order, under load. What must hold is looked at every second, and what
happened is told at the end. The seed is printed first; the same seed makes the same events as long as machines are as fast."""
import collections
import random
import re
import time

from floods import Flood, blast
from ground import COUNTER, HEALTH, PATIENCE, Table, Wrong, ground, missing, shown, told
from lablib import LabError
from lablib.topology import SERVICES, Shape
from lablib.traffic import steady

SHAPE = Shape(dips=4, spares=2, clients=2)
SECONDS = 180
POLICY = 'flows = 16384; transition: { deadline_s = 5; at_deadline = "keep"; };'
WARM_UP_S = 30  # tables and counters take their memory as they are used
GROWTH_BYTES = 64 * 1024 * 1024  # of resident memory from then on
UNDER_WAY = 20_000  # packets between two counters that are not read in the same moment
STAY = 2  # servers that serve at any time
PAUSE_S = (0.3, 1.5)  # between events


# --- what must hold ---------------------------------------------------------------------------------------------------


class Watch:
    def __init__(self, here):
        self.here, self.looks = here, 0
        self.begin = self.due = time.monotonic()
        self.totals = {}
        self.memory = self.resident = 0

    def look(self):
        """Once a second, however often it is asked."""
        if time.monotonic() < self.due:
            return
        self.due = time.monotonic() + 1
        self.looks += 1
        if not self.here.sluiced().alive():
            raise Wrong("sluiced is dead")
        self.monotone()
        self.conserved()
        self.flat()

    def monotone(self):
        """Counters only grow; those of a server that was removed and added begin anew."""
        now = {name: v for name, v in self.here.metrics().items() if "_total" in name and "dip=" not in name}
        for name, value in now.items():
            if value < self.totals.get(name, 0):
                raise Wrong(f"{name} went from {self.totals[name]:.0f} to {value:.0f}")
        self.totals = now

    def conserved(self):
        # Whoever reads may be interrupted between two counters: what is lost for good is missing every time.
        for _ in range(5):
            rows = self.here.lab.ask("port", "list")
            if all(abs(missing(row)) <= UNDER_WAY for row in rows):
                return
        raise Wrong(f"packets unaccounted for: {rows}")

    def flat(self):
        with open(f"/proc/{self.here.sluiced().pid}/status") as status:
            self.resident = 1024 * int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1])
        if time.monotonic() - self.begin < WARM_UP_S:
            self.memory = max(self.memory, self.resident)
        elif self.resident > self.memory + GROWTH_BYTES:
            raise Wrong(f"resident memory grew from {shown(self.memory)} to {shown(self.resident)} bytes")


# --- what happens -----------------------------------------------------------------------------------------------------


class Events:
    """Each method is an event and says what it did, or nothing when there was nothing to do."""

    def __init__(self, here, seed):
        self.here, self.lab, self.random = here, here.lab, random.Random(seed)
        self.address = {dip.name: dip.v4 for dip in here.lab.shape.hosts("dip")}
        self.weights = {dip.name: 1 for dip in here.lab.shape.members()}  # of those that the file names
        self.dead = set()

    def all(self):
        return (self.add, self.drain, self.close, self.weight, self.kill, self.revive, self.reload, self.flood)

    def listed(self):
        rows = self.lab.ask("dip", "list", COUNTER.name)
        return {name for name, address in self.address.items() if address in {row["address"] for row in rows}}

    def serving(self):
        return sorted(set(self.weights) - self.dead)

    def some(self, names):
        return self.random.choice(sorted(names))

    def a_weight(self):
        return self.random.randint(1, 9)

    def add(self):
        free = set(self.address) - self.listed()
        if not free:
            return None
        name, weight = self.some(free), self.a_weight()
        self.lab.ask("dip", "add", COUNTER.name, self.address[name], "--weight", weight)
        self.weights[name] = weight
        return name

    def drain(self):
        if len(self.serving()) <= STAY:
            return None
        name = self.some(self.serving())
        self.lab.ask("dip", "drain", COUNTER.name, self.address[name])
        del self.weights[name]
        return name

    def close(self):
        """The clients of a draining server go, so that it may go too; as many new ones come."""
        draining = self.listed() - set(self.weights) - self.dead
        if not draining:
            return None
        name = self.some(draining)
        self.here.connections.ask("close", name)
        self.here.connections.ask("renew")
        return name

    def weight(self):
        name, weight = self.some(self.serving()), self.a_weight()
        self.lab.ask("dip", "weight", COUNTER.name, self.address[name], weight)
        self.weights[name] = weight
        return f"{name} {weight}"

    def kill(self):
        """Of the web server, by whose health the service goes."""
        if len(self.serving()) <= STAY or self.dead:
            return None
        name = self.some(self.serving())
        self.lab.kill(name, "nginx")
        self.dead.add(name)
        return name

    def revive(self):
        """Once health has found it dead: the one thing for which its flows may move."""
        down = {row["address"] for row in self.lab.ask("health", "list") if row["state"] == "down"}
        found = [name for name in self.dead if self.address[name] in down or name not in self.listed()]
        if not found:
            return None
        name = self.some(found)
        self.lab.start(name, "nginx")
        self.dead.discard(name)
        return name

    def reload(self):
        """A file that says what commands have made of it, but for one weight, and a service that comes or goes."""
        name = self.some(self.weights)
        self.weights[name] = self.a_weight()
        self.write_file(beside=self.random.random() < 0.5)
        self.lab.ask("config", "reload")
        return f"{name} {self.weights[name]}"

    def write_file(self, beside=False):
        dips = ", ".join(f'{{ address = "{self.address[name]}"; weight = {w}; }}' for name, w in self.weights.items())
        face = f'name = "{COUNTER.name}"; vip = "{COUNTER.vip}"; protocol = "tcp"; port = {COUNTER.port};'
        blocks = [f"{{ {face} {POLICY} {HEALTH} dips = ( {dips} ); }}"]
        if beside:
            blocks.append(f'{{ name = "beside"; vip = "203.0.113.77"; protocol = "udp"; port = 9; dips = ( {dips} ); }}')
        text = self.lab.sluiced_conf("mux1", SERVICES)
        assert text.endswith("\n);\n")
        (self.lab.directory("mux1") / "sluiced.conf").write_text(text[:-4] + ",\n  " + ",\n  ".join(blocks) + "\n);\n")

    def flood(self):
        kind = self.random.choice(("syn", "ack", "udp", "icmp-errors"))
        with blast(self.lab, Flood(kind, kind, rate=30_000, seconds=1.0)) as send:
            send()
        return kind


# --- one after another ------------------------------------------------------------------------------------------------


class Soak:
    def __init__(self, here, seed, seconds):
        self.here, self.watch, self.events = here, Watch(here), Events(here, seed)
        self.end = time.monotonic() + seconds
        self.times = collections.Counter()
        self.refused = collections.Counter()
        self.moved = collections.Counter()  # connections, by server
        self.checks = 0

    def called_down(self):
        """Servers that health has ever found dead: the only cause for which a connection may break."""
        return {name for name, address in self.events.address.items() if f"DIP {address} is down" in self.here.log()}

    def connections_hold(self):
        for _ in range(PATIENCE):
            figures = self.here.connections.ask("check")
            if figures["intact"] + sum(figures["broken"].values()) == figures["all"]:
                break
            self.watch.look()
            # One on a server that just died stands still until health has seen it.
        self.checks += 1
        still = figures["all"] - figures["intact"] - sum(figures["broken"].values())
        strangers = {name: n for name, n in figures["broken_on"].items() if name not in self.called_down()}
        if strangers or still:
            raise Wrong(f"connections broke on servers that live: {strangers}, {still} stand still: {figures}")
        if figures["broken"]:
            self.moved.update(figures["broken_on"])
            self.here.connections.ask("renew")

    def one(self, number):
        event = self.events.random.choice(self.events.all())
        pause = self.events.random.uniform(*PAUSE_S)
        try:
            did = event()
        except LabError as refused:
            self.refused[event.__name__] += 1
            did = f"refused: {str(refused).splitlines()[0][-100:]}"
        if did:
            self.times[event.__name__] += 1
            print(f"  {time.strftime('%H:%M:%S')} {event.__name__} {did}", flush=True)
        until = time.monotonic() + pause
        while time.monotonic() < until:
            self.watch.look()
            time.sleep(0.1)  # the soak's own pace
        if number % 5 == 4:
            self.connections_hold()

    def run(self):
        number = 0
        while time.monotonic() < self.end:
            self.one(number)
            number += 1
        self.connections_hold()


def table_of(soak, table, requests):
    for event in soak.events.all():
        name = event.__name__
        survived = "all connections"
        if name == "kill":
            moved = ", ".join(f"{n} of {server}" for server, n in sorted(soak.moved.items()))
            survived = f"all but those of servers found dead ({moved or 'none'})"
        table.add((name, soak.times[name], soak.refused[name], survived))
    watch, events = soak.watch, soak.here.metrics()
    broken = {
        cause: int(sum(v for k, v in events.items() if k.startswith(f"sluice_flows_broken_{cause}_total")))
        for cause in ("dip_down", "deadline")
    }
    table.add(("packets conserved", watch.looks, "-", "every second, and to the last packet at the end"))
    table.add(("counters monotone", watch.looks, "-", f"{len(watch.totals)} counters"))
    table.add(("memory flat", watch.looks, "-", f"{watch.memory >> 20} MiB when warm, {watch.resident >> 20} MiB at the end"))
    wrong = [] if broken["deadline"] == 0 else ["flows were moved at a deadline that keeps them"]
    table.add(("no flow moved without cause", soak.checks, "-", f"flows broken: {broken}"), wrong)
    table.add(("short requests beside", sum(requests["answers"].values()), requests["failed"], "answered, failed (killed servers)"))


def all_events(table, seed, seconds):
    print(f"soak: seed {seed}, {seconds} s")
    with ground(SHAPE, POLICY) as here:
        soak = Soak(here, seed, seconds)
        soak.events.write_file()
        here.lab.ask("config", "reload")
        with steady(here.lab, connections=10, pause=0.05, timeout=5) as requests:
            soak.run()
        here.balanced()
        table_of(soak, table, requests)


def main(seconds=SECONDS, seed=None):
    seed = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    heads = (("event or what must hold", 27), ("times", 8), ("refused", 8), ("what survived", 0))
    return told(Table(*heads), lambda table: all_events(table, seed, seconds))


if __name__ == "__main__":
    raise SystemExit(1 if main()[1] else 0)
