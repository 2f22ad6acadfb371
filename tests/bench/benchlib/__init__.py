# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""What scripts/bench measures with: one module runs other programs, one makes the table."""


class BenchError(Exception):
    """One sentence for the person who typed the command."""
