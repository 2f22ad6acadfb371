# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Writes the first inputs of the fuzz targets that read text and messages into tests/fuzz/corpus. Run by hand when a
target's form changes; the frames' come from the packet fixtures (tests/fuzz/seeds.cc)."""
import json
import os
import socket
import struct
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"


def put(target, name, data):
    (CORPUS / target).mkdir(parents=True, exist_ok=True)
    (CORPUS / target / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def part(what, data):
    return struct.pack(">BH", what, len(data)) + data


# --- configuration --------------------------------------------------------------------------------------------------

DATAPLANE = """dataplane: { ports = ( { name = "up"; device = "net_null0"; address = [ "10.0.0.10/24", "2001:db8:a::10/64" ];
  gateway_mac = "02:00:00:00:00:01"; kernel_interface = "up"; mtu = 9000; vlan = 7; } );
  workers = ( { lcore = 1; }, { lcore = 2; tier1 = false; } ); slots = 251; idle = "busy"; };
"""
CONFIGURATIONS = {
    "small": 'services: ( { name = "web"; vip = "203.0.113.10"; port = 80; dips = ( { address = "10.1.0.11"; } ); } );',
    "all": """control: { socket = "/run/x"; socket_mode = "0600"; metrics = "[::1]:9107"; log_level = "debug";
  fence_command = [ "/bin/true", "x" ]; leave_ms = 100; on_stall = "log"; };
dip_lists: ( { name = "farm"; dips = ( { address = "10.1.0.11:8080"; weight = 2; }, { address = "[2001:db8::1]:80"; } ); } );
services: ( { name = "a"; vip = "203.0.113.0/24"; protocol = "any"; dips = "farm"; stickiness = "none";
    hash_fields = "source"; encapsulation = "gue"; outer_source = "prefix"; outer_prefix4 = "10.9.0.0/16";
    outer_prefix6 = "2001:db8:9::/48"; transition = { deadline_s = 5; at_deadline = "keep"; }; },
  { name = "b"; vip = "2001:db8:cb::10"; port = 443; scheduler = "least-load"; weights = "adaptive";
    groups = ( { name = "x"; weight = 3; worker = 1; dips = ( { address = "2001:db8:1::1"; weight = 0; } ); },
               { name = "y"; dips = "farm"; } ); balance_groups = true; load = { interval_s = 3; };
    health = { type = "https"; path = "/h"; host = "x.example"; expect = "ok"; interval_ms = 50; persistent = true; };
    timeouts = { syn_s = 1; }; elephant = { bytes_per_s = 0; packets_per_s = 5; }; } );
iips: ( { address = "10.0.0.100/24"; probe_ms = 20; home = "mux1"; } );
pool: { name = "edge"; secret = "0123456789abcdef"; members = ( { name = "mux1"; address = "10.0.0.10"; },
  { name = "mux2"; address = "10.0.0.12"; priority = 3; } ); exchange_busy_percent = 80; };
