# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""The network around one agent: a client, a router, a server (`dip`) that the agent runs on, and in place of
`sluiced` a MUX of a few lines that wraps whatever comes for a VIP and sends it to the server.

    client 10.9.0.2 ---- router ---- 10.1.0.11 dip
                            |
                   mux 10.0.0.10     the router sends 203.0.113.0/24 and 2001:db8:cb::/48 here
"""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import threading

from netns import Lab, Timeout, end, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
AGENT = pathlib.Path(os.environ.get("SLUICE_BUILD", ROOT / "build")) / "sluice-agent"

VIP4, VIP6 = "203.0.113.10", "2001:db8:cb::10"
DIP4, DIP6 = "10.1.0.11", "2001:db8:1::11"
MUX4, MUX6 = "10.0.0.10", "2001:db8:0::10"
CLIENT4, CLIENT6 = "10.9.0.2", "2001:db8:9::2"
GUE_PORT = 6080
STATUS = (DIP4, 9110)


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def checksum(data):
    """RFC 1071, as a 16-bit number."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, destination, protocol, payload, tos=0, fragment=0, options=b"", ttl=64):
    words = (5 + len(options) // 4) | 0x40
    head = struct.pack("!BBHHHBBH", words, tos, 20 + len(options) + len(payload), 0x1234, fragment, ttl, protocol, 0)
    head += packed(source) + packed(destination) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(source, destination, protocol, payload, tos=0, hops=64):
    head = struct.pack("!IHBB", 6 << 28 | tos << 20, len(payload), protocol, hops)
    return head + packed(source) + packed(destination) + payload


def udp(source, destination, source_port, port, payload):
    head = struct.pack("!HHHH", source_port, port, 8 + len(payload), 0)
    pseudo = packed(source) + packed(destination) + struct.pack("!II", len(head) + len(payload), 17)
    return head[:6] + struct.pack("!H", checksum(pseudo + head + payload) or 0xFFFF) + payload


def ip(source, destination, protocol, payload, **fields):
    return (ipv6 if ":" in source else ipv4)(source, destination, protocol, payload, **fields)


def udp_packet(source, destination, source_port, port, payload, **fields):
    return ip(source, destination, 17, udp(source, destination, source_port, port, payload), **fields)


def wrap(inner, outer, gue=False, tos=0, destination=None, **fields):
    """The tunnel packet around `inner`: `outer` is 4 or 6."""
    source, to = (MUX4, DIP4) if outer == 4 else (MUX6, DIP6)
    to = destination or to
    if gue:
        return ip(source, to, 17, udp(source, to, 0xC123, GUE_PORT, inner), tos=tos, **fields)
    return ip(source, to, 4 if inner[0] >> 4 == 4 else 41, inner, tos=tos, **fields)


def ethernet(destination, source, packet):
    kind = 0x0800 if packet[0] >> 4 == 4 else 0x86DD
    return bytes.fromhex(destination.replace(":", "")) + bytes.fromhex(source.replace(":", "")) + struct.pack(
        "!H", kind) + packet


def packet_socket(host, device):
    with host.inside():
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        s.bind((device, 0))
        return s


class Mux(threading.Thread):
    """Wraps what comes for a VIP and sends it to the server. Remembers what it should never see: replies."""

    def __init__(self, host, device, gateway_mac):
        super().__init__(daemon=True)
        self.socket = packet_socket(host, device)
        self.mac, self.gateway = host.mac(device), gateway_mac
        self.outer, self.gue = 4, False
        self.seen, self.replies = 0, 0
        self.stop, self.stopped = os.pipe()[::-1]
        self.start()

    def run(self):
        while self.stopped not in select.select([self.socket, self.stopped], [], [])[0]:
            frame, (_, _, kind, *_) = self.socket.recvfrom(65536)
            if kind == socket.PACKET_OUTGOING:
                continue
            packet = frame[14:]
            version = packet[0] >> 4
            source = packet[12:16] if version == 4 else packet[8:24]
            to = packet[16:20] if version == 4 else packet[24:40]
            if source in (packed(VIP4), packed(VIP6)):
                self.replies += 1
            if version == 4 and to.startswith(packed("203.0.113.0")[:3]):
                self.send(packet[:struct.unpack("!H", packet[2:4])[0]])
            elif version == 6 and to.startswith(packed("2001:db8:cb::")[:6]):
                self.send(packet[:40 + struct.unpack("!H", packet[4:6])[0]])

    def send(self, inner):
        self.seen += 1
        self.emit(wrap(inner, self.outer, self.gue))

    def emit(self, packet):
        self.socket.send(ethernet(self.gateway, self.mac, packet))

    def close(self):
        os.write(self.stop, b"x")
        self.join()
        self.socket.close()
        os.close(self.stop)
        os.close(self.stopped)


class Server:
    """HTTP/1.1 on a port of the server: GET /N answers N bytes, POST says how many bytes came."""

    def __init__(self, host, address, port, family=socket.AF_INET6):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, body, status=200):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                size = self.path.strip("/")
                self.answer(b"x" * int(size) if size.isdigit() else b"dip", self.server.status)

            def do_POST(self):
                left = size = int(self.headers["Content-Length"])
                while left > 0:
                    left -= len(self.rfile.read(min(left, 65536)))
                self.answer(str(size).encode())

            def log_message(self, *words):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            address_family = family
            daemon_threads = True
            status = 200

        with host.inside():
            self.http = Listener((address, port), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class AgentNet:
    """The namespaces, and the agent in one of them. Use as a context manager."""

    def __init__(self, tmp_path, offloads=False):
        self.directory = tmp_path
        self.stack = contextlib.ExitStack()
        self.offloads = offloads
        self.agent, self.log = None, None

    def __enter__(self):
        with contextlib.ExitStack() as undo:
            lab = undo.enter_context(Lab(f"sla-{os.getpid()}-"))
            self.client, self.router, self.mux_host, self.dip = map(lab.namespace, ("client", "router", "mux", "dip"))
            for host, device, net4, net6, own in ((self.client, "c0", "10.9.0", "2001:db8:9", "2"),
                                                  (self.mux_host, "m0", "10.0.0", "2001:db8:0", "10"),
                                                  (self.dip, "eth0", "10.1.0", "2001:db8:1", "11")):
                to = "to-" + device
                lab.veth(self.router, to, host, device, offloads=self.offloads and host is self.dip)
                for net, length in ((net4 + ".", 24), (net6 + "::", 64)):
                    self.router.address(to, f"{net}1/{length}")
                    host.address(device, f"{net}{own}/{length}")
                    host.route("default", f"{net}1")
            for name in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
                self.router.sysctl(name, 1)
            self.router.route("203.0.113.0/24", MUX4)
            self.router.route("2001:db8:cb::/48", MUX6)
            self.mux = Mux(self.mux_host, "m0", self.router.mac("to-m0"))
            undo.callback(self.mux.close)
            self.stack = undo.pop_all()
        return self

    def __exit__(self, *failure):
        self.stack.close()
        if self.log:
            self.log.close()

    # -- the agent --

    def config(self, vips=None, **settings):
        """Writes a configuration file; settings are libconfig values as text."""
        fields = {"interface": '"eth0"', "listen": f'"{STATUS[0]}:{STATUS[1]}"', "log_level": '"debug"',
                  "state": f'"{self.directory}/state.json"', **settings}
        vips = vips or [f'{{ address = "{VIP4}"; }}', f'{{ address = "{VIP6}"; }}']
        lines = [f"  {key} = {value};" for key, value in fields.items() if value is not None]
        path = self.directory / "agent.conf"
        path.write_text("agent: {\n" + "\n".join(lines) + f"\n  vips = ( {', '.join(vips)} );\n}};\n", encoding="utf-8")
        return path

    def start(self, vips=None, **settings):
        """Starts the agent and waits until it says that it is ready."""
        path = self.config(vips, **settings)
        if self.log:
            self.log.close()
        self.log = open(self.directory / "agent.log", "w+b")
        self.agent = self.dip.start(AGENT, "-c", path, stderr=self.log)
        wait_until(lambda: b" ready\n" in self.logged() or self.agent.poll() is not None, "the agent to be ready")
        assert self.agent.poll() is None, self.logged().decode()

    def logged(self):
        self.log.seek(0)
        return self.log.read()

    def attach_other_program(self, priority):
        """A tc program of somebody else on the server's interface, at ingress."""
        source, program = self.directory / "other.c", self.directory / "other.o"
        source.write_text('__attribute__((section("tc"), used)) int someone_else(void* skb) { return -1; }\n',
                          encoding="utf-8")
        subprocess.run(["clang-14", "-target", "bpf", "-O2", "-g", "-c", source, "-o", program], check=True)
        self.dip.run("tc", "filter", "add", "dev", "eth0", "ingress", "prio", priority, "handle", 1, "bpf",
                     "direct-action", "object-file", program, "section", "tc")

    def stop(self):
        return end(self.agent)

    def kill(self):
        self.agent.send_signal(signal.SIGKILL)
        self.agent.wait()

    # -- what the tests ask --

    def server(self, address="::", port=80, family=socket.AF_INET6):
        server = Server(self.dip, address, port, family)
        self.stack.callback(server.close)
        return server

    def http(self, method, path, body=None, address=VIP4, port=80, headers=None):
        """One request by the client's kernel; returns (status, body)."""
        with self.connection(address, port) as connection:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()

    @contextlib.contextmanager
    def connection(self, address=VIP4, port=80):
        connection = http.client.HTTPConnection(address, port, timeout=10)
        with self.client.inside():
            connection.connect()
        try:
            yield connection
        finally:
            connection.close()

    def ask(self, path):
        return self.http("GET", path, address=STATUS[0], port=STATUS[1])

    def status(self):
        code, body = self.ask("/status")
        assert code == 200, body
        return json.loads(body)

    def packets(self, outcome, vip=VIP4):
        """A counter of the agent: of a VIP, or of the host."""
        status = self.status()
        if outcome in status["left_alone_packets"]:
            return status["left_alone_packets"][outcome]
        return next(v for v in status["vips"] if v["address"] == vip)["packets"][outcome]

    def expect(self, number, outcome, vip=VIP4):
        """Waits until a counter is `number`, or what number() says: packets may still be on their way, and the
        agent repeats its last answer for some milliseconds."""
        wanted = number if callable(number) else lambda: number
        last = []
        with contextlib.suppress(Timeout):
            wait_until(lambda: last.append(self.packets(outcome, vip)) or last[-1] == wanted(), outcome, timeout_s=3)
        assert last[-1] == wanted(), outcome

    def udp_server(self, address, port):
        """A socket on the server that also tells TOS or traffic class."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with self.dip.inside():
            s = socket.socket(family, socket.SOCK_DGRAM)
        s.settimeout(10)
        s.bind((address, port))
        if family == socket.AF_INET:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        else:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
        self.stack.callback(s.close)
        return s

    def host_state(self):
        """All that an agent may change on the server, as text."""
        commands = ("ip -o address", "ip route show table all", "ip -6 route show table all", "tc qdisc show",
                    "tc filter show dev eth0 ingress", "tc filter show dev eth0 egress")
        state = [self.dip.run(*c.split(), check=False) for c in commands]
        state += [self.dip.run("sysctl", "-a", "-r", r"net\.ipv4\.conf|net\.ipv6\.conf\.(lo|eth0)")]
        state += sorted(p.name for p in self.directory.iterdir() if p.name.startswith("state"))
        return "\n".join(state)


def run_agent(*words):
    """The agent as a command, in the namespace of the caller; for what ends by itself."""
    return subprocess.run([AGENT, *map(str, words)], capture_output=True, text=True, timeout=20, check=False)
