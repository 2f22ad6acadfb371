# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Starts of sluiced that must fail, with the exit code and the sentence that help."""
import re
from pathlib import Path

import pytest
from offline import configuration, run_sluiced, service, write_capture

VIP = "203.0.113.10"
SERVICES = [service("web", VIP, ["10.1.0.11"]), service("dns", "203.0.113.53", ["10.2.0.12"], "udp", 53)]


def write_config(tmp_path, change=lambda text: text, **more):
    write_capture(tmp_path / "in.pcap", [])
    file = tmp_path / "sluiced.conf"
    file.write_text(change(configuration(tmp_path, SERVICES, **more)))
    return file


def one_sentence(done):
    """What sluiced itself said, beside the lines of EAL and its drivers: one line that is critical."""
    (sentence,) = re.findall(r"^\d{4}-\S+ (?:error|critical) (.+)$", done.stderr, re.MULTILINE)
    return sentence


def test_check_says_that_a_right_file_is_right(tmp_path):
    done = run_sluiced(tmp_path, "-c", write_config(tmp_path), "--check")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "out.pcap").exists(), "--check touched the port"


WRONG = {
    "a key that does not exist": ('name = "web";', 'name = "web"; color = "red";', "color"),
    "a VIP that is none": (VIP + '"', '203.0.113.300"', "203.0.113.300"),
    "a number of slots that is no prime": ("flows = 262144;", "flows = 262144; slots = 65536;", "65536"),
    "a name given twice": ('name = "dns";', 'name = "web";', "web"),
    "a value left out": ("flows = 262144;", "flows = ;", ""),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_check_names_file_and_line_of_what_is_wrong(tmp_path, wrong):
    right, changed, word = WRONG[wrong]
    file = write_config(tmp_path, lambda text: text.replace(right, changed, 1))
    line = next(number for number, row in enumerate(file.read_text().splitlines(), 1) if changed in row)
    for arguments in (("--check",), ()):  # a start says the same and touches nothing either
        done = run_sluiced(tmp_path, "-c", file, *arguments)
        assert done.returncode == 2, done.stderr
        said = re.match(rf"{re.escape(str(file))}:(\d+): (.+)", done.stderr)
        assert said and word in said[2], done.stderr
        assert abs(int(said[1]) - line) <= 1, done.stderr
        assert not (tmp_path / "out.pcap").exists()


def test_a_file_that_is_not_there_is_wrong_use(tmp_path):
    done = run_sluiced(tmp_path, "-c", tmp_path / "absent.conf", "--check")
    assert done.returncode == 2
    assert "absent.conf" in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize("arguments", [["--frobnicate"], [], ["-c"]], ids=["unknown", "none", "no file"])
def test_wrong_options_are_wrong_use(tmp_path, arguments):
    done = run_sluiced(tmp_path, *arguments)
    assert done.returncode == 2 and done.stderr.strip()


def test_a_device_that_is_not_there_ends_the_start_with_one_sentence(tmp_path):
    device = "net_af_packet0,iface=sluice-absent"
    file = write_config(tmp_path, lambda text: re.sub(r"net_pcap0,[^\"]*", device, text))
    done = run_sluiced(tmp_path, "-c", file)
    assert done.returncode == 1, done.stderr
    said = one_sentence(done)
    assert "uplink" in said and "sluice-absent" in said, said


def test_a_capture_that_is_not_there_ends_the_start_with_one_sentence(tmp_path):
    file = write_config(tmp_path, capture="absent.pcap")
    done = run_sluiced(tmp_path, "-c", file)
    assert done.returncode == 1, done.stderr
    said = one_sentence(done)
    assert "absent.pcap" in said and "not permitted" not in said, said  # the driver's -1 is no EPERM


# In a mount namespace of its own, which ends with it, the machine seems to have no hugepages.
WITHOUT_HUGEPAGES = """
mount --bind "$1/huge" /sys/kernel/mm/hugepages && mount --bind "$1/meminfo" /proc/meminfo || exit 99
shift
exec "$@"
"""


def test_a_start_without_hugepages_says_what_would_help(tmp_path):
    sizes = tmp_path / "huge" / "hugepages-2048kB"
    sizes.mkdir(parents=True)
    for figure in ("nr", "free", "resv", "surplus", "nr_overcommit"):
        (sizes / f"{figure}_hugepages").write_text("0\n")
    (tmp_path / "meminfo").write_text(re.sub(r"(HugePages_\w+:).*", r"\1 0", Path("/proc/meminfo").read_text()))
    # --in-memory takes pages from the kernel without asking what there is.
    file = write_config(tmp_path, lambda text: text.replace('"--in-memory"', '"--no-shconf"'))
    done = run_sluiced(tmp_path, "-c", file, wrapper=["unshare", "-m", "sh", "-c", WITHOUT_HUGEPAGES, "sh", tmp_path])
    assert done.returncode == 1, done.stderr
    said = one_sentence(done)
    assert "no hugepages" in said and "vm.nr_hugepages" in said and "--no-huge" in said, said
