# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""smoke.py SLUICE_BENCH GENERATOR: do the programs of scripts/bench still work? A few seconds, without hugepages; the
figures are thrown away."""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from benchlib.forwarders import own_prefix  # noqa: E402

BENCH, GENERATOR = sys.argv[1:]
CPUS = sorted(os.sched_getaffinity(0))
SMALL = ["--dips", "16", "--seconds", "0.05"]
RUNS = [
    ["stages", "--flows", "2000", "--dips", "16", "--rounds", "50"],
    ["stages", "--flows", "2000", "--dips", "16", "--rounds", "50", "--sticky", "--v6"],
    ["tables", "--flows", "2000", "--rounds", "50"],
    ["flows", "stateless", "--flows", "2000", "--services", "20", *SMALL],
    ["flows", "established", "--flows", "2000", "--order", "zipf", "--v6", *SMALL],
    ["flows", "established", "--flows", "2000", "--order", "local", "--adaptive", *SMALL],
    ["flows", "transition", "--flows", "2000", *SMALL],
    ["flows", "pipeline", "--flows", "2000", *SMALL],
    ["maps", "--dips", "100"],
]


def run(argv, eal, directory, say=None):
    words = [word for argument in [*eal, own_prefix()] for word in ("--eal", argument)]
    surroundings = {**os.environ, "RUNTIME_DIRECTORY": directory}
    done = subprocess.run([*argv, *words], input=say, env=surroundings, stdout=subprocess.PIPE, text=True, timeout=120)
    if done.returncode != 0:
        sys.exit(f"`{' '.join(argv)}` ended with {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def main():
    # Where there is one cpu, three lcores share it.
    lcores = f"--lcores=0@{CPUS[0]},1@{CPUS[-1]},2@{CPUS[0]}"
    eal = ["--no-huge", "-m", "512", "--no-shconf", "--no-pci", "--no-telemetry", "--log-level=error"]
    with tempfile.TemporaryDirectory() as directory:
        for words in RUNS:
            (figures,) = run([BENCH, *words], [*eal, lcores], directory)
            assert figures and all(figure >= 0 for figure in figures.values()), (words, figures)
        # A port that gives back what it is sent.
        commands = "up\nrun 0 0.1\npings 3 1\n"
        _, ran, pinged = run([GENERATOR, "net_ring0"], [*eal, f"--lcores=0@{CPUS[-1]}"], directory, commands)
        assert ran["sent"] > 0 and ran["received"] == ran["sent"] and ran["p999_us"] > 0, ran
        assert pinged["received"] == 3, pinged


main()
