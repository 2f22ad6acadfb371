# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""The rows of scripts/bench that need nothing but sluiced: they still give figures. How large those are is nobody's
business here."""
import sys

import pytest
from offline import BUILD, ROOT

sys.path.insert(0, str(ROOT / "tests/bench"))

from benchlib import control  # noqa: E402
from benchlib.bench import Bench, measure  # noqa: E402


@pytest.mark.parametrize("measurement", [control.publication(1_000), control.requests()], ids=["publication", "requests"])
def test_rows_of_the_control_thread_give_figures(tmp_path, measurement):
    table = measure(Bench(BUILD, tmp_path, seconds=0.05, quick=True), [measurement], repeat=1)
    for row in table.rows():
        assert row["error"] is None and row["figure"] > 0, row
