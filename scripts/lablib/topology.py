# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""What the lab consists of, as data. Nothing here touches the machine.

    clients 198.51.100.0/24 ----+
                                |
    muxes   10.0.0.0/24 ---- router ---- servers1 10.1.0.0/24   dip1, dip4, ...
                                |------- servers2 10.2.0.0/24   dip2, dip5, ...
                                +------- servers3 10.3.0.0/24   dip3, dip6, ...

Every subnet is a bridge in the router's namespace, on which the router has the address that ends in 1; every host hangs
on it by one veth. The router sends the VIPs' prefixes to the MUXes (ECMP when there are several); servers answer clients
through the router, past the MUX.
"""
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

CLIENT_MTU = 1500
# Between router, MUXes and servers a client's full-size packet must fit with an outer header (IPv6 40, GUE 8).
CORE_MTU = 1600

VIP_PREFIXES = ("203.0.113.0/24", "2001:db8:cb::/64")


@dataclass(frozen=True)
class Subnet:
    name: str
    v4: str
    v6: str

    def address(self, number):
        """The host addresses that end in `number` (read as hexadecimal digits in IPv6): ("10.1.0.11", "2001:db8:1::11")."""
        v4 = ip_network(self.v4).network_address + number
        v6 = ip_network(self.v6).network_address + int(str(number), 16)
        return str(v4), str(v6)

    @property
    def router(self):
        return self.address(1)


SUBNETS = {
    s.name: s
    for s in (
        Subnet("clients", "198.51.100.0/24", "2001:db8:c::/64"),
        Subnet("muxes", "10.0.0.0/24", "2001:db8:a::/64"),
        Subnet("servers1", "10.1.0.0/24", "2001:db8:1::/64"),
        Subnet("servers2", "10.2.0.0/24", "2001:db8:2::/64"),
        Subnet("servers3", "10.3.0.0/24", "2001:db8:3::/64"),
    )
}

# role -> (the subnets its hosts go to in turn, its network device)
ROLES = {
    "client": (("clients",), "eth0"),
    "mux": (("muxes",), "lb0"),
    "dip": (("servers1", "servers2", "servers3"), "eth0"),
    "neighbour": (("muxes",), "eth0"),
}
FIRST_NUMBER = 11  # dip1 is .11, dip2 is .12, ... in whatever subnet
FIRST_NEIGHBOUR = 61  # beside the MUXes


@dataclass(frozen=True)
class Host:
    name: str  # as the operator types it: client1, mux1, dip1
    role: str
    index: int  # 1 for the first of its role
    subnet: Subnet
    v4: str
    v6: str
    device: str

    @property
    def mac(self):
        """A local address that shows the IPv4 address: 02:00:0a:01:00:0b is 10.1.0.11."""
        return mac_of(self.v4)


@dataclass(frozen=True)
class Service:
    name: str
    vip: str
    protocol: str
    port: int

    @property
    def is_v6(self):
        return ip_address(self.vip).version == 6


SERVICES = (
    Service("web", "203.0.113.10", "tcp", 80),
    Service("web6", "2001:db8:cb::10", "tcp", 80),
)
# VIPs that the servers hold from the start, for services that are added while the lab runs.
LATER_SERVICES = (
    Service("dns", "203.0.113.53", "udp", 53),
    Service("dns6", "2001:db8:cb::53", "udp", 53),
)


@dataclass(frozen=True)
class Shape:
    """What `scripts/lab up` was asked for."""

    muxes: int = 1
    dips: int = 4
    clients: int = 1
    driver: str = "af_packet"
    weights: tuple = ()  # for dip1, dip2, ...; 1 where none is given
    spares: int = 0  # further servers, up and running, that no service names yet
    core_mtu: int = CORE_MTU
    neighbours: int = 0  # further hosts on the MUXes' subnet, on which nothing runs
    routing: str = "static"  # how the router learns of VIPs: one of routing.KINDS
    bare: bool = False  # hosts, router and nginx only: no MUX program, no agents

    def hosts(self, role):
        subnets, device = ROLES[role]
        count = {"client": self.clients, "mux": self.muxes, "dip": self.dips + self.spares, "neighbour": self.neighbours}[role]
        return [make_host(role, i, SUBNETS[subnets[(i - 1) % len(subnets)]], device) for i in range(1, count + 1)]

    def all_hosts(self):
        return self.hosts("client") + self.hosts("mux") + self.hosts("dip") + self.hosts("neighbour")

    def weight(self, dip):
        return self.weights[dip.index - 1] if dip.index <= len(self.weights) else 1

    def members(self):
        """The servers that the services name from the start."""
        return self.hosts("dip")[: self.dips]

    def mtu(self, subnet):
        return CLIENT_MTU if subnet.name == "clients" else self.core_mtu


def make_host(role, index, subnet, device):
    v4, v6 = subnet.address((FIRST_NEIGHBOUR if role == "neighbour" else FIRST_NUMBER) + index - 1)
    return Host(f"{role}{index}", role, index, subnet, v4, v6, device)


def mac_of(v4):
    return "02:00:" + ":".join(f"{byte:02x}" for byte in ip_address(v4).packed)
