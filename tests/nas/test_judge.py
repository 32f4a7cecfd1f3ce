"""What may be done with data disks, decided from looks at them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pvekit.model.datadisk import DiskFacts, Machine, PoolMember, Sign
from pvekit.model.diskjudge import Adopt, Create, Refuse, attachable, create_command, judge
from tests.nas import looks

CASES: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "cases" / "judge.yaml").read_text())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_verdict(case: dict[str, Any]) -> None:
    found = looks.machine(case.get("disks", {}), zfs=case.get("zfs", False), failed=tuple(case.get("failed", ())))
    verdict = judge(looks.claim(**case.get("pool", {})), found, on_host=case.get("on_host", False))
    assert type(verdict).__name__ == case["verdict"]
    for words in case.get("says", ()):
        assert words in str(verdict)


words = st.text("abcdef0123456789_", min_size=1, max_size=8)
signs = st.builds(Sign, by=st.sampled_from(("read", "blkid", "wipefs")), on=st.just("sda"), type=words, label=words)
members = st.builds(
    PoolMember,
    kind=st.sampled_from(("zfs", "btrfs")),
    on=st.just("sda"),
    name=st.sampled_from(("tank", "other")),
    id=words,
    member=words,
    disks=st.integers(0, 4),
)
some = st.lists(words, min_size=1, max_size=2).map(tuple)
spoilers = st.one_of(
    st.fixed_dictionaries({"signs": st.lists(signs, min_size=1, max_size=3).map(tuple)}),
    st.fixed_dictionaries({"pools": st.lists(members, min_size=1, max_size=2).map(tuple)}),
    *(st.fixed_dictionaries({key: some}) for key in ("mounts", "holders", "imported", "users", "failed")),
    *(st.fixed_dictionaries({key: st.just(True)}) for key in ("boot", "swap", "read_only")),
    st.fixed_dictionaries({"size_bytes": st.integers(0, 1 << 44).filter(lambda size: size != looks.SIZE)}),
    st.fixed_dictionaries({"serial": st.text("xyz", max_size=3)}),
)


def spoiled(number: int, changes: dict[str, Any], *, zfs: bool) -> Machine:
    empty = looks.machine({}, zfs=zfs)
    disks: list[DiskFacts] = list(empty.disks)
    disks[number] = replace(disks[number], **changes)
    return replace(empty, disks=tuple(disks))


@given(st.integers(0, 1), spoilers, st.booleans())
def test_a_pool_is_never_made_where_anything_was_found(number: int, changes: dict[str, Any], zfs: bool) -> None:
    found = spoiled(number, changes, zfs=zfs)
    verdict = judge(looks.claim(), found)
    assert isinstance(verdict, Refuse)
    assert verdict.reasons


@given(st.integers(0, 1), spoilers, st.sets(st.sampled_from(("a", "b"))))
def test_nothing_is_taken_over_by_halves(number: int, changes: dict[str, Any], named: set[str]) -> None:
    verdict = judge(looks.claim(create_on=tuple(sorted(named))), spoiled(number, changes, zfs=True))
    assert not isinstance(verdict, Create | Adopt)


@given(st.sets(st.sampled_from(("a", "b", "c"))))
def test_every_serial_has_to_be_typed(named: set[str]) -> None:
    verdict = judge(looks.claim(create_on=tuple(sorted(named))), looks.machine({}))
    assert isinstance(verdict, Create) == ({"a", "b"} <= named)


@pytest.mark.parametrize("zfs", [True, False])
@pytest.mark.parametrize("layout", ["single", "mirror"])
def test_no_tool_is_told_to_go_on(layout: str, zfs: bool) -> None:
    claim = looks.claim(layout=layout)
    verdict = judge(claim, looks.machine({}, zfs=zfs))
    assert isinstance(verdict, Create)
    argv = create_command(claim, verdict)
    assert argv[:2] == (["zpool", "create"] if zfs else ["mkfs.btrfs", "--quiet"])
    assert not {"-f", "--force", "-F"} & set(argv)
    assert argv[-2:] == ["/dev/disk/by-id/scsi-0QEMU_a", "/dev/disk/by-id/scsi-0QEMU_b"]


def test_a_whole_disk_with_a_pool_may_go_to_a_vm_and_others_may_not() -> None:
    pool = {"kind": "zfs", "on": "sda1", "name": "tank", "id": "9", "member": "1", "disks": 2}
    rows = [{"by": "blkid", "on": "sda", "type": "gpt"}, {"by": "read", "on": "sda1", "type": "zfs_member"}]
    named: dict[str, Any] = {"a": {"by_id": ["ata-DISK_a"]}, "b": {"by_id": ["ata-DISK_b"]}}
    claims = looks.claim(by_id=True).disks
    held: dict[str, Any] = {**named, "a": {**named["a"], "partitions": ["sda1"], "signs": rows, "pools": [pool]}}
    assert attachable(claims, looks.machine(held)) == []
    (reason,) = attachable(claims, looks.machine({**named, "a": {**named["a"], "signs": rows[:1]}}))
    assert "sda (serial a) is not empty: gpt" in reason
