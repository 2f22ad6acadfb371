# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""As many hugepages as the MUXes need, on top of what others use; given back by the same number."""
from pathlib import Path

POOL = Path("/proc/sys/vm/nr_hugepages")
PAGES_PER_MUX = 512  # of 2 MiB


def figures():
    """(total, free) pages of the default size."""
    values = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(values["HugePages_Total"]), int(values["HugePages_Free"])


def take(pages):
    """Makes `pages` free ones available; returns how many were added, or None when the machine refuses."""
    total, free = figures()
    lacking = max(0, pages - free)
    if lacking == 0:
        return 0
    try:
        POOL.write_text(str(total + lacking))
    except OSError:
        return None
    added = figures()[0] - total
    if added < lacking:  # memory too fragmented or too small: half a pool helps nobody
        give_back(added)
        return None
    return added


def give_back(added):
    if added:
        POOL.write_text(str(max(0, figures()[0] - added)))
