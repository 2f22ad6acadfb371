# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Pages that say what the code says: drop reasons, metrics, links and files that are named."""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KERNEL_SETTINGS = {"promote_secondaries", "accept_dad", "accept_ra_defrtr"}
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "dataplane").glob("*.md")])


def relative(path):
    return path.relative_to(ROOT).as_posix()


def test_every_drop_reason_has_its_row_with_its_sentence():
    source = (ROOT / "dataplane/door/drop_reason.h").read_text()
    listed = dict(re.findall(r'^  X\(k\w+, *"([a-z0-9-]+)", *"([^"]+)"\)', source, re.M))
    assert len(listed) == source.count("  X(k")
    page = (ROOT / "docs/drops.md").read_text()
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.+?) \| (.+) \|$", page, re.M)
    assert dict((reason, text) for reason, text, _ in rows) == listed
    assert len(rows) == len(listed), "a reason has two rows"


def test_every_metric_has_its_row():
    written = set()
    for source in sorted((ROOT / "control").rglob("*.cc")):
        if source.parent.name != "agent":  # whose maps have such names too
            written |= set(re.findall(r'"(sluice_[a-z0-9_]+)"', source.read_text()))
    page = (ROOT / "docs/metrics.md").read_text()
    described = set(re.findall(r"^\| `(sluice_[a-z0-9_]+)", page, re.M))
    assert written and described == written


def way(name, header):
    """The stages of one of the ways at the top of stages.h."""
    text = re.search(rf"^//   {name}: (.*?)(?=^//   \w|^//$)", header, re.M | re.S)[1]
    return re.findall(r"\w+", text)


def calls(function, worker):
    """What a function of the worker calls with its burst, each once, in order."""
    body = re.search(rf"^\w+ Worker::{function}\(.*?^}}$", worker, re.M | re.S)[0]
    return list(dict.fromkeys(re.findall(r"(\w+)\(burst_?[,)]", body)))


def test_stages_and_the_packets_way_are_told_as_the_worker_goes_them():
    header, worker = (ROOT / "dataplane/stage/stages.h").read_text(), (ROOT / "dataplane/worker/worker.cc").read_text()
    tier1, tier2 = way("tier 1", header), way("tier 2", header)
    beside = {*way("beside", header), "next_group"}
    assert calls("forward", worker) == [*tier1[1:], "deliver"]
    assert [name for name in calls("deliver", worker) if name not in {*beside, "hand_over"}] == tier2[1:]
    assert [name for name in calls("send_probes", worker) if name not in beside] == way("probes of control", header)
    page = (ROOT / "docs/packet-way.md").read_text()
    assert re.findall(r"^\| \*\*(\w+)\*\*", page, re.M) == [*tier1, *tier2[:-1], "answer", "transmit", "punt", "release"]


def test_links_lead_somewhere():
    broken = []
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{relative(page)}: {target}")
    assert not broken, "\n" + "\n".join(broken)


def test_source_files_that_pages_name_exist():
    missing = []
    for page in PAGES:
        for name in re.findall(r"`((?:dataplane|control|tests|scripts|docs)/[\w./-]+)`", page.read_text()):
            if not (ROOT / name).exists():
                missing.append(f"{relative(page)}: {name}")
    assert not missing, "\n" + "\n".join(missing)


def test_every_page_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text()
    lost = [page.name for page in (ROOT / "docs").glob("*.md") if page.name != "README.md" and f"({page.name})" not in index]
    assert not lost, "\n" + "\n".join(lost)


def test_configuration_keys_that_pages_set_exist():
    """`key = value` in running text uses a key of docs/configuration.md or docs/agent.md."""
    known = set()
    for reference in ("configuration.md", "agent.md"):
        known |= set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / reference).read_text(), re.M))
    unknown = []
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
        for path in re.findall(r"`([a-z_0-9.]+) = [^`]+`", text):
            if path.split(".")[-1] not in known | KERNEL_SETTINGS and not path.startswith(("net.", "vm.")):
                unknown.append(f"{relative(page)}: {path}")
    assert not unknown, "\n" + "\n".join(unknown)
