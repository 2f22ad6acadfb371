# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""The lab as a whole: up in order, down in reverse, and what is known of it in between.

Everything that `up` makes is written to lab.json before it is made, so that `down` finds it whatever happened."""
import contextlib
import dataclasses
import fcntl
import json
import os
import secrets
import shutil
import sys
from pathlib import Path

from . import LabError, hugepages, process, programs, routing
from .host import Namespace, run
from .process import Daemon
from .topology import SERVICES, SUBNETS, Shape, mac_of

ROOT = Path(__file__).resolve().parents[2]
EAL_DIR = Path("/run/dpdk")  # what EAL keeps at run time, a directory for each --file-prefix
PROGRAMS = ("sluiced", "sluicectl", "sluice-agent")


def quiet(_):
    pass


class Lab:
    def __init__(self, prefix=None, build=None, say=quiet):
        # SLUICE_LAB names a second lab beside the first; SLUICE_BUILD takes the programs from another build directory.
        self.prefix = prefix or os.environ.get("SLUICE_LAB", "sluice")
        self.build = Path(build or os.environ.get("SLUICE_BUILD", ROOT / "build")).resolve()
        self.dir = Path("/run") / f"{self.prefix}-lab"
        self.www = self.dir / "www"
        self.say = say
        self.state = None
        if self.is_up():
            self._load()

    # --- what is known ---

    def is_up(self):
        return (self.dir / "lab.json").exists()

    @property
    def shape(self):
        return Shape(**{**self.state["shape"], "weights": tuple(self.state["shape"]["weights"])})

    def host(self, name):
        """The namespace of a host, for commands inside it."""
        self._must_be_up()
        if name not in self.state["namespaces"]:
            raise LabError(f'no host named "{name}"; hosts: {" ".join(self.state["namespaces"])}')
        return Namespace(self.prefix, name)

    def spec(self, name):
        """The addresses of a host."""
        return next(h for h in self.shape.all_hosts() if h.name == name)

    def directory(self, name):
        return self.dir / name

    def daemons(self):
        return [Daemon(**d) for d in self.state["daemons"]]

    def daemon(self, host, program):
        for daemon in self.daemons():
            if (daemon.host, daemon.program) == (host, program):
                return daemon
        raise LabError(f"no {program} on {host}")

    def ctl(self, mux="mux1"):
        """The command line of that MUX, to which a command is appended."""
        if not self.spec_exists(mux, "mux"):
            raise LabError(f'no MUX named "{mux}"; MUXes: {" ".join(h.name for h in self.shape.hosts("mux"))}')
        return programs.sluicectl(self.directory(mux), self.build)

    def ask(self, *words, mux="mux1"):
        """The result of a sluicectl command, as its JSON says it."""
        return json.loads(run([*self.ctl(mux), "--json", *map(str, words)]).stdout)

    def spec_exists(self, name, role):
        self._must_be_up()
        return any(h.name == name for h in self.shape.hosts(role))

    # --- up ---

    def up(self, shape):
        """Builds the lab. True when it was made, False when such a lab is up already; all or nothing."""
        if os.geteuid() != 0:
            raise LabError("network namespaces need root: run it as root")
        with self._lock():
            if self.is_up():
                self._load()
                if self.shape == shape:
                    return False
                raise LabError(f"a lab of another shape is up ({describe(self.shape)}): scripts/lab down first")
            if not shape.bare:
                self._build_programs()
            self._check_free(shape)
            try:
                self._make(shape)
            except BaseException as error:
                self._tell_why(error)
                self._unmake()
                raise
        return True

    def _build_programs(self):
        if all(os.access(self.build / name, os.X_OK) for name in PROGRAMS):
            return
        self.say(f"building into {self.build} (meson and ninja)")
        if not (self.build / "build.ninja").exists():
            run(["meson", "setup", str(self.build), str(ROOT)], timeout=300)
        run(["ninja", "-C", str(self.build)], timeout=3600)
        programs.require(self.build, PROGRAMS)

    def _check_free(self, shape):
        for name in ["router"] + [h.name for h in shape.all_hosts()]:
            namespace = Namespace(self.prefix, name)
            if namespace.exists():
                raise LabError(
                    f"a network namespace {namespace.netns} exists that no lab on record made: "
                    f"`ip netns del {namespace.netns}` if it is yours to remove"
                )

    def _make(self, shape):
        names = ["router"] + [h.name for h in shape.all_hosts()]
        self.dir.mkdir()
        self.state = {
            "shape": dataclasses.asdict(shape),
            "namespaces": names,
            # Several MUXes choose alike only with the same key; one alone makes its own.
            "hash_key": secrets.token_hex(40) if shape.muxes > 1 else "",
            "hugepages_added": 0,
            "hugepages": False,
            "daemons": [],
            "dpdk_dir_is_new": not EAL_DIR.exists(),
        }
        self._save()
        for name in names:
            self.directory(name).mkdir()
        self.say(f"hosts: {' '.join(names)}")
        self._make_router(shape)
        for host in shape.all_hosts():
            self._make_host(host, shape)
        programs.write_big_file(self.www)
        for host in shape.hosts("dip"):
            self.start(host.name, "nginx")
        self.say("nginx serves on every server")
        if shape.bare:
            return
        for host in shape.hosts("dip"):
            self.start(host.name, "sluice-agent")
        self.say("the agent runs on every server")
        self._take_hugepages(shape)
        for host in shape.hosts("mux"):
            self.start(host.name, "sluiced")
            self.say(f"sluiced is ready on {host.name}")
        if shape.routing != "static":
            routing.start(self, shape.routing)
            self.say(f"{shape.routing} announces the VIPs to the router")

    def _make_router(self, shape):
        router = self.host("router")
        router.create()
        router.sysctl(
            {
                "net.ipv4.ip_forward": 1,
                "net.ipv6.conf.all.forwarding": 1,
                # ECMP by addresses and ports, as routers do it.
                "net.ipv4.fib_multipath_hash_policy": 1,
                "net.ipv6.fib_multipath_hash_policy": 1,
                "net.ipv4.conf.all.send_redirects": 0,
                "net.ipv4.conf.default.send_redirects": 0,
                # A path MTU test asks for many ICMP errors in a row.
                "net.ipv4.icmp_ratelimit": 0,
                "net.ipv6.icmp.ratelimit": 0,
            }
        )
        for subnet in SUBNETS.values():
            v4, v6 = subnet.router
            router.ip(
                f"""
                link add {subnet.name} address {mac_of(v4)} type bridge mcast_snooping 0
                link set {subnet.name} mtu {shape.mtu(subnet)} up
                addr add {v4}/{subnet.v4.split("/")[1]} dev {subnet.name}
                addr add {v6}/{subnet.v6.split("/")[1]} dev {subnet.name} nodad
                """
            )
            router.no_offloads(subnet.name)
        if shape.routing == "static" or shape.bare:
            routing.static_routes(router, shape.hosts("mux"))

    def _make_host(self, host, shape):
        namespace, router = self.host(host.name), self.host("router")
        namespace.create()
        mtu, subnet = shape.mtu(host.subnet), host.subnet
        # One queue: an AF_XDP socket is bound to one, and what the kernel put on another would never arrive.
        queues = "numtxqueues 1 numrxqueues 1"
        router.ip(
            f"""
            link add {host.name} mtu {mtu} {queues} type veth peer name {host.device} mtu {mtu} address {host.mac} {queues} netns {namespace.netns}
            link set {host.name} master {subnet.name} up
            """
        )
        router.sysctl({f"net.ipv6.conf.{host.name}.disable_ipv6": 1})
        router.no_offloads(host.name)
        namespace.no_offloads(host.device)
        if host.role == "mux":
            self._silence_kernel(namespace, host.device)
            return
        router4, router6 = subnet.router
        namespace.ip(
            f"""
            link set {host.device} up
            addr add {host.v4}/{subnet.v4.split("/")[1]} dev {host.device}
            addr add {host.v6}/{subnet.v6.split("/")[1]} dev {host.device} nodad
            route add default via {router4}
            route add default via {router6}
            """
        )

    def _silence_kernel(self, namespace, device):
        # An AF_PACKET port leaves the kernel a copy of every frame; without this it would answer beside sluiced.
        # The filter is one classic BPF instruction, "return TC_ACT_SHOT"; packet sockets look before it.
        namespace.sysctl({f"net.ipv6.conf.{device}.disable_ipv6": 1})
        namespace.ip(f"link set {device} arp off addrgenmode none\nlink set {device} up")
        namespace.run(["tc", "qdisc", "add", "dev", device, "clsact"])
        namespace.run(
            ["tc", "filter", "add", "dev", device, "ingress", "protocol", "all", "bpf", "da", "bytecode", "1,6 0 0 2"]
        )

    def _take_hugepages(self, shape):
        added = hugepages.take(hugepages.PAGES_PER_MUX * len(shape.hosts("mux")))
        self.state["hugepages"] = added is not None
        self.state["hugepages_added"] = added or 0
        self._save()
        if added is None:
            self.say("the machine gives no hugepages: sluiced runs with --no-huge")

    # --- single daemons, also for tests that restart them ---

    def start(self, name, program):
        namespace, host, directory = self.host(name), self.spec(name), self.directory(name)
        if program == "sluice-agent":
            daemon = programs.start_agent(namespace, host, directory, self.build)
        elif program == "nginx":
            daemon = programs.start_nginx(namespace, host, directory, self.www)
        elif program == "sluiced":
            conf = directory / "sluiced.conf"
            if not conf.exists():  # a test or an operator may have changed it
                conf.write_text(self.sluiced_conf(name))
            daemon = programs.start_sluiced(namespace, directory, self.build)
        else:
            raise LabError(f"the lab does not start {program}")
        self.record(daemon)
        return daemon

    def take_over(self, name):
        """The next sluiced gets ready beside the one that runs, and then takes its place."""
        before = self.daemon(name, "sluiced")
        daemon = programs.start_sluiced(self.host(name), self.directory(name), self.build, before)
        self.stop(name, "sluiced")  # it is gone: forgets it
        self.record(daemon)

    def sluiced_conf(self, mux, services=SERVICES):
        """The text of that MUX's configuration, for these services."""
        return programs.sluiced_conf(self.spec(mux), self.shape, self.directory(mux), self.prefix, self.state, services)

    def stop(self, name, program):
        daemon = self.daemon(name, program)
        obeyed = process.stop(daemon)
        self._forget(daemon)
        return obeyed

    def kill(self, name, program):
        """SIGKILL: the program has no last word."""
        daemon = self.daemon(name, program)
        process.kill(daemon)
        self._forget(daemon)

    def _forget(self, daemon):
        self.state["daemons"] = [d for d in self.state["daemons"] if d["pid"] != daemon.pid]
        self._save()

    # --- down ---

    def down(self):
        """Removes what `up` made and nothing else; False when there was nothing."""
        with self._lock():
            if not self.is_up():
                return False
            self._load()
            self._unmake()
        return True

    def _unmake(self):
        if self.state is None:  # the directory itself could not be made: it is not ours
            return
        for daemon in reversed(self.daemons()):
            if not process.stop(daemon):
                self.say(f"{daemon.title()} did not stop on SIGTERM and was killed")
        for name in self.state["namespaces"]:
            namespace = Namespace(self.prefix, name)
            if namespace.exists():
                namespace.delete()
            shutil.rmtree(EAL_DIR / namespace.netns, ignore_errors=True)
        if self.state["dpdk_dir_is_new"]:
            with contextlib.suppress(OSError):  # absent, or in use by somebody else by now
                EAL_DIR.rmdir()
        hugepages.give_back(self.state["hugepages_added"])
        shutil.rmtree(self.dir)
        self.state = None

    # --- helpers ---

    def _must_be_up(self):
        if self.state is None:
            raise LabError("the lab is not up: scripts/lab up")

    def _load(self):
        self.state = json.loads((self.dir / "lab.json").read_text())

    def _save(self):
        temporary = self.dir / "lab.json.new"
        temporary.write_text(json.dumps(self.state, indent=1) + "\n")
        temporary.rename(self.dir / "lab.json")

    def record(self, daemon):
        """Remembers a daemon, so that `down` ends it."""
        self.state["daemons"].append(dataclasses.asdict(daemon))
        self._save()

    def _tell_why(self, error):
        """`down` takes the logs with it: whoever failed to start is quoted first."""
        if not isinstance(error, LabError):
            return
        for log in sorted(self.dir.glob("*/*.log")):
            lines = process.tail(log, 12)
            if lines and f"{log.stem} on {log.parent.name}" in str(error):
                print(f"--- {log} ends so:", *lines, sep="\n    ", file=sys.stderr)

    @contextlib.contextmanager
    def _lock(self):
        """One `up` or `down` at a time; /run itself is the lock, so nothing is left behind."""
        handle = os.open("/run", os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def describe(shape):
    text = f"{shape.clients} client(s), {shape.muxes} MUX(es) on {shape.driver}, {shape.dips} server(s)"
    if shape.spares:
        text += f" and {shape.spares} spare"
    if shape.weights:
        text += f", weights {','.join(map(str, shape.weights))}"
    if shape.routing != "static":
        text += f", routes by {shape.routing}"
    if shape.bare:
        text += ", bare"
    return text
