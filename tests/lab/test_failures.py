# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Server, agent, nginx, MUX and router killed, frozen and unplugged under 200 downloads: who notices when, what breaks."""
import pytest
from lablib import failover

SHAPE = failover.SHAPE


@pytest.fixture(scope="module")
def table(lab):
    failover.prepare(lab)
    return failover.rows(lab)


@pytest.mark.parametrize("failure", failover.FAILURES_IN_TURN, ids=lambda failure: failure.what.replace(" ", "-"))
def test_only_the_downloads_of_a_dead_server_break(lab, table, failure):
    row = next(table)
    print(failover.HEAD, failover.line(row), sep="\n")
    assert row.what == failure.what, "the rows come in turn: run this file as a whole"
    assert not row.wrong
