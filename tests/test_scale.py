# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""The claims of docs/scale.md: the map in Python is the one that control computes; what the simulator finds about failures,
balance and control is what the page says; its tables follow from the last run of scripts/bench."""
import json
import math
import re
import statistics
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/scale"))

import maps  # noqa: E402
import model  # noqa: E402
import simulator as sim  # noqa: E402

APPLIANCES = 64
FLOWS = sim.flows_of(60_000, seed=4711)
ROUTERS = [sim.Modulo, sim.Resilient]


@pytest.fixture(scope="module")
def before():
    return maps.build(maps.equal_dips(100))


@pytest.fixture(scope="module")
def after():
    return maps.build(maps.equal_dips(101))


def moved_share(a, b):
    return sum(x != y for x, y in zip(a, b)) / len(a)


# --- the map --------------------------------------------------------------------------------------------------------------


def test_the_map_is_the_one_that_control_computes():
    """To the last slot: the digest that tests/unit/maps pins the C++ code to, with weights and dead members."""
    members = [maps.Member(d.identity, 1 + i % 3, i % 7 != 0) for i, d in enumerate(maps.equal_dips(100))]
    pinned = re.search(r"EXPECT_EQ\(digest, 0x([0-9a-f]+)u\)", (ROOT / "tests/unit/maps/maglev_test.cc").read_text())[1]
    assert maps.digest(maps.build(members)) == int(pinned, 16)


def test_equal_dips_differ_by_one_slot_at_most(before):
    held = [before.count(dip) for dip in range(100)]
    assert max(held) - min(held) <= 1 and max(held) / statistics.mean(held) < 1.002


def test_a_dead_dip_moves_its_own_slots_and_no_others(before):
    members = maps.equal_dips(100)
    members[17] = maps.Member(members[17].identity, up=False)
    one_down = maps.build(members)
    assert all((a == 17) == (a != b) for a, b in zip(before, one_down))


def test_one_dip_more_than_a_hundred_moves_less_than_two_percent(before, after):
    assert 1 / 101 <= moved_share(before, after) < 0.02


# --- appliances die ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dead", [(5,), (5, 6, 7, 8), tuple(range(16))], ids=len)
@pytest.mark.parametrize("router", ROUTERS)
def test_at_rest_no_flow_reaches_another_server(before, router, dead):
    out = sim.lose_appliances(router(APPLIANCES), sim.at_rest(before), APPLIANCES, dead, FLOWS)
    assert out.rerouted > 0 and out.moved == 0


@pytest.mark.parametrize("dead", [(5,), (5, 6, 7, 8), tuple(range(16))], ids=len)
def test_resilient_routers_send_only_the_flows_of_the_dead_elsewhere(before, dead):
    out = sim.lose_appliances(sim.Resilient(APPLIANCES), sim.at_rest(before), APPLIANCES, dead, FLOWS)
    assert out.rerouted / out.flows == pytest.approx(len(dead) / APPLIANCES, rel=0.1)


def test_plain_routers_send_nearly_all_elsewhere(before):
    out = sim.lose_appliances(sim.Modulo(APPLIANCES), sim.at_rest(before), APPLIANCES, (5,), FLOWS)
    assert out.rerouted / out.flows > 0.97


@pytest.mark.parametrize("over", [False, True], ids=["under way", "over"])
@pytest.mark.parametrize("router", ROUTERS)
def test_around_a_transition_the_moved_flows_are_s_y_r(before, after, router, over):
    young = 0.7 if over else 0.3
    change = sim.Change(before, after, young, over)
    out = sim.lose_appliances(router(APPLIANCES), change, APPLIANCES, (5, 6, 7, 8), FLOWS)
    expected = moved_share(before, after) * 0.3 * out.rerouted
    # The number is that of rare events: five standard deviations around it.
    assert abs(out.moved - expected) <= 5 * math.sqrt(expected) + 1, (out, expected)


def test_what_is_left_takes_over_evenly(before):
    out = sim.lose_appliances(sim.Resilient(APPLIANCES), sim.at_rest(before), APPLIANCES, (5, 6, 7, 8), FLOWS)
    assert out.largest_table <= 1.15 * len(FLOWS) / (APPLIANCES - 4)
    buckets = sim.Resilient(APPLIANCES)
    buckets.lose({5})
    held = [buckets.bucket.count(a) for a in set(buckets.bucket)]
    assert max(held) - min(held) <= 3 and max(held) / statistics.mean(held) < 1.01


# --- balance ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flows, bound", [(100_000, 1.12), (1_000_000, 1.04)])
def test_equal_flows_are_spread_evenly_over_the_fleet(flows, bound):
    assert sim.most_over_mean([1] * APPLIANCES, flows, seed=1) < bound
    assert 1 + math.sqrt(2 * math.log(APPLIANCES) * APPLIANCES / flows) < bound


def test_heavy_tails_unbalance_it_whatever_the_hash():
    assert sim.most_over_mean([1] * APPLIANCES, 100_000, seed=1, sizes=sim.heavy) > 1.5


# --- control ----------------------------------------------------------------------------------------------------------------


def test_probes_are_as_many_as_the_model_says():
    counted = sim.probes_in(60, appliances=8, dips=50, interval_s=2, seed=1)
    assert counted["sent by one"] == pytest.approx(60 * 50 / 2, rel=0.02)
    assert counted["received by one"] == pytest.approx(60 * 8 / 2, rel=0.02)


def test_a_dead_server_is_known_to_all_between_the_bounds():
    known = sim.detection_s(APPLIANCES, interval_s=2, failures=3, seed=1)
    assert 4 <= min(known) and max(known) <= 6
    mean = statistics.mean(max(sim.detection_s(APPLIANCES, 2, 3, seed)) for seed in range(200))
    assert mean == pytest.approx(4 + 2 * APPLIANCES / (APPLIANCES + 1), abs=0.01)


def test_a_control_thread_at_half_its_capacity_keeps_up():
    assert sim.backlog_s(changes_per_s=200, publication_s=0.0025, seconds=60, seed=1) < 36 * 0.0025


# --- the page ---------------------------------------------------------------------------------------------------------------


def test_lines_carry_what_the_page_says():
    assert model.packets_per_s(100, 64) == pytest.approx(148.8e6, rel=1e-3)
    assert model.inward_share(64) == pytest.approx(0.81, abs=0.003) and model.inward_share(1518) == pytest.approx(0.987, abs=0.001)
    assert model.packets_per_s(400, model.IMIX_BYTES) == pytest.approx(131e6, rel=0.01)
    assert model.packets_per_s(400, 64) * model.inward_share(64) == pytest.approx(481e6, rel=0.01)
    assert model.cores(100, 64, 50) == math.ceil(148.8 * 0.8077 * 0.05 / 0.7)


def test_the_tables_of_the_page_follow_from_the_last_run():
    text = (ROOT / "docs/scale.md").read_text()
    run = json.loads((ROOT / "docs/performance.json").read_text())
    assert model.with_generated(text, run) == text, "scripts/bench --write-docs --from docs/performance.json"
