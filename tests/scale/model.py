# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""From the costs that scripts/bench measured on one core to whole machines and to a fleet: the arithmetic of docs/scale.md.
Its tables are made of docs/performance.json together with the page of performance (scripts/bench --write-docs)."""
import math
import re

BEGIN = "<!-- made by scripts/bench --write-docs from performance.json: begin -->"
END = "<!-- made by scripts/bench --write-docs: end -->"
WIRE_OVERHEAD_BYTES = 20  # preamble, start of frame, gap
OUTER_BYTES = 20  # IPv4 in IPv4
IMIX_BYTES = (7 * 64 + 4 * 594 + 1 * 1518) / 12
FRAMES = {"64": 64, "IMIX, 362": IMIX_BYTES, "1518": 1518}
LINES_GBPS = (100, 400)
LOAD = 0.7  # of a core: room for bursts, ageing, questions
ROWS = {  # what a packet costs, and of which row of the table
    "stateless": "stateless, 1 M flows",
    "flow table, 1 M flows a core": "established, 1 M flows",
    "flow table, 10 M flows a core": "established, 10 M flows",
    "transition under way": "transition, 1 M flows",
    "all packets are new flows": "new flows",
}
MEMORY_ROW, PUBLICATION_ROW = "memory of a flow", "change to publication, 1,000 DIPs"
APPLIANCES = 64
ADVERT_S, PROBE_INTERVAL_S, PROBE_FAILURES = 0.1, 2.0, 3


def figures(run):
    return {row["row"]: row["figure"] for row in run["rows"] if row["figure"] is not None}


def packets_per_s(gbps, frame_bytes):
    """That a full line carries, in frames with their checksum."""
    return gbps * 1e9 / 8 / (frame_bytes + WIRE_OVERHEAD_BYTES)


def inward_share(frame_bytes):
    """Of the line rate inwards, until the line outwards is full of what has grown by the outer header."""
    return (frame_bytes + WIRE_OVERHEAD_BYTES) / (frame_bytes + OUTER_BYTES + WIRE_OVERHEAD_BYTES)


def cores(gbps, frame_bytes, ns_per_packet):
    """Worker cores for a full line outwards, each loaded to LOAD."""
    packets = packets_per_s(gbps, frame_bytes) * inward_share(frame_bytes)
    return math.ceil(packets * ns_per_packet / 1e9 / LOAD)


def gib(flows, bytes_per_flow):
    return flows * bytes_per_flow / 2**30


def core_table(run):
    figure = figures(run)
    heads = [f"{gbps} Gb/s, {frame}" for gbps in LINES_GBPS for frame in FRAMES]
    lines = ["| | ns/packet | M packets/s a core | " + " | ".join(heads) + " |", "|---|---:|---:|" + "---:|" * len(heads)]
    for label, row in ROWS.items():
        if row not in figure:
            continue
        ns = figure[row]
        cells = [str(cores(gbps, size, ns)) for gbps in LINES_GBPS for size in FRAMES.values()]
        lines.append(f"| {label} | {ns:.1f} | {1e3 / ns:.1f} | " + " | ".join(cells) + " |")
    return lines


def fleet_table(run):
    figure = figures(run)
    per_flow, publication_ms = figure.get(MEMORY_ROW, 0), figure.get(PUBLICATION_ROW, 0)
    flows, dips = 640_000_000, 10_000
    lines = ["| a fleet of 64, 640 M flows, 10,000 DIPs | figure |", "|---|---:|"]
    lines.append(f"| flows of one appliance | {flows / APPLIANCES / 1e6:.1f} M |")
    for dead in (1, 4, 16):
        left = APPLIANCES - dead
        lines.append(f"| when {dead} of 64 {'is' if dead == 1 else 'are'} lost | {flows / left / 1e6:.1f} M |")
    if per_flow:
        lines.append(f"| memory of 10 M flows, IPv4 | {gib(1e7, per_flow):.2f} GiB |")
        lines.append(f"| the same, 16 of 64 lost | {gib(flows / (APPLIANCES - 16), per_flow):.2f} GiB |")
    lines.append(f"| probes that one appliance sends, every 2 s | {dips / PROBE_INTERVAL_S:,.0f} a second |")
    lines.append(f"| probes that one server answers | {APPLIANCES / PROBE_INTERVAL_S:,.0f} a second |")
    lines.append(f"| adverts that one member of a pool of 64 sends | {(APPLIANCES - 1) / ADVERT_S:,.0f} a second |")
    if publication_ms:
        lines.append(f"| a change of a service of 1,000 DIPs, on each appliance | {publication_ms:.1f} ms |")
        lines.append(f"| such changes at half a control thread | {500 / publication_ms:.0f} a second |")
    return lines


def generated(run):
    return "\n".join([*core_table(run), "", *fleet_table(run)]) + "\n"


def with_generated(page, run):
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"the page needs the line {BEGIN} and, further down, {END}, once each")
    return re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n{generated(run)}{END}", page, flags=re.S)
