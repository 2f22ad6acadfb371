# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Captures through sluiced: each packet to one server, the same whatever the cores, the order and the reloads."""
import json
import os
import random
import select
import socket
from collections import Counter, defaultdict

import pytest
from frames import ACK, FIN, PSH, flow_of, frame, ip, one_hop_further, open_ip, open_tunnel, pieces, tcp, udp
from offline import FILE_HEAD, MUX4, MUX6, ONE_CORE, THREE_CORES, TWO_CORES, Offline, owned_by, record, service, through

WEIGHTS = (1, 2, 1, 4)
DIPS4 = [(f"10.{n}.0.1{n}", weight) for n, weight in enumerate(WEIGHTS, 1)]
DIPS6 = [(f"2001:db8:{n}::1{n}", weight) for n, weight in enumerate(WEIGHTS, 1)]
VIPS = {  # the four ways to put one family into another: (VIP, its servers)
    "4in4": ("203.0.113.10", DIPS4),
    "6in4": ("2001:db8:cb::10", [(dip.replace("10.", "10.10", 1), weight) for dip, weight in DIPS4]),
    "4in6": ("203.0.113.11", [(dip.replace("db8:", "db8:64", 1), weight) for dip, weight in DIPS6]),
    "6in6": ("2001:db8:cb::11", DIPS6),
}
FLOWS_EACH = 2500


def client(number, v6):
    return f"2001:db8:c::{number >> 8:x}:{number & 255:x}" if v6 else f"198.51.{100 + (number >> 8)}.{number & 255}"


def conversation(vip, number, packets=3):
    """A TCP flow from its SYN on."""
    source, port = client(number % 5000, ":" in vip), 1024 + number * 7 % 60000
    yield ip(source, vip, tcp(source, vip, port, 80))
    for sequence in range(2, packets + 1):
        payload = b"GET /%d" % number if sequence > 2 else b""
        flags = ACK | PSH if payload else ACK
        yield ip(source, vip, tcp(source, vip, port, 80, flags, payload, sequence), ident=number % 65000 + sequence)


def interleaved(vips, flows, packets=3):
    """All first packets, then all second ones …: frames, in an order that mixes services and flows."""
    rows = [list(conversation(vip, number, packets)) for number in range(flows) for vip in vips]
    return [frame(row[turn]) for turn in range(packets) for row in rows]


def services(**more):
    return [service(name, vip, dips, **more) for name, (vip, dips) in VIPS.items()]


def by_flow(frames):
    """flow -> (the servers it went to, its packets in the order of the file)."""
    dips, packets = defaultdict(set), defaultdict(list)
    for sent in frames:
        tunnelled = open_tunnel(sent)
        flow = flow_of(tunnelled.inner)
        dips[flow].add(tunnelled.dip)
        packets[flow].append(tunnelled.inner)
    return dips, packets


def assert_spread(counts, weights):
    """As many flows as the weights say, within five standard deviations of a fair draw."""
    flows, total = sum(counts.values()), sum(weights.values())
    for dip, weight in weights.items():
        share = weight / total
        deviation = (flows * share * (1 - share)) ** 0.5
        assert abs(counts[dip] - flows * share) < 5 * deviation, (dip, counts)


def assert_forwarded(frames_in, frames_out, kind):
    """Nothing lost, nothing but TTL touched, and every outer header as the service says."""
    expected = Counter(one_hop_further(sent[14:]) for sent in frames_in)
    tunnelled = [open_tunnel(sent) for sent in frames_out]
    assert Counter(t.inner for t in tunnelled) == expected
    servers = {vip: {dip for dip, _ in dips} for vip, dips in VIPS.values()}
    for t in tunnelled:
        assert t.kind == kind and t.ttl == 64, t
        assert t.source == (MUX6 if ":" in t.dip else MUX4), t
        assert t.dip in servers[open_ip(t.inner)[1]], t


def assert_sticky_and_fair(frames_out):
    dips, _ = by_flow(frames_out)
    assert all(len(chosen) == 1 for chosen in dips.values())
    counts = Counter(dip for (dip,) in dips.values())
    for _, members in VIPS.values():
        assert_spread({dip: counts[dip] for dip, _ in members}, dict(members))


@pytest.fixture(scope="module")
def capture():
    return interleaved([vip for vip, _ in VIPS.values()], FLOWS_EACH)


def test_the_frames_that_these_tests_send_are_as_scapy_reads_and_writes_them(capture):
    from scapy.all import Ether, raw

    fragments = pieces(MUX6, "2001:db8:cb::10", udp(MUX6, "2001:db8:cb::10", 5, 53, bytes(99)), 64, 9)
    for sent in [*random.Random(1).sample(capture, 40), *map(frame, fragments)]:
        again = Ether(sent)
        for layer in again.layers():  # checksums and lengths are for scapy to fill in
            for field in ("chksum", "len", "plen"):
                if again[layer].fieldtype.get(field) and not again.haslayer("IPv6ExtHdrFragment"):
                    again[layer].delfieldval(field)
        assert raw(again) == sent, again


