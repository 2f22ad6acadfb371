# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""scripts/pktgen as far as it can be held without Pktgen: the scripts parse and run to their end against a stub that knows
Pktgen's functions (tests/pktgen/stub.lua), and speak to the addresses that the configurations here give the appliance."""
import re
import struct
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PKTGEN = ROOT / "scripts/pktgen"
MODULES = {"settings.lua", "clients.lua", "trial.lua"}
SCRIPTS = sorted(file.name for file in PKTGEN.glob("*.lua") if file.name not in MODULES)
CONFIGURATIONS = sorted(PKTGEN.glob("*.conf"))
LINE_PPS = 14_880_952  # 10 Gb/s of frames of 64 bytes
LIMIT_PPS = 9_000_000


def run(script):
    argv = ["lua5.4", ROOT / "tests/pktgen/stub.lua", PKTGEN / script, str(LINE_PPS), str(LIMIT_PPS)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    calls = [line.split(" ", 1)[1] for line in done.stdout.splitlines() if line.startswith("CALL ")]
    return calls, [line for line in done.stdout.splitlines() if not line.startswith("CALL ")]


def setting(name):
    return re.search(rf'^  {name} = "?([^",]+)"?,', (PKTGEN / "settings.lua").read_text(), re.M)[1]


@pytest.mark.parametrize("file", sorted(PKTGEN.glob("*.lua")), ids=lambda file: file.name)
def test_it_is_lua(file):
    done = subprocess.run(["luac5.4", "-p", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_it_runs_to_its_end_with_functions_that_pktgen_has(script):
    calls, said = run(script)
    assert any(call.startswith("start") for call in calls) and said


@pytest.mark.parametrize("script", ["range.lua", "search.lua", "latency.lua", "imix.lua"])
def test_packets_go_to_the_vip_by_the_appliances_mac(script):
    text = "\n".join(run(script)[0])
    assert setting("vip") in text and setting("appliance_mac") in text


def test_clients_are_a_range_of_sources():
    text = "\n".join(run("range.lua")[0])
    for what, name in (("start", "first_client"), ("min", "first_client"), ("max", "last_client")):
        assert f"range.src_ip 0 {what} {setting(name)}" in text
    assert "range.src_ip 0 inc 0.0.0.1" in text and "set_range 0 on" in text


def test_imix_is_seven_four_one():
    sizes = re.findall(r"seqTable \d+ 0 \{\S+ \S+ \d+ (\d+)\}", "\n".join(run("imix.lua")[0]))
    assert {size: sizes.count(size) for size in set(sizes)} == {"64": 7, "594": 4, "1518": 1}


def test_the_search_finds_what_the_appliance_can_do():
    said = "\n".join(run("search.lua")[1])
    partial, none = (float(re.search(rf"^{what} ([\d.]+) %", said, re.M)[1]) for what in ("PDR", "NDR"))
    limit = 100 * LIMIT_PPS / LINE_PPS
    assert none <= limit and limit - none < 0.2, said
    assert none <= partial <= limit * 1.0011, said


@pytest.mark.parametrize("file", CONFIGURATIONS, ids=lambda file: file.name)
def test_configurations_have_the_same_addresses(file):
    text = file.read_text()
    assert set(re.findall(r'vip = "([^"]+)"', text)) == {setting("vip")}
    assert {int(port) for port in re.findall(r" port = (\d+)", text)} == {int(setting("vip_port"))}
    assert f'gateway_mac = "{setting("client_mac")}"' in text
    if "memif" in file.name:
        assert f'mac={setting("appliance_mac")}"' in text


def test_command_lines_name_files_that_are_there():
    text = (PKTGEN / "README.md").read_text()
    named = set(re.findall(r"scripts/pktgen/([\w.-]+)", text))
    assert named and all((PKTGEN / name).exists() for name in named), named
    assert set(SCRIPTS) <= set(re.findall(r"[\w-]+\.lua", text))


def internet_checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_the_capture_holds_syns_of_distinct_clients_with_right_checksums(tmp_path):
    subprocess.run([PKTGEN / "make-captures", tmp_path, "--flows", "500"], check=True)
    data = (tmp_path / "syn-flood.pcap").read_bytes()
    clients, at = set(), 24
    while at < len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        frame, at = data[at + 16 : at + 16 + size], at + 16 + size
        assert size == 60 and frame[47] == 0x02, "a SYN and nothing else"
        assert frame[30:34] == bytes(int(part) for part in setting("vip").split("."))
        assert internet_checksum(frame[14:34]) == 0xFFFF
        assert internet_checksum(frame[26:34] + struct.pack("!HH", 6, 20) + frame[34:54]) == 0xFFFF
        clients.add(frame[26:30])
    assert len(clients) == 500
