# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Rows of the control thread: maps, publications, requests on the socket, starts. The worker is at full load meanwhile,
with packets that it drops, since net_null gives empty ones and nobody fills them here."""
import statistics
import time

from .forwarders import Client, Sluiced, null_device, numbered
from .rows import Measurement, Row

CHANGES = 9  # of which the median counts
CLIENTS = 8


def started(bench, **shape):
    return Sluiced(bench.build, bench.directory, null_device(), bench.cpus, **shape)


def map_measurement(dips):
    rows = (
        Row(f"map build, {dips:,} DIPs", "65,537 slots, all up", "ms"),
        Row(f"map build, {dips:,} DIPs, half down", "the same, every second one down", "ms"),
    )

    def figures(bench):
        done = bench.program("maps", "--dips", dips)
        return {rows[0].name: done["build_ms"], rows[1].name: done["half_down_ms"]}

    return Measurement("control", rows, figures)


def publication(dips):
    rows = (
        Row(f"start to ready, {dips:,} DIPs", "process start, EAL, port, maps, socket", "ms"),
        Row(f"change to publication, {dips:,} DIPs", "a weight: request, check, map, snapshot, answer", "ms"),
        Row(f"memory, {dips:,} DIPs", "resident after the start, hugepages apart", "MiB"),
    )

    def figures(bench):
        with started(bench, dips=dips) as sluiced:
            memory = sluiced.resident_bytes() / 2**20
            took = []
            for change in range(CHANGES):
                before = time.monotonic()
                sluiced.client.call("dip.weight", service="s0", address=numbered("10.1.0.1", change), weight=2)
                took.append((time.monotonic() - before) * 1e3)
            return dict(zip((row.name for row in rows), (sluiced.ready_after_s * 1e3, statistics.median(took), memory)))

    return Measurement("control", rows, figures)


def many_services():
    rows = (
        Row("start to ready, 10,000 services", "with 2 DIPs and maps of its own each", "ms"),
        Row("memory, 10,000 services", "resident after the start, hugepages apart", "MiB"),
    )

    def figures(bench):
        services = 100 if bench.quick else 10_000
        with started(bench, services=services, dips=2) as sluiced:
            return {rows[0].name: sluiced.ready_after_s * 1e3, rows[1].name: sluiced.resident_bytes() / 2**20}

    return Measurement("control", rows, figures)


def per_second(clients, seconds, method, **parameters):
    """Each client has one request under way at any time."""
    for client in clients:
        client.ask(method, **parameters)
    answers, begin = 0, time.monotonic()
    while time.monotonic() - begin < seconds:
        for client in clients:
            client.answer()
            client.ask(method, **parameters)
            answers += 1
    rate = answers / (time.monotonic() - begin)
    for client in clients:
        client.answer()
    return rate


def requests():
    flow = {"protocol": "tcp", "source": "198.51.100.7:40000", "destination": "203.0.113.10:80"}
    asked = {
        "requests, status": (1, "status", {}, "one client that asks and waits"),
        f"requests, status, {CLIENTS} clients": (CLIENTS, "status", {}, "all of them together"),
        "requests, explain": (1, "explain", flow, "one client; a worker answers, under full load"),
        "requests, 100 DIPs listed": (1, "dip.list", {"service": "s0"}, "one client"),
    }
    rows = tuple(Row(name, includes, "requests/s") for name, (_, _, _, includes) in asked.items())

    def figures(bench):
        with started(bench, dips=100) as sluiced:
            clients = [Client(bench.directory / "sluice.sock") for _ in range(CLIENTS)]
            out = {
                name: per_second(clients[:count], bench.seconds, method, **parameters)
                for name, (count, method, parameters, _) in asked.items()
            }
            for client in clients:
                client.close()
            return out

    return Measurement("control", rows, figures)


def measurements():
    for dips in (10, 1_000, 10_000):
        yield map_measurement(dips)
        yield publication(dips)
    yield many_services()
    yield requests()