@pytest.mark.parametrize("kind", ["ipip", "gue"])
def test_ten_thousand_flows_reach_their_servers_whole(tmp_path, capture, kind):
    assert len(capture) == 30_000
    out = through(tmp_path, services(encapsulation=kind), capture)
    assert_forwarded(capture, out, kind)
    assert_sticky_and_fair(out)
    if kind == "gue":
        entropy = {(t.udp_source, t.udp_port) for t in map(open_tunnel, out)}
        assert {port for _, port in entropy} == {6080}
        assert len(entropy) > 5000 and min(source for source, _ in entropy) >= 49152


def test_scapy_sees_the_packet_of_the_client_inside_what_leaves(tmp_path, capture):
    from scapy.all import IP, Ether, IPv6

    some = capture[: 4 * 50]
    for came, sent in zip(some, through(tmp_path, services(), some)):
        outer = Ether(sent)[1]
        inner, asked = outer.payload, Ether(came)[1]
        assert type(inner) is type(asked) and (inner.src, inner.dst) == (asked.src, asked.dst)
        assert bytes(inner.payload) == bytes(asked.payload)
        for packet in (p for p in (outer, inner) if isinstance(p, IP)):
            filled, packet.chksum = packet.chksum, None
            assert IP(bytes(packet)).chksum == filled
        assert isinstance(outer, IPv6) == (":" in outer.dst)


@pytest.mark.parametrize("stickiness", ["flow", "none"])
def test_two_cores_choose_as_one_does(tmp_path, capture, stickiness):
    answers = {}
    for name, workers in (("one", ONE_CORE), ("two", TWO_CORES)):
        directory = tmp_path / name
        directory.mkdir()
        answers[name] = by_flow(through(directory, services(stickiness=stickiness), capture, workers))
    assert answers["one"][0] == answers["two"][0], "servers of the flows"
    assert answers["one"][1] == answers["two"][1], "packets of the flows, in their order"
    assert len(answers["one"][0]) == 4 * FLOWS_EACH


@pytest.mark.parametrize("stickiness", ["flow", "none"])
def test_the_order_of_the_file_decides_nothing(tmp_path, capture, stickiness):
    some = capture[:10_000]
    turned = [service(name, vip, dips[::-1], stickiness=stickiness) for name, (vip, dips) in reversed(VIPS.items())]
    answers = []
    for name, rows in (("as-is", services(stickiness=stickiness)), ("turned", turned)):
        directory = tmp_path / name
        directory.mkdir()
        answers.append(by_flow(through(directory, rows, some))[0])
    assert answers[0] == answers[1]
    assert len(answers[0]) == 10_000


# --- explain ----------------------------------------------------------------------------------------------------------


