# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""scripts/check-layers passes on this tree, and names file, line and rule where an include goes where it must not."""
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "scripts" / "check-layers"

# A small tree in which every room includes all that it may.
GOOD = {
    "dataplane/wire/address.h": "#include <cstdint>\n",
    "dataplane/wire/hash.h": '#include <rte_thash_gfni.h>\n#include <rte_hash_crc.h>\n#include "dataplane/wire/address.h"\n',
    "dataplane/table/snapshot.h": '#include <rte_hash.h>\n#include "dataplane/wire/address.h"\n',
    "dataplane/door/publish.h": '#include <rte_rcu_qsbr.h>\n#include "dataplane/table/snapshot.h"\n',
    "dataplane/stage/parse.h": '#include "dataplane/door/publish.h"\n#include "dataplane/wire/address.h"\n',
    "dataplane/worker/loop.cc": '#include "dataplane/stage/parse.h"\n#include "dataplane/worker/loop.h"\n',
    "dataplane/worker/loop.h": "#pragma once\n",
    "dataplane/io/port.cc": '#include <rte_ethdev.h>\n#include "dataplane/door/publish.h"\n',
    "control/main.cc": '#include "dataplane/worker/loop.h"\n#include "dataplane/io/port.h"\n#include "control/maps/build.h"\n',
    "control/maps/build.h": '#include "dataplane/table/snapshot.h"\n#include "control/config/model.h"\n',
    "control/config/model.h": '#include "dataplane/wire/address.h"\n',
    "control/http/beast.h": "#include <boost/beast/http.hpp>\n",
    "control/rpc/names.h": "#pragma once\n",
    "control/ctl/main.cc": '#include "control/rpc/names.h"\n#include <nlohmann/json.hpp>\n',
    "control/agent/main.cc": '#include "dataplane/wire/address.h"\n#include "control/agent/tunnel.skel.h"\n',
    "tests/unit/worker/loop_test.cc": '#include "dataplane/worker/loop.h"\n#include "tests/packet/frame.h"\n',
}

# file, its new text, the line that breaks a rule, what the answer must say
BROKEN = [
    ("dataplane/wire/hash.h", '\n#include <rte_mbuf.h>\n', 2, "rte_mbuf.h: dataplane/wire may know of DPDK only rte_thash*.h"),
    ("dataplane/wire/hash.h", '#include "dataplane/table/snapshot.h"\n', 1, "dataplane/wire may know no other room"),
    ("dataplane/table/snapshot.h", '#include "dataplane/door/publish.h"\n', 1, "dataplane/table may know dataplane/wire"),
    ("dataplane/door/publish.h", '#include "dataplane/stage/parse.h"\n', 1, "dataplane/door may know"),
    ("dataplane/stage/parse.h", '#include "dataplane/worker/loop.h"\n', 1, "dataplane/stage may know"),
    ("dataplane/stage/parse.h", '#pragma once\n// why\n#  include "control/maps/build.h"\n', 3, "starts at the root"),
    ("dataplane/io/port.cc", '#include "dataplane/table/snapshot.h"\n', 1, "dataplane/io may know dataplane/wire, dataplane/door"),
    ("dataplane/new_room/x.h", '#include "dataplane/wire/address.h"\n', 1, "dataplane/new_room may know no other room"),
    ("control/maps/build.h", '#include "dataplane/worker/loop.h"\n', 1, "control/maps may know"),
    ("control/maps/build.h", '#include "control/ctl/words.h"\n', 1, "control/maps may know"),
    ("control/maps/build.h", '#include "build.h"\n', 1, "starts at the root"),
    ("control/maps/build.h", '#include "control/maps/../../dataplane/io/port.h"\n', 1, "starts at the root"),
    ("control/maps/build.h", '#include "tests/packet/frame.h"\n', 1, "starts at the root"),
    ("control/maps/build.h", "#include <boost/beast/core.hpp>\n", 1, "include control/http/beast.h instead"),
    ("control/ctl/main.cc", '#include "dataplane/wire/address.h"\n', 1, "control/ctl may know control/rpc"),
    ("control/ctl/main.cc", '#include "control/config/model.h"\n', 1, "control/ctl may know control/rpc"),
    ("control/ctl/main.cc", "#include <rte_common.h>\n", 1, "control/ctl links no DPDK"),
    ("control/agent/main.cc", "#include <rte_mbuf.h>\n", 1, "control/agent links no DPDK"),
    ("control/agent/main.cc", '#include "dataplane/wire/hash.h"\n', 1, "dataplane/wire/hash.h -> rte_thash_gfni.h"),
]


def write(root, tree):
    for path, text in tree.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def check(*arguments):
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, timeout=60)


def test_this_tree_obeys():
    answer = check()
    assert answer.returncode == 0, answer.stdout


def test_all_that_is_allowed_passes(tmp_path):
    write(tmp_path, GOOD)
    answer = check(tmp_path)
    assert answer.returncode == 0, answer.stdout
    assert f"{len(GOOD)} files, 0 includes" in answer.stdout


@pytest.mark.parametrize("path,text,line,sentence", BROKEN)
def test_a_broken_rule_is_named_with_file_and_line(tmp_path, path, text, line, sentence):
    write(tmp_path, {**GOOD, path: text})
    answer = check(tmp_path)
    assert answer.returncode == 1
    told = [said for said in answer.stdout.splitlines() if said.startswith(f"{path}:{line}: ")]
    assert len(told) == 1, answer.stdout
    assert sentence in told[0]


def test_a_tree_without_sources_is_not_called_good(tmp_path):
    assert check(tmp_path).returncode == 2
