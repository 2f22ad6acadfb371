# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""The slot map of control/maps/maglev.h and failover.h once more, in Python: integers only, the same slot for slot. A test
holds it to the digest that the C++ one is pinned to (tests/unit/maps/maglev_test.cc)."""
import ipaddress
from dataclasses import dataclass
from math import gcd

MASK = (1 << 64) - 1
SLOTS = 65537
NOBODY = None
OFFSET, SKIP, START, PICK, RACE = 1, 2, 11, 12, 13
TRIES = 32


def siphash24(key, message):
    """Aumasson, Bernstein 2012."""
    k0, k1 = (int.from_bytes(key[i : i + 8], "little") for i in (0, 8))
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def rotate(x, bits):
        return (x << bits | x >> (64 - bits)) & MASK

    def rounds(count):
        for _ in range(count):
            v[0] = (v[0] + v[1]) & MASK
            v[2] = (v[2] + v[3]) & MASK
            v[1] = rotate(v[1], 13) ^ v[0]
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[1]) & MASK
            v[0] = (v[0] + v[3]) & MASK
            v[1] = rotate(v[1], 17) ^ v[2]
            v[3] = rotate(v[3], 21) ^ v[0]
            v[2] = rotate(v[2], 32)

    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) & 0xFF])
    for i in range(0, len(padded), 8):
        word = int.from_bytes(padded[i : i + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def identity(address, port):
    ip = ipaddress.ip_address(address)
    raw = b"\0" * 10 + b"\xff\xff" + ip.packed if ip.version == 4 else ip.packed
    return siphash24(b"sluice member id", b"a" + raw + port.to_bytes(2, "big"))


def mix(v):
    v = (v ^ v >> 30) * 0xBF58476D1CE4E5B9 & MASK
    v = (v ^ v >> 27) * 0x94D049BB133111EB & MASK
    return v ^ v >> 31


def draw(stream, n):
    return mix((stream + 0x9E3779B97F4A7C15 * (n + 1)) & MASK)


def scale(random, below):
    return random * below >> 64


def waiting_time(random):
    """-log2((random + 1) / 2^64) in units of 2^-16."""
    if random == MASK:
        return 0
    value = random + 1
    zeros = 64 - value.bit_length()
    mantissa, fraction = (value << zeros & MASK) >> 32, 0
    for _ in range(16):
        mantissa = mantissa * mantissa >> 31
        overflow = mantissa >> 32
        mantissa >>= overflow
        fraction = fraction << 1 | overflow
    return ((zeros + 1) << 16) - fraction


@dataclass(frozen=True)
class Member:
    identity: int
    weight: int = 1
    up: bool = True


def preference(who, slots):
    offset, skip = scale(draw(who, OFFSET), slots), 1 + scale(draw(who, SKIP), slots - 1)
    while gcd(skip, slots) != 1:
        skip = skip % (slots - 1) + 1
    return offset, skip


def quotas(weights, slots):
    total = sum(weights)
    quota = [weight * slots // total for weight in weights]
    order = sorted(range(len(weights)), key=lambda i: -(weights[i] * slots % total))  # stable
    for i in order[: slots - sum(quota)]:
        quota[i] += 1
    return quota


def turns(weights, quota):
    weight, total = sum(weights), sum(quota)
    places = [
        (min(total, (2 * t + 1) * weight // (2 * weights[i])), i, t) for i in range(len(quota)) for t in range(quota[i])
    ]
    return [i for _, i, _ in sorted(places)]


def populate(slots, preferences, order):
    owner = [NOBODY] * slots
    at = [offset for offset, _ in preferences]
    for member in order:
        skip, slot = preferences[member][1], at[member]
        while owner[slot] is not NOBODY:
            slot = (slot + skip) % slots
        owner[slot] = member
        at[member] = (slot + skip) % slots
    return owner


def hand_over(seats, base):
    """`base` with the slots of those that are down at others."""
    if all(seat.up for seat in seats):
        return base
    live = [i for i, seat in enumerate(seats) if seat.up]
    if not live:
        return [NOBODY] * len(base)
    total, out = sum(seat.weight for seat in seats), list(base)
    for owner, seat in enumerate(seats):
        slots = [] if seat.up else [slot for slot, holder in enumerate(base) if holder == owner]
        others = total - seat.weight
        if not slots or not others:
            continue
        start = scale(draw(seat.identity, START), others) * len(slots) + scale(draw(seat.identity, START + 100), len(slots))
        on, begin = 0, 0
        for rank, slot in enumerate(slots):
            at = (rank * others + start) // len(slots)
            while at >= begin + (0 if on == owner else seats[on].weight):
                begin += 0 if on == owner else seats[on].weight
                on = (on + 1) % len(seats)
            out[slot] = on if seats[on].up else later_choice(seats, base, live, slot, owner)
    return out


def later_choice(seats, base, live, slot, owner):
    stream = draw((seats[owner].identity + slot) & MASK, PICK)
    for n in range(TRIES):
        pick = base[scale(draw(stream, n), len(base))]
        if seats[pick].up:
            return pick
    stream, best = draw(slot, RACE), None
    for i in live:
        wait, weight = waiting_time(draw(seats[i].identity ^ stream, 0)), seats[i].weight
        if best is None or wait * best[1] < best[0] * weight:
            best = wait, weight, i
    return best[2]


def build(members, slots=SLOTS):
    """Slot -> index in `members` (of distinct identities), or NOBODY."""
    order = sorted((m.identity, m.weight, i) for i, m in enumerate(members) if m.weight)
    seats = [members[i] for _, _, i in order]
    weights = [seat.weight for seat in seats]
    preferences = [preference(seat.identity, slots) for seat in seats]
    base = populate(slots, preferences, turns(weights, quotas(weights, slots)))
    return [NOBODY if seat is NOBODY else order[seat][2] for seat in hand_over(seats, base)]


def equal_dips(count):
    """10.0.0.1:80 and so on, as in the C++ tests."""
    return [Member(identity(ipaddress.ip_address("10.0.0.1") + i, 80)) for i in range(count)]


def digest(slot_map):
    """FNV-1a over the slots, as the C++ test has it."""
    value = 0xCBF29CE484222325
    for member in slot_map:
        value = (value ^ (0xFFFF if member is NOBODY else member)) * 0x100000001B3 & MASK
    return value