def endpoint(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@pytest.mark.parametrize("stickiness,table", [("flow", "flow"), ("none", "map")])
def test_explain_names_the_server_to_which_the_packets_went(tmp_path, capture, stickiness, table):
    some = random.Random(2).sample(capture[:10_000], 24)  # SYNs of 24 flows
    with Offline(tmp_path, services(stickiness=stickiness), capture[:10_000]) as run:
        explained = {}
        for sent in some:
            source, vip, _, _, segment = open_ip(sent[14:])
            ports = int.from_bytes(segment[:2], "big"), int.from_bytes(segment[2:4], "big")
            answer = run.ctl("explain", "tcp", endpoint(source, ports[0]), endpoint(vip, ports[1]))
            assert VIPS[answer["service"]][0] == vip
            assert answer["table"] == table, answer
            explained[flow_of(sent[14:])] = answer
    dips, _ = by_flow(run.out)
    assert len(explained) == len(some)
    for flow, answer in explained.items():
        assert {answer["dip"]} == dips[flow], answer
        assert answer["outer"]["destination"] == answer["dip"]
        assert answer["outer"]["source"] == (MUX6 if ":" in answer["dip"] else MUX4)


def test_explain_knows_that_a_syn_after_a_fin_begins_a_new_flow(tmp_path):
    source, vip = "198.51.100.7", VIPS["4in4"][0]
    frames = [
        frame(ip(source, vip, tcp(source, vip, 4000, 80, *more)))
        for more in [(), (ACK, b"", 2), (ACK | PSH, b"bye", 3), (ACK | FIN, b"", 4)]
    ]
    with Offline(tmp_path, services(), frames) as run:
        flow = "tcp", endpoint(source, 4000), endpoint(vip, 80)
        assert run.ctl("explain", *flow)["table"] == "flow"
        assert run.ctl("explain", *flow, "--syn")["table"] == "map"


# --- reloads ----------------------------------------------------------------------------------------------------------

RELOADS, RELOAD_PACKETS, RELOAD_FLOWS, BATCH = 50, 100_000, 4000, 80


class Feed:
    """The capture as a FIFO: sluiced reads while this test still writes, so that reloads fall between packets."""

    def __init__(self, path, frames):
        os.mkfifo(path)
        self.path, self.left = path, [b"".join(map(record, frames[at : at + BATCH])) for at in range(0, len(frames), BATCH)]
        self.left.reverse()

    def open(self):
        self.file = self.path.open("wb", buffering=0)
        self.give(FILE_HEAD)

    def give(self, data):
        while data:
            data = data[self.file.write(data) :]

    def batch(self):
        if self.left:
            self.give(self.left.pop())
            return 1
        return 0


class Line:
    """The socket of sluiced, without a program between."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def ask(self, method, meanwhile, **params):
        """Sends the call and does `meanwhile` until the answer comes: (result, how often it was done)."""
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        self.socket.sendall(json.dumps(call).encode() + b"\n")
        done = meanwhile()
        while not select.select([self.socket], [], [], 0.0005)[0]:
            done += meanwhile()
        answer = json.loads(self.file.readline())
        assert "error" not in answer, answer
        return answer["result"], done


def reload_files(run):
    """What runs, and a file that differs from it in a service and in the weights of all others."""
    heavier = [
        service(name, vip, [(dip, 5 - weight) for dip, weight in dips]) for name, (vip, dips) in reversed(VIPS.items())
    ]
    changed = run.directory / "changed.conf"
    head = run.config.read_text().split("services:")[0]
    changed.write_text(f"{head}services: ( {', '.join([service('other', '203.0.113.99', ['10.9.0.9']), *heavier])} );\n")
    return changed, run.config


def reload_while_feeding(run, files, feed):
    """RELOADS reloads, each while packets flow; then the rest of the capture."""
    feed.open()
    for _ in range(RELOAD_FLOWS // BATCH):  # every flow has begun before the first change
        feed.batch()
    run.ready()
    line, overlapped = Line(f"{run.directory}/sock"), 0
    for turn in range(RELOADS):
        result, fed = line.ask("config.reload", feed.batch, file=str(files[turn % 2]))
        assert result["done"], f"reload {turn} changed nothing"
        overlapped += fed > 0
        feed.batch()
    assert feed.left, "the capture ended before the reloads did"
    while feed.batch():
        pass
    feed.file.close()
    run.processed(RELOAD_PACKETS)
    assert run.drops() == {}
    assert overlapped == RELOADS


def assert_nothing_lost_or_moved(frames_in, frames_out):
    assert_forwarded(frames_in, frames_out, "ipip")
    dips, _ = by_flow(frames_out)
    assert len(dips) == RELOAD_FLOWS
    assert all(len(chosen) == 1 for chosen in dips.values()), "a reload moved flows"


def long_conversations():
    frames = interleaved([vip for vip, _ in VIPS.values()], RELOAD_FLOWS // 4, RELOAD_PACKETS // RELOAD_FLOWS)
    assert len(frames) == RELOAD_PACKETS
    return frames


@pytest.mark.parametrize("workers", [ONE_CORE, TWO_CORES], ids=["one-core", "two-cores"])
def test_fifty_reloads_while_a_capture_runs_lose_and_move_nothing(tmp_path, workers):
    frames = long_conversations()
    feed = Feed(tmp_path / "in.pcap", frames)
    run = Offline(tmp_path, services(), None, workers)
    files = reload_files(run)
    with run:
        reload_while_feeding(run, files, feed)
    assert_nothing_lost_or_moved(frames, run.out)


def test_groups_that_move_between_cores_while_a_capture_runs_lose_and_move_nothing(tmp_path):
    # Placed at random: only the tables, which move, know where a flow belongs.
    def placed(lcores):
        rows = [service(name, vip, dips, scheduler="random") for name, (vip, dips) in VIPS.items()]
        return [owned_by(row, lcore) for row, lcore in zip(rows, lcores)]

    frames = long_conversations()
    feed = Feed(tmp_path / "in.pcap", frames)
    run = Offline(tmp_path, placed([2, 3, 2, 3]), None, THREE_CORES)
    swapped = tmp_path / "swapped.conf"
    head = run.config.read_text().split("services:")[0]
    swapped.write_text(f"{head}services: ( {', '.join(placed([3, 2, 3, 2]))} );\n")
    with run:
        reload_while_feeding(run, (swapped, run.config), feed)
        counted = sum(row["flows"] for row in run.ctl("dip", "list"))
        assert counted == len(run.ctl("flow", "list", "--limit", "100000")) == RELOAD_FLOWS
        workers = {row["lcore"]: row for row in run.ctl("worker", "list")}
        assert all(workers[lcore]["packets"] > RELOAD_PACKETS / 10 for lcore in (2, 3)), workers
        assert sum(row["flows"] for row in workers.values()) == RELOAD_FLOWS
    assert_nothing_lost_or_moved(frames, run.out)
