# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Routing daemons on the MUXes and on the router: the configurations of docs/routing, with each host's own addresses.

static   no daemon: the router has fixed ECMP routes to all MUXes
bird     BIRD 2 on both sides
frr      FRR (zebra, bgpd, bfdd) on both sides
exabgp   ExaBGP on the MUXes, BIRD on the router"""
import re
import shutil
from pathlib import Path

from . import LabError, process
from .topology import SUBNETS, VIP_PREFIXES

KINDS = ("static", "bird", "frr", "exabgp")
CONFIGURATIONS = Path(__file__).resolve().parents[2] / "docs" / "routing"
FRR_PROGRAMS = Path("/usr/lib/frr")
FRR_DAEMONS = ("zebra", "bfdd", "bgpd")
MAIN_TABLE = 254
TAP = "sluice0"
START_S = 20


def route_table(kind):
    """What docs/routing says of `route_table`: FRR reads the main table."""
    return MAIN_TABLE if kind == "frr" else 202


def static_routes(router, muxes):
    for prefix in VIP_PREFIXES:
        hops = " ".join(f"nexthop via {m.v6 if ':' in prefix else m.v4} dev muxes" for m in muxes)
        router.ip(f"route replace {prefix} {hops}")


def fitted(name, host, directory):
    """A configuration of docs/routing with the addresses of this host in place of those of the first MUX."""
    text = (CONFIGURATIONS / name).read_text()
    if host is not None:
        first4, first6 = SUBNETS["muxes"].address(11)
        text = re.sub(rf"{re.escape(first4)}\b", host.v4, text)
        text = re.sub(rf"{re.escape(first6)}\b", host.v6, text)
    written = directory / name
    written.write_text(text)
    return written


def start(lab, kind):
    """All daemons of this kind of routing."""
    if kind == "static":
        return
    start_one = {"bird": _start_bird, "frr": _start_frr, "exabgp": _start_exabgp}
    start_router(lab)
    for mux in lab.shape.hosts("mux"):
        start_one[kind](lab, mux.name, mux, "mux")


def start_router(lab):
    """The router's own daemon; also after one that was killed."""
    (_start_frr if lab.shape.routing == "frr" else _start_bird)(lab, "router", None, "router")


def _start_bird(lab, name, host, side):
    directory = lab.directory(name)
    conf = fitted(f"bird-{side}.conf", host, directory)
    argv = ["bird", "-f", "-c", str(conf), "-s", str(directory / "bird.ctl"), "-P", str(directory / "bird.pid")]
    daemon = process.start(lab.host(name), "bird", argv, str(directory / "bird.log"))
    lab.record(daemon)
    process.wait_until(daemon, (directory / "bird.ctl").exists, "answering birdc", START_S)


def _start_frr(lab, name, host, side):
    directory = lab.directory(name)
    conf = fitted(f"frr-{side}.conf", host, directory)
    sockets = directory / "frr"
    sockets.mkdir(exist_ok=True)
    (sockets / "vtysh.conf").write_text("")
    shutil.copy(conf, sockets / "frr.conf")
    empty = sockets / "empty.conf"
    empty.write_text("")
    for path in (sockets, *sockets.iterdir()):
        shutil.chown(path, "frr", "frr")
    for program in FRR_DAEMONS:
        argv = [str(FRR_PROGRAMS / program), "-f", str(empty), "-i", str(sockets / f"{program}.pid")]
        argv += ["-z", str(sockets / "zserv.api"), "--vty_socket", str(sockets), "-A", "127.0.0.1", "--log", "stdout"]
        if program == "bfdd":
            argv += ["--bfdctl", str(sockets / "bfdd.sock")]
        daemon = process.start(lab.host(name), program, argv, str(directory / f"{program}.log"))
        lab.record(daemon)
        process.wait_until(daemon, (sockets / f"{program}.vty").exists, "answering vtysh", START_S)
    lab.host(name).run([*_vtysh(directory), "-b"])


def _start_exabgp(lab, name, host, side):
    directory = lab.directory(name)
    conf = fitted(f"exabgp-{side}.conf", host, directory)
    conf.write_text(conf.read_text().replace("/etc/exabgp/exabgp-vips", str(CONFIGURATIONS / "exabgp-vips")))
    settings = ["exabgp.daemon.user=root", "exabgp.cli.pipe=", "exabgp.api.cli=false", "exabgp.log.destination=stdout"]
    daemon = process.start(
        lab.host(name), "exabgp", ["env", *settings, "exabgp", str(conf)], str(directory / "exabgp.log")
    )
    lab.record(daemon)


# --- questions ------------------------------------------------------------------------------------------------------


def _vtysh(directory):
    return ["vtysh", "--config_dir", str(directory / "frr"), "--vty_socket", str(directory / "frr")]


def show(lab, name, *words):
    """What `birdc` or `vtysh` of that host says, the command in its own words."""
    directory = lab.directory(name)
    if (directory / "bird.ctl").exists():
        argv = ["birdc", "-s", str(directory / "bird.ctl"), *words]
    elif (directory / "frr").exists():
        argv = [*_vtysh(directory), "-c", " ".join(words)]
    else:
        raise LabError(f"no routing daemon that could be asked runs on {name}")
    return lab.host(name).run(argv).stdout


def behind(lab, gateway):
    """The name of the MUX that a gateway's frames go to: by its own address, or, of an IIP, as the router's neighbours say."""
    for mux in lab.shape.hosts("mux"):
        if gateway in (mux.v4, mux.v6):
            return mux.name
    (entry,) = lab.host("router").ip_json("neigh", "show", gateway, "dev", "muxes") or [{}]
    return next((mux.name for mux in lab.shape.hosts("mux") if mux.mac == entry.get("lladdr")), None)


def next_hops(lab, vip):
    """The names of the MUXes to which the router's kernel sends this VIP."""
    family = "-6" if ":" in vip else "-4"
    rows = [row for row in lab.host("router").ip_json(family, "route", "show", "match", vip) if row["dst"] != "default"]
    if not rows:
        return set()
    longest = max(rows, key=lambda row: int((row["dst"] + "/128").split("/")[1]))
    hops = longest.get("nexthops") or [longest]
    return {behind(lab, hop["gateway"]) for hop in hops if "dead" not in hop.get("flags", [])} - {None}


def watched(lab):
    """How many sessions of BFD the router has up: until all are, a dead MUX is noticed by BGP's hold time alone."""
    if lab.shape.routing == "exabgp":
        return 0  # it speaks no BFD
    if lab.shape.routing == "bird":
        shown = show(lab, "router", "show", "bfd", "sessions")
        return sum(1 for line in shown.splitlines() if " Up " in line)
    return show(lab, "router", "show", "bfd", "peers").count("Status: up")


def learned(lab, name="mux1"):
    """What sluiced says of its routes: VIP -> state."""
    return {row["prefix"]: row["state"] for row in lab.ask("route", "list", mux=name)}

