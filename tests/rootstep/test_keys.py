"""Keys that root sets in a VM, as data; what a node's script says; headers of files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pvekit.model.mark import Mark, Stage
from pvekit.model.nodelook import NodeLook, parse
from pvekit.model.stack.home import PoolDisk
from pvekit.provision.disks import disk_changes
from pvekit.provision.rootstep.files import Found
from pvekit.provision.rootstep.header import Header, read, wrap
from pvekit.provision.rootstep.keys import Whole, compare_keys, raw_slots, used_disks
from tests.provision.simulated import stored
from tests.provision.world import desired_of, stack_of

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "keys.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_keys(case: dict[str, Any]) -> None:
    stack = stack_of({"one": {}})
    (made,) = desired_of(stack)
    raw = tuple(PoolDisk(serial, 1 << 40, by_id) for serial, by_id in case.get("raw", []))
    wanted = replace(made, raw_disks=raw, config={**made.config, **case.get("config", {})})
    vm = replace(stack.vms[0], affinity=case.get("affinity"), hugepages=case.get("hugepages"))
    own = stored(made, "home", stage=Stage.READY, node="pve", vmid=100)
    mark = Mark("home", "one", "debian", Stage.READY, root=case.get("managed", ""))
    own = replace(own, mark=mark, config={**own.config, **case.get("held", {})})
    found = Found()
    fresh = compare_keys(vm, wanted, own, found)
    if "refused" in case:
        assert all(any(words in reason for reason in found.refused) for words in case["refused"])
        return
    assert found.refused == []
    changes = {c.target: [c.before, c.after] for action in found.actions for c in action.changes}
    assert changes == case["changes"]
    assert [whole.disk.serial for whole in fresh] == case.get("fresh", [])
    # What the root step looks after is no stray disk.
    notes = disk_changes(wanted, own).notes
    attached = {key for key in raw_slots(own.config) if raw}
    assert not any(key in note for key in attached for note in notes)


def test_disks_that_are_not_there_or_are_somebody_elses() -> None:
    one, two, three = (PoolDisk(name, 1, f"ata-{name}") for name in ("A", "B", "C"))
    look = NodeLook(
        "pve",
        links={"ata-A": "/dev/sda", "ata-B": "/dev/sdb"},
        users={
            "/dev/sda1": frozenset({"/etc/pve/lxc/105.conf"}),
            "/dev/sdb": frozenset({"/etc/pve/qemu-server/100.conf"}),
        },
    )
    found = used_disks([Whole("nas", "pve", disk) for disk in (one, two, three)], look, {"nas": 100})
    assert len(found) == 2
    assert "A (ata-A) is used by another VM or container already: /etc/pve/lxc/105.conf" in found[0]
    assert "there is no /dev/disk/by-id/ata-C" in found[1]
    twice = used_disks([Whole("nas", "pve", two), Whole("other", "pve", two)], look, {"nas": 100})
    assert any("wanted by nas as well" in reason for reason in twice)


@pytest.mark.parametrize("text", ["", "end\nx", "file 644 =### /etc/x\nend\n", "unit a\nend\n", "what is this\nend\n"])
def test_answers_of_nodes_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"cut off|line"):
        parse("pve", text)


@given(
    st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True),
    st.dictionaries(st.text(), st.text()),
    st.booleans(),
    st.text(),
)
def test_a_header_is_read_back(stack: str, before: dict[str, str], pending: bool, body: str) -> None:
    header = Header(stack, before, pending)
    text = wrap(header, body)
    assert read(text) == header
    assert text.endswith(f"\n{body}")


@pytest.mark.parametrize("text", ["", "vm.swappiness = 1\n", "# pvekit: {}\n", "# pvekit: [1]\n", "# pvekit: {x\n"])
def test_files_of_others_have_no_header(text: str) -> None:
    assert read(text) is None