""",
    "subscribers": """services: ( { name = "r"; vip = "203.0.113.61"; protocol = "any"; flow_start = "radius"; flow_key = "source";
  hash_fields = "source"; unknown_flow = "reset"; flow_types = "type1"; dips = ( { address = "10.1.0.1"; } ); } );""",
}


def configurations():
    for name, text in CONFIGURATIONS.items():
        put("config", name, DATAPLANE + text)
    put("config", "broken", DATAPLANE + 'services: ( { name = "web"; vip = "203.0.113.10; port = 1e9; /* x')
    put("config", "include", '@include "/etc/passwd"\n' + DATAPLANE)
    put("config", "numbers", "dataplane: { slots = 0xffffffffffffffffL; flows = -1; buffers = 4294967296; };")


# --- JSON-RPC -------------------------------------------------------------------------------------------------------

CALLS = {
    "status": [("status", {}), ("rpc.describe", {}), ("port.list", {}), ("worker.list", {}), ("drop.list", {})],
    "service": [
        ("service.list", {}), ("service.show", {"name": "web"}), ("service.remove", {"name": "dns"}),
        ("service.add", {"name": "n", "vip": "203.0.113.99", "protocol": "tcp", "port": 8080, "dips": ["10.1.0.50"]}),
    ],
    "dip": [
        ("dip.list", {"service": "web"}), ("dip.add", {"service": "web", "address": "10.1.0.77", "weight": 3}),
        ("dip.weight", {"service": "web", "address": "10.1.0.77", "weight": 9}),
        ("dip.drain", {"service": "web", "address": "10.1.0.11", "deadline": 5}),
        ("dip.remove", {"service": "six", "address": "2001:db8:1::1", "now": True}), ("transition.list", {}),
        ("transition.finish", {"service": "web"}), ("transition.abort", {"service": "web"}),
    ],
    "flow": [
        ("flow.list", {"service": "web", "limit": 5}), ("flow.flush", {"service": "web"}), ("elephant.list", {}),
        ("explain", {"protocol": "tcp", "source": "198.51.100.1:1234", "destination": "203.0.113.10:80"}),
        ("elephant.forget", {"service": "web"}), ("health.list", {}), ("mux.list", {}),
    ],
    "config": [("config.show", {}), ("config.check", {"file": "/nowhere"}), ("config.reload", {})],
}


def calls():
    for name, methods in CALLS.items():
        lines = [json.dumps({"jsonrpc": "2.0", "id": i, "method": m, "params": p}) for i, (m, p) in enumerate(methods)]
        put("rpc", name, "\n".join(lines))
    put("rpc", "broken", '{"jsonrpc":"2.0"\n[]\n{"jsonrpc":"2.0","id":{},"method":7}\n' + "[" * 40)
    put("rpc", "notification", '{"jsonrpc":"2.0","method":"status"}')


# --- netlink --------------------------------------------------------------------------------------------------------


def attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def message(kind, body, flags=0):
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body


def v4(text):
    return socket.inet_pton(socket.AF_INET, text)


def v6(text):
    return socket.inet_pton(socket.AF_INET6, text)


def link(index, name, mac="020000000010", kind=16):
    body = struct.pack("=BxHiII", 0, 1, index, 0x11043, 0)
    return message(kind, body + attribute(3, name.encode() + b"\0") + attribute(1, bytes.fromhex(mac)) +
                   attribute(4, struct.pack("=I", 1500)))


def route(family, bits, *attributes, kind=24, flags=0, route_type=1, table=254):
    return message(kind, struct.pack("=BBBBBBBBI", family, bits, 0, 0, table, 3, 0, route_type, 0) + b"".join(attributes), flags)


def netlink():
    up = link(3, "up") + link(4, "down", "020000000011")
    address = message(20, struct.pack("=BBBBI", 2, 24, 0, 0, 3) + attribute(1, v4("10.0.0.10")) + attribute(2, v4("10.0.0.10")))
    onlink = route(2, 24, attribute(1, v4("10.0.0.0")), attribute(4, struct.pack("=I", 3)))
    default = route(2, 0, attribute(5, v4("10.0.0.1")), attribute(4, struct.pack("=I", 3)))
    hop = struct.pack("=HBBi", 16, 0, 0, 3) + attribute(5, v4("10.0.0.1"))
    hop2 = struct.pack("=HBBi", 16, 1, 0, 4) + attribute(5, v4("10.9.0.1"))
    multipath = route(2, 16, attribute(1, v4("10.1.0.0")), attribute(9, hop + hop2))
    six = route(10, 64, attribute(1, v6("2001:db8:1::")), attribute(5, v6("fe80::1")), attribute(4, struct.pack("=I", 3)),
                attribute(15, struct.pack("=I", 1000)))
    metrics = route(2, 32, attribute(1, v4("10.1.0.11")), attribute(4, struct.pack("=I", 3)),
                    attribute(8, attribute(2, struct.pack("=I", 1400))), attribute(7, v4("10.0.0.10")))
    neighbor = message(28, struct.pack("=BxxxiHBB", 2, 3, 2, 0, 1) + attribute(1, v4("10.0.0.1")) +
                       attribute(2, bytes.fromhex("020000000001")))
    ours = route(2, 32, attribute(1, v4("203.0.113.10")), attribute(15, struct.pack("=I", 202)), route_type=7, table=202)
    put("netlink", "news", part(0, up) + part(0, address + onlink + default) + part(0, neighbor))
    put("netlink", "dumps", part(1, up) + part(2, b"") + part(3 | 8, onlink + default + multipath + six + metrics) + part(3 | 12, neighbor))
    put("netlink", "removals", part(0, up + onlink + default + neighbor) + part(0, route(2, 0, attribute(5, v4("10.0.0.1")), kind=25)) +
        part(0, link(3, "up", kind=17)))
    put("netlink", "order", part(0, up + default + route(2, 0, attribute(4, struct.pack("=I", 4)), flags=0x100) +
                                 route(2, 0, attribute(4, struct.pack("=I", 4)), flags=0x800)))
    put("netlink", "ours", part(0, ours) + part(0, message(24, b"\2\x20")) + part(0, message(3, b"\0\0\0\0")))


# --- answers --------------------------------------------------------------------------------------------------------

STATUS = {
    "state": "alive", "healthy": True, "health": "HTTP status 200", "connections": 7, "load": {"average_1min": 0.5},
    "cpu": {"count": 4, "busy_percent": 12.5, "busy_10s_percent": 11}, "memory": {"used_percent": 40.1}, "temperature_c": 51,
    "vips": [{"vip": "203.0.113.10", "connections": 3, "rx_pps": 100.5}, {"vip": "2001:db8:cb::/48", "connections": 1}],
}


def http(status, body, *fields):
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(head) + "\r\n\r\n" + body


def answers():
    status = json.dumps(STATUS)
    chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsluic\r\n4;x=y\r\ne-ok\r\n0\r\nT: x\r\n\r\n"

    def ask(what, piece, text):
        return bytes([what, piece]) + text.encode()

    put("answers", "status", ask(0, 0, status))
    put("answers", "agent-check", ask(1, 0, "up 75% maxconn:30 drain #reason\n"))
    put("answers", "drained", ask(2, 0, '{"connections": 12, "state": "draining"}'))
    for name, text in {"good": http("200 OK", "sluice-ok"), "chunked": chunked, "bad": http("503 No", "x"),
                       "redirect": http("302 Found", "", "Location: /x"), "gzip": http("200 OK", "x", "Content-Encoding: gzip"),
                       "early": "HTTP/1.1 100 Continue\r\n\r\n" + http("200 OK", "sluice-ok"), "close": "HTTP/1.0 200 OK\r\n\r\nsluice-ok"}.items():
        put("answers", f"http-{name}", ask(3, 0, text))
        put("answers", f"http-kept-{name}", ask(0x83, 255, text))
    put("answers", "agent", ask(4, 1, http("200 OK", status)))
    put("answers", "check", ask(5, 0, "down #maintenance\r\n"))
    put("answers", "order", ask(6, 0, http("200 OK", '{"connections": 3}')))
    put("answers", "refused", ask(6, 0, http("403 Forbidden", "10.0.0.1 is no MUX of this server\n")))
    put("answers", "tcp", ask(7, 0, "220 hello\r\n"))


def agent():
    order = '{"vip": "203.0.113.10", "protocol": "tcp", "port": 80, "deadline_s": 300}'

    def say(piece, text):
        return bytes([piece]) + text.encode()

    post = f"POST /drain HTTP/1.1\r\nHost: x\r\nContent-Length: {len(order)}\r\n\r\n{order}"
    put("agent", "status", say(255, "GET /status?x HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"))
    put("agent", "drain", say(254, post + post.replace("/drain", "/undrain")))
    put("agent", "chunked", say(3, "POST /drain HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"))
    put("agent", "head", say(16, "HEAD / HTTP/1.0\r\n\r\n"))
    put("agent", "broken", say(0, "GET\r\n\r\nPUT / HTTP/1.1\r\n\r\n"))
    put("agent", "long", say(200, "GET / HTTP/1.1\r\nX: " + "y" * 1500 + "\r\n\r\n"))
    put("agent", "configuration", b"\xff" + b'interfaces = [ "eth0" ];\nvips = ( { address = "203.0.113.10"; port = 80; } );\n'
        b'muxes = [ "10.0.0.0/24" ];\nhealth = { url = "http://127.0.0.1/x"; expect = "ok"; };\n')


# --- what the next process and other members read -------------------------------------------------------------------


def state():
    services = DATAPLANE.replace('idle = "busy";', "") + CONFIGURATIONS["small"]
    control = {
        "program": "0.1.0", "hash_key": [7] * 40, "configuration": services, "has_flows": True,
        "transitions": [{"service": "web", "group": "default", "gone": [], "changes": [
            {"before": {"10.1.0.11": {"weight": 1, "up": True}, "10.1.0.99": {"weight": 2, "up": True}},
             "age_ms": 1000, "remaining_ms": 100000, "until_deadline": False}]}],
        "left": [{"service": "web", "group": "default", "dips": [{"address": "10.1.0.99", "port": 0, "weight": 2}]}],
        "left_groups": {}, "down": {}, "before": services,
        "tables": [{"service": "web", "group": "default", "turn": 7, "random": 9, "targets": [{"id": 1, "dip": "10.1.0.11"}]}],
    }
    flow = v4("198.51.100.1") + v4("203.0.113.10") + struct.pack(">HH", 1234, 80) + struct.pack("<IIBBBx", 1, 16, 6, 2, 3)
    sections = part_section(1, 0, json.dumps(control).encode()) + part_section(2, 0, flow[:24] * 2)
    put("state", "whole", b"\0" + sections)
    put("state", "flows-only", b"\0" + part_section(2, 0, flow) + part_section(3, 0, bytes(48)))
    put("state", "raw", b"\1" + b"SLUICEST" + struct.pack("<IIQQ", 1, 0, 64, 64) + bytes(32))


def part_section(kind, number, data):
    return struct.pack(">BBH", kind, number, len(data)) + data


def adverts():
    def body(member, claim, term):
        names = b"".join(bytes([len(n)]) + n.encode() for n in ("edge", member, "mux1", ""))
        iip = bytes(10) + b"\xff\xff" + v4("10.0.0.100") + bytes([claim]) + struct.pack(">I", term)
        return struct.pack(">QQQQ", 5, term, 7, 1) + bytes([1, 30]) + names + b"\1" + iip

    put("adverts", "two-members", part(1, body("mux2", 1, 3)) + part(2, b"")[:1] + struct.pack(">H", 200) + part(1, body("mux3", 2, 9)) +
        b"\2" + struct.pack(">H", 4000) + part(1, body("mux2", 2, 10)))
    put("adverts", "noise", part(0, b"SLP1" + bytes(60)))
    arp = bytes.fromhex("ffffffffffff0200000000010806000108000604000102000000000a0a0000640000000000000a000064")
    put("adverts", "overheard", part(3, arp + bytes(18)))


def main():
    for make in (configurations, calls, netlink, answers, agent, state, adverts):
        make()
    print(f"{sum(len(files) for _, _, files in os.walk(CORPUS))} files in {CORPUS}")


if __name__ == "__main__":
    main()
