"""The look at disks: what is on them is found, by us and by other tools, and nothing is changed."""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvekit.adapters import inspect
from pvekit.model.datadisk import Claim, PoolClaim
from pvekit.model.diskjudge import Adopt, Create, Refuse, judge
from tests.nas import disks, looks

ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def pool(serials: tuple[str, ...], size: int = disks.SIZE, name: str = "tank", layout: str = "mirror") -> PoolClaim:
    claims = tuple(Claim(serial, size) for serial in serials)
    return PoolClaim(name, layout, "auto", f"/srv/{name}", claims, serials)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", disks.MAKERS)
def test_a_used_disk_is_refused_and_untouched(kind: str, tmp_path: Path) -> None:
    files = {"used": disks.used(tmp_path, [kind])[kind], "empty": disks.blank(tmp_path / "empty")}
    before = {serial: sha256(path) for serial, path in files.items()}
    found = looks.look_at(files)
    for serials in (("used",), ("used", "empty"), ("empty", "used")):
        verdict = judge(pool(serials), found)
        assert isinstance(verdict, Refuse)
        (reason,) = (each for each in verdict.reasons if "(serial used)" in each)
        assert disks.SAID[kind] in reason
    assert isinstance(judge(pool(("empty",)), found), Create)
    assert {serial: sha256(path) for serial, path in files.items()} == before


@pytest.mark.parametrize("kind", disks.MAKERS)
def test_other_tools_call_it_the_same(kind: str, tmp_path: Path) -> None:
    path = disks.used(tmp_path, [kind])[kind]
    said = subprocess.run(["blkid", "-p", path], env=ENV, capture_output=True, text=True, check=True).stdout
    assert f'TYPE="{disks.SAID[kind] if kind != "ext4" else "ext4"}"' in said
    assert subprocess.run(["wipefs", "-n", path], env=ENV, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("kind", disks.MAKERS)
def test_our_own_look_finds_it_without_other_tools(kind: str, tmp_path: Path) -> None:
    signs, _, failed = looks.script().marks(str(disks.used(tmp_path, [kind])[kind]), "sda")
    assert failed == []
    assert any(disks.SAID[kind].startswith(("ext2",)) or sign["type"] == disks.SAID[kind] for sign in signs)


def test_a_zfs_label_says_which_pool(tmp_path: Path) -> None:
    """Known by its number; taken over only by its own name."""
    files = {"used": disks.used(tmp_path, ["zfs"])["zfs"]}
    found = looks.look_at(files)
    verdict = judge(pool(("used",), name="oldtank"), found)
    assert isinstance(verdict, Adopt)
    assert (verdict.filesystem, verdict.id) == ("zfs", "11")
    assert isinstance(judge(pool(("used",)), found), Refuse)


@pytest.mark.parametrize("damage", [0, 16 << 10, 128 << 10, (256 + 128) << 10])
def test_half_a_zfs_label_is_something_still(damage: int, tmp_path: Path) -> None:
    path = disks.used(tmp_path, ["zfs"])["zfs"]
    with path.open("r+b") as file:
        file.seek(damage)
        file.write(bytes(120 << 10))
    assert not isinstance(judge(pool(("used",)), looks.look_at({"used": path})), Create)


def test_a_disk_that_cannot_be_read_is_not_empty(tmp_path: Path) -> None:
    path = disks.blank(tmp_path / "gone")
    found = looks.script()
    row = {"kname": "sda", "path": str(path), "type": "disk", "serial": "gone", "size": disks.SIZE}
    path.unlink()
    assert found.examine(row, {}, [], set())["failed"]


@pytest.mark.skipif(shutil.which("mkfs.btrfs") is None, reason="not installed: btrfs-progs")
def test_a_btrfs_over_two_disks_is_taken_over_whole_or_not_at_all(tmp_path: Path) -> None:
    size = 128 << 20
    files = {serial: disks.blank(tmp_path / serial, size) for serial in ("a", "b", "c")}
    argv = ["mkfs.btrfs", "-q", "-L", "tank", "-d", "raid1", "-m", "raid1", str(files["a"]), str(files["b"])]
    subprocess.run(argv, env=ENV, check=True, capture_output=True)
    found = looks.look_at(files)
    assert isinstance(judge(pool(("a", "b"), size), found), Adopt)
    for wrong in (("a",), ("a", "c"), ("a", "b", "c")):
        assert isinstance(judge(pool(wrong, size), found), Refuse)


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0 or shutil.which("losetup") is None:
        pytest.skip("a loop device needs root")
    path = disks.blank(tmp_path / "loop")
    done = subprocess.run(
        ["losetup", "--find", "--show", str(path)], env=ENV, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no loop device: {done.stderr.strip()}")
    yield Path(done.stdout.strip())
    subprocess.run(["losetup", "--detach", done.stdout.strip()], env=ENV, check=True)


@pytest.mark.skipif(shutil.which("pvcreate", path=ENV["PATH"]) is None, reason="not installed: lvm2")
def test_what_lvm_itself_makes_is_found(loop: Path) -> None:
    done = subprocess.run(["pvcreate", "-q", str(loop)], env=ENV, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pvcreate: {done.stderr.strip()}")
    signs, _, failed = looks.script().marks(str(loop), "loop")
    assert failed == []
    assert [sign["type"] for sign in signs] == ["LVM2_member"]


def test_the_script_opens_nothing_for_writing() -> None:
    """Its own eyes are read-only: one os.open with O_RDONLY, and text files of /proc and /etc/pve."""
    tree = ast.parse(inspect.script().read_text())
    opened = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"open", "write_text"}
    ]
    assert len(opened) == 2
    assert all("'w'" not in ast.dump(node) and "O_WRONLY" not in ast.dump(node) for node in opened)


def test_the_look_at_this_machine_is_understood() -> None:
    done = subprocess.run(
        ["python3", "-"], input=inspect.script().read_bytes(), env=ENV, capture_output=True, check=True, timeout=120
    )
    inspect.parse(done.stdout.decode())


@pytest.mark.parametrize("text", ["", "Welcome\n{}", "{}", '{"version": 2}', "[]", '{"version":1,"disks":[{}]}'])
def test_another_answer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"look|inspection"):
        inspect.parse(text)
