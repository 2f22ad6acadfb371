# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""A fleet of appliances behind a router with equal-cost routes: flows, appliances that die, a transition, probes. What it
finds is held against the claims of docs/scale.md by tests/test_scale.py; run by hand it prints them.

One flow is two numbers: its hash in the router and its slot in the map. All appliances have the same maps; each has the
flow table of what reached it."""
import random
import statistics
from dataclasses import dataclass

import maps


# --- the router ---------------------------------------------------------------------------------------------------------


class Modulo:
    """Next hop = hash mod the number of those alive: when one dies, nearly every flow gets another."""

    name = "plain ECMP"

    def __init__(self, appliances):
        self.live = list(range(appliances))

    def appliance(self, flow_hash):
        return self.live[flow_hash % len(self.live)]

    def lose(self, dead):
        self.live = [a for a in self.live if a not in dead]


class Resilient:
    """Buckets that keep their next hop while it lives ("resilient" or "consistent" hashing of switches)."""

    name = "resilient ECMP"

    def __init__(self, appliances, buckets=8192):
        self.bucket = [i % appliances for i in range(buckets)]

    def appliance(self, flow_hash):
        return self.bucket[flow_hash % len(self.bucket)]

    def lose(self, dead):
        live = sorted(set(self.bucket) - set(dead))
        orphans = [i for i, a in enumerate(self.bucket) if a in dead]
        held = {a: self.bucket.count(a) for a in live}
        for i in orphans:
            heir = min(live, key=lambda a: (held[a], a))
            self.bucket[i] = heir
            held[heir] += 1


# --- appliances die --------------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    flows: int
    rerouted: int  # reach another appliance than before
    moved: int  # reach another server than before: broken
    most_over_mean: float  # load of the fullest appliance that is left
    largest_table: int


@dataclass
class Change:
    """A transition from map `before` to `after`; `young`: share of the flows that began since; `over`: only `after` is left."""

    before: list
    after: list
    young: float
    over: bool = False


def flows_of(count, seed):
    source = random.Random(seed)
    return [(source.getrandbits(32), source.randrange(maps.SLOTS), source.random()) for _ in range(count)]


def server_at_home(change, slot, age):
    """Where the flow has been since its first packet: its appliance remembers."""
    return change.after[slot] if age < change.young else change.before[slot]


def server_elsewhere(change, slot):
    """Where another appliance sends its next packet, which opens no flow and is in no table (docs/transitions.md): by the
    old map while the transition lasts, then by the new one."""
    return change.after[slot] if change.over else change.before[slot]


def lose_appliances(router, change, appliances, dead, flows):
    home = [router.appliance(h) for h, _, _ in flows]
    router.lose(set(dead))
    now = [router.appliance(h) for h, _, _ in flows]
    rerouted = moved = 0
    for (_, slot, age), a, b in zip(flows, home, now):
        rerouted += a != b
        moved += a != b and server_at_home(change, slot, age) != server_elsewhere(change, slot)
    load = [now.count(a) for a in range(appliances) if a not in dead]
    return Outcome(len(flows), rerouted, moved, max(load) / statistics.mean(load), max(load))


def at_rest(slot_map):
    return Change(slot_map, slot_map, 0)


# --- balance ---------------------------------------------------------------------------------------------------------------


def most_over_mean(shares, flows, seed, sizes=None):
    """How much more than the mean the fullest of len(shares) places gets; `sizes`: draws the size of a flow."""
    source = random.Random(seed)
    load = [0.0] * len(shares)
    for place in source.choices(range(len(shares)), shares, k=flows):
        load[place] += sizes(source) if sizes else 1
    return max(load) / statistics.mean(load)


def heavy(source):
    """Sizes of real flows: most are small, few carry much (Pareto, alpha 1.2, cut at a millionth of all)."""
    return min(source.paretovariate(1.2), 1e5)


# --- control ---------------------------------------------------------------------------------------------------------------


def detection_s(appliances, interval_s, failures, seed):
    """When each appliance knows that a server has died at 0: its probes have a phase of their own, and so many in a row fail."""
    source = random.Random(seed)
    return [source.uniform(0, interval_s) + (failures - 1) * interval_s for _ in range(appliances)]


def probes_in(seconds, appliances, dips, interval_s, seed):
    """Counted one by one, with the phases of a real fleet; {"sent by one", "received by one"}: the largest of each."""
    source = random.Random(seed)
    sent, received = [0] * appliances, [0] * dips
    for a in range(appliances):
        for d in range(dips):
            at = source.uniform(0, interval_s)
            while at < seconds:
                sent[a] += 1
                received[d] += 1
                at += interval_s
    return {"sent by one": max(sent), "received by one": max(received)}


def backlog_s(changes_per_s, publication_s, seconds, seed):
    """The control thread as a queue: commands at random moments, each takes one publication. The longest wait."""
    source = random.Random(seed)
    at, free, worst = 0.0, 0.0, 0.0
    while at < seconds:
        at += source.expovariate(changes_per_s)
        begin = max(at, free)
        free = begin + publication_s
        worst = max(worst, begin - at)
    return worst


def main():
    before, after = maps.build(maps.equal_dips(100)), maps.build(maps.equal_dips(101))
    moved = sum(a != b for a, b in zip(before, after)) / maps.SLOTS
    print(f"one DIP more than 100: {100 * moved:.2f} % of the slots")
    flows = flows_of(100_000, 1)
    for router in (Modulo, Resilient):
        for dead in ((5,), (5, 6, 7, 8)):
            for text, change in (
                ("at rest", at_rest(before)),
                ("transition, 30 % of the flows younger", Change(before, after, 0.3)),
                ("transition over, 30 % of the flows older", Change(before, after, 0.7, over=True)),
            ):
                out = lose_appliances(router(64), change, 64, dead, flows)
                print(f"{router.name}, {len(dead)} of 64 die, {text}: {100 * out.rerouted / out.flows:.2f} % rerouted, "
                      f"{100 * out.moved / out.flows:.3f} % moved, fullest {out.most_over_mean:.3f} of the mean")  # fmt: skip
    for count in (10_000, 100_000, 1_000_000):
        print(f"{count:,} equal flows over 64: fullest {most_over_mean([1] * 64, count, 2):.3f} of the mean; "
              f"heavy-tailed {most_over_mean([1] * 64, count, 2, heavy):.3f}")  # fmt: skip
    times = detection_s(64, 2, 3, 3)
    print(f"a dead server is known to the first of 64 after {min(times):.2f} s, to the last after {max(times):.2f} s")


if __name__ == "__main__":
    main()
