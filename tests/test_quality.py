# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""What `scripts/test --coverage` and `--tidy` make of what gcov and clang-tidy say, and when they refuse."""
import json
from pathlib import Path

import covering
import tidying

ROOT = Path("/tree")


def gcov(file, lines, directory="/tree/build"):
    rows = [{"line_number": number, "count": count} for number, count in lines]
    return json.dumps({"current_working_directory": directory, "files": [{"file": file, "lines": rows}]})


def read(*documents):
    lines = covering.defaultdict(dict)
    covering.read_gcov("\n".join(documents), lines, ROOT)
    return lines


def test_a_line_is_covered_when_any_instance_or_program_ran_it():
    twice = read(gcov("../dataplane/wire/a.h", [(1, 0), (1, 3), (2, 0)]), gcov("../dataplane/wire/a.h", [(2, 0), (1, 0)]))
    assert twice == {"dataplane/wire/a.h": {1: 3, 2: 0}}


def test_lines_of_libraries_and_tests_do_not_count():
    assert not read(gcov("/usr/include/rte_mbuf.h", [(1, 1)]), gcov("../tests/packet/main.cc", [(1, 1)]))


def test_a_place_is_the_sum_of_its_rooms():
    lines = {"dataplane/wire/a.cc": {1: 1, 2: 1}, "dataplane/io/b.cc": {1: 0, 2: 4}, "control/main.cc": {5: 1}}
    table = covering.rooms(lines)
    assert table["dataplane"] == [2, 4, 3]
    assert table["dataplane/io"] == [1, 2, 1]
    assert table["control"] == table["control/."] == [1, 1, 1]


def test_one_line_less_than_asked_for_is_refused():
    def failures(missing):
        counts = {number: int(number > missing) for number in range(1, 101)}
        return covering.too_low(covering.rooms({"dataplane/wire/a.cc": counts}))

    assert not failures(5)
    assert failures(6) == ["dataplane: 94.0 % of lines, at least 95.0 % are asked for"]
    assert covering.too_low(covering.rooms({})), "nothing compiled is nothing covered"


def test_a_drop_reason_that_no_program_wrote_down_is_named(tmp_path):
    file = tmp_path / "reasons.txt"
    everything, missed = covering.reasons_not_met(file)
    assert len(everything) > 30 and missed == everything, "no program ran"
    file.write_text("\n".join(word for word in everything if word != "tx-full") + "\nno-service\n")
    assert covering.reasons_not_met(file) == (everything, ["tx-full"])


def test_gaps_are_runs_of_lines_that_have_code(tmp_path):
    file = tmp_path / "gaps"
    covering.write_gaps({"dataplane/wire/a.cc": {3: 0, 5: 0, 7: 1, 9: 0}}, file)
    assert file.read_text() == "dataplane/wire/a.cc:3-5\ndataplane/wire/a.cc:9-9\n"


def test_findings_are_told_once_with_their_place_in_the_tree():
    output = """warnings generated
/tree/build-tidy/../control/a.h:7:3: error: the value is dropped [bugprone-x,-warnings-as-errors]
  call();
/tree/build-tidy/../control/a.h:7:3: error: the value is dropped [bugprone-x,-warnings-as-errors]
../control/b.cc:9:1: error: it is copied [performance-y,-warnings-as-errors]
../control/b.cc:8:1: note: it begins here
"""
    assert tidying.findings_in(output, ROOT) == [
        "control/a.h:7: the value is dropped [bugprone-x,-warnings-as-errors]",
        "control/b.cc:9: it is copied [performance-y,-warnings-as-errors]",
    ]


def test_sources_are_those_that_the_build_compiles_in_the_rooms(tmp_path):
    build = tmp_path / "build"
    build.mkdir()
    commands = [{"directory": str(build), "file": file} for file in
                ("../control/b.cc", "../dataplane/wire/a.cc", "../dataplane/wire/a.cc", "../tests/c.cc", "control/made.c")]
    (build / "compile_commands.json").write_text(json.dumps(commands))
    assert tidying.sources(build, tmp_path) == [tmp_path / "control/b.cc", tmp_path / "dataplane/wire/a.cc"]
