# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""What scripts/bench is made of: rows (rows.py), what measures them (dataplane.py, control.py, wires.py) with the
programs of forwarders.py, the table (table.py), and the page that is made of it (page.py, plots.py)."""


class BenchError(Exception):
    """One sentence for the person who typed the command."""
