"""Whose start a log tells of: a failure of another VM is no evidence for the one that is asked about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pvekit.model.bundle import Bundle, Line
from pvekit.model.missing import Missing
from pvekit.passthrough import logs
from pvekit.passthrough.asked import Asked
from pvekit.passthrough.attempts import of_vm
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.judge import diagnose

CASES = yaml.safe_load((Path(__file__).parent / "attempts.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_lines_of_vm_100(case: dict[str, Any]) -> None:
    found = Facts(Bundle("starts", case["files"]), Asked(100)).get(StartLog)
    if case["mine"] == "none":
        assert isinstance(found, Missing)
        return
    assert not isinstance(found, Missing)
    lines: dict[str, list[int]] = {}
    for entry in found.entries:
        lines.setdefault(entry.line.file, []).append(entry.line.number)
    assert lines == case["mine"]


def test_a_failure_of_another_vm_is_not_this_ones_cause() -> None:
    files = {**CASES[0]["files"], "vms/100.conf": "hostpci0: 0000:01:00,pcie=1\nmachine: q35\n"}
    for vmid, failed in ((101, True), (100, False)):
        found = diagnose(Facts(Bundle("starts", files), Asked(vmid)))
        lines = {line.number for finding in found.findings for line in finding.evidence if line.file == "task.log"}
        assert bool(lines & {1, 2, 3, 4}) is failed
        assert any("not viable" in note for note in found.notes) is failed


TEXT = st.sampled_from([
    "UPID:pve:0000C530:001C9BEC:67F00001:qmstart:100:root@pam:",
    "UPID:pve:0000C530:001C9BEC:67F00001:qmstart:101:root@pam:",
    "TASK OK", "TASK ERROR: start failed: QEMU exited with code 1", "kvm: vfio 0000:01:00.0: group 2 is not viable",
    "start failed: command '/usr/bin/kvm -id 101 -name x' failed",
])  # fmt: skip


@given(st.lists(TEXT, max_size=12))
def test_no_line_is_of_two_vms_and_the_order_stays(texts: list[str]) -> None:
    found = logs.entries([Line("task.log", number, text) for number, text in enumerate(texts, 1)])
    nothing = Missing("vm.conf", "not in the bundle")
    mine, other = of_vm(100, found, nothing), of_vm(101, found, nothing)
    for part in (mine, other):
        assert [entry for entry in found if entry in part] == list(part)
    told = {entry.line.number for entry in found if "qmstart:100" in entry.text}
    assert not told & {entry.line.number for entry in other}
    if any("qmstart:" in entry.text or "-id" in entry.text for entry in found):
        assert not set(mine) & set(other)
