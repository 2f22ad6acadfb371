# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""clients, a router, MUXes and servers with real kernels, in network namespaces of their own

The verbs of scripts/lab; docs/lab.md has the picture, topology.py the list of what there is."""
import argparse
import os
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lablib import LabError, hugepages, routing  # noqa: E402
from lablib.lab import ROOT, Lab, describe  # noqa: E402
from lablib.topology import CORE_MTU, Shape  # noqa: E402


def say(text):
    print(f"lab: {text}", flush=True)


def count(text):
    number = int(text)
    if not 1 <= number <= 200:
        raise argparse.ArgumentTypeError(f"{text}: from 1 to 200")
    return number


def weights(text):
    values = tuple(int(part) for part in text.split(","))
    if any(value < 0 for value in values):
        raise argparse.ArgumentTypeError(f"{text}: weights are 0 or more, one for each server, like 1,1,2,4")
    return values


def parse_arguments():
    parser = argparse.ArgumentParser(prog="scripts/lab", description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    up = verbs.add_parser("up", help="build the lab (installs and compiles what is absent)")
    up.add_argument("--muxes", type=count, default=1, metavar="N")
    up.add_argument("--dips", type=count, default=4, metavar="N")
    up.add_argument("--clients", type=count, default=1, metavar="N")
    up.add_argument("--driver", choices=("af_packet", "af_xdp"), default="af_packet", help="how a MUX takes its veth")
    up.add_argument("--weights", type=weights, default=(), metavar="W,W,...", help="of dip1, dip2, ...; 1 if not given")
    up.add_argument("--spares", type=int, default=0, metavar="N", help="further servers that no service names yet")
    up.add_argument("--core-mtu", type=int, default=CORE_MTU, metavar="BYTES", help="between router, MUXes and servers")
    up.add_argument("--routing", choices=routing.KINDS, default="static", help="how the router learns of the VIPs")
    up.add_argument("--bare", action="store_true", help="hosts, router and nginx only: no sluiced, no agent")
    verbs.add_parser("down", help="remove what `up` built, and nothing else")
    verbs.add_parser("status", help="hosts, addresses, and which programs live")
    execute = verbs.add_parser("exec", help="run a command in a host")
    execute.add_argument("name", help="client1, router, mux1, dip1, ...")
    execute.add_argument("command", nargs=argparse.REMAINDER)
    verbs.add_parser("ctl", help="sluicectl for a MUX: ctl [muxN] COMMAND..., mux1 when none is named")
    logs = verbs.add_parser("logs", help="what the programs of a host said")
    logs.add_argument("name")
    logs.add_argument("-f", "--follow", action="store_true")
    if sys.argv[1:2] == ["ctl"]:  # what follows is sluicectl's, options included
        return argparse.Namespace(verb="ctl", command=sys.argv[2:])
    return parser.parse_args()


def up(lab, arguments):
    shape = Shape(**{key: value for key, value in vars(arguments).items() if key != "verb"})
    if len(shape.weights) > shape.dips:
        raise LabError(f"{len(shape.weights)} weights for {shape.dips} servers: name at most one for each")
    parts = ["lab"] + ["build"] * (not shape.bare) + ["routing"] * (shape.routing != "static")
    subprocess.run([ROOT / "scripts" / "setup", *parts], check=True)
    if not lab.up(shape):
        say(f"is up already: {describe(shape)}")
        return
    say(f"is up: {describe(shape)}")
    say("try: scripts/lab exec client1 curl http://203.0.113.10/   or   scripts/lab status")


def status(lab, _):
    if not lab.is_up():
        say("is down")
        return 1
    shape = lab.shape
    say(f"is up: {describe(shape)}; files in {lab.dir}")
    programs = {}
    for daemon in lab.daemons():
        programs.setdefault(daemon.host, []).append(f"{daemon.program} {'runs' if daemon.alive() else 'is DEAD'}")
    for host in shape.all_hosts():
        print(f"  {host.name:9} {host.v4:15} {host.v6:18} {', '.join(programs.get(host.name, []))}".rstrip())
    print(f"  router    the address ending in 1 of every subnet; hugepages free: {hugepages.figures()[1]}")
    return 0 if all(daemon.alive() for daemon in lab.daemons()) else 1


def down(lab, _):
    say("is down, everything removed" if lab.down() else "is down already")


def execute(lab, arguments):
    if not arguments.command:
        raise LabError("which command? scripts/lab exec NAME COMMAND...")
    argv = lab.host(arguments.name).wrap(arguments.command)
    os.execvp(argv[0], argv)


def control(lab, arguments):
    words, mux = arguments.command, "mux1"
    if words and words[0].startswith("mux") and words[0][3:].isdigit():
        mux, words = words[0], words[1:]
    argv = lab.ctl(mux) + words
    os.execv(argv[0], argv)


def logs(lab, arguments):
    lab.host(arguments.name)
    files = sorted(lab.directory(arguments.name).glob("*.log"))
    if not files:
        raise LabError(f"no program runs on {arguments.name}")
    sys.stdout.flush()
    os.execvp("tail", ["tail", "-n", "+1", *(["-F"] if arguments.follow else []), *map(str, files)])


def main():
    arguments = parse_arguments()
    verbs = {"up": up, "down": down, "status": status, "exec": execute, "ctl": control, "logs": logs}
    try:
        return verbs[arguments.verb](Lab(say=say), arguments) or 0
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
    except subprocess.CalledProcessError as error:
        print(f"lab: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("lab: interrupted; what was begun is removed", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
