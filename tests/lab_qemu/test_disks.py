"""Disk images with the real qemu-img."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pvekit.lab.doors import DoorError
from pvekit.lab.qemu import QemuDisks
from pvekit.lab.qemu.needs import NEEDS, OVMF, install_command, missing, require

needs_qemu_img = pytest.mark.skipif(not shutil.which("qemu-img"), reason="qemu-img is not installed")
MIB = 1024 * 1024


@pytest.fixture
def disks() -> QemuDisks:
    return QemuDisks()


@needs_qemu_img
def test_create_resize_info(disks: QemuDisks, tmp_path: Path) -> None:
    for fmt in ("qcow2", "raw"):
        image = tmp_path / f"disk.{fmt}"
        disks.create(image, 8 * MIB, fmt)
        disks.resize(image, 16 * MIB)
        found = disks.info(image)
        assert (found["format"], found["virtual-size"]) == (fmt, 16 * MIB)
        with pytest.raises(DoorError, match="shrinking disks is not supported"):
            disks.resize(image, 8 * MIB)


@needs_qemu_img
def test_convert_and_overlay(disks: QemuDisks, tmp_path: Path) -> None:
    raw = tmp_path / "source.raw"
    raw.write_bytes(b"pvekit" * 200_000)
    log: list[str] = []
    disks.convert(raw, tmp_path / "copy.qcow2", "qcow2", log.append)
    assert "100.00%" in log[-1]
    disks.overlay(tmp_path / "copy.qcow2", tmp_path / "clone.qcow2")
    assert disks.info(tmp_path / "clone.qcow2")["full-backing-filename"] == str(tmp_path / "copy.qcow2")
    disks.convert(tmp_path / "clone.qcow2", tmp_path / "back.raw", "raw", log.append)
    assert (tmp_path / "back.raw").read_bytes().startswith(b"pvekit" * 200_000)
    assert not list(tmp_path.glob("*.part"))


@needs_qemu_img
def test_a_failed_copy_leaves_nothing(disks: QemuDisks, tmp_path: Path) -> None:
    source = tmp_path / "source.qcow2"
    disks.create(source, MIB, "qcow2")
    with pytest.raises(DoorError):
        disks.convert(source, tmp_path / "x.nonsense", "nonsense", lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["source.qcow2"]


@needs_qemu_img
def test_a_raw_disk_cannot_pose_as_qcow2(disks: QemuDisks, tmp_path: Path) -> None:
    """A guest may write a qcow2 header with any backing file into its raw disk; it must stay data."""
    secret, evil = tmp_path / "secret.raw", tmp_path / "evil.raw"
    secret.write_bytes(b"secret" * 100_000)
    disks.create(tmp_path / "evil.qcow2", MIB, "qcow2")
    disks.overlay(secret, tmp_path / "trap.qcow2")
    (tmp_path / "trap.qcow2").rename(evil)
    disks.convert(evil, tmp_path / "out.raw", "raw", lambda _: None)
    assert b"secretsecret" not in (tmp_path / "out.raw").read_bytes()


@needs_qemu_img
def test_snapshots(disks: QemuDisks, tmp_path: Path) -> None:
    image = tmp_path / "disk.qcow2"
    disks.create(image, MIB, "qcow2")
    disks.snapshot(image, "before")
    disks.snapshot(image, "before")
    assert [each["name"] for each in disks.info(image)["snapshots"]] == ["before"]
    disks.rollback(image, "before")
    disks.drop_snapshot(image, "before")
    disks.drop_snapshot(image, "before")
    with pytest.raises(DoorError, match="'before' does not exist"):
        disks.rollback(image, "before")
    raw = tmp_path / "disk.raw"
    disks.create(raw, MIB, "raw")
    with pytest.raises(DoorError, match="snapshots need the qcow2 format"):
        disks.snapshot(raw, "before")


@needs_qemu_img
def test_no_image(disks: QemuDisks, tmp_path: Path) -> None:
    with pytest.raises(DoorError, match="qemu-img info failed"):
        disks.info(tmp_path / "none.qcow2")


@pytest.mark.skipif(not OVMF.exists(), reason="ovmf is not installed")
@pytest.mark.parametrize("fmt", ["raw", "qcow2"])
def test_efi_variables(disks: QemuDisks, tmp_path: Path, fmt: str) -> None:
    disks.efi_vars(tmp_path / f"plain.{fmt}", fmt, False)
    disks.efi_vars(tmp_path / f"keys.{fmt}", fmt, True)
    sizes = {int(disks.info(tmp_path / f"{name}.{fmt}")["virtual-size"]) for name in ("plain", "keys")}
    assert sizes == {540672}
    assert (tmp_path / f"plain.{fmt}").read_bytes() != (tmp_path / f"keys.{fmt}").read_bytes()


def test_what_is_missing_comes_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert {"qemu-system-x86_64", "qemu-img"} <= {need.what for need in missing()}
    with pytest.raises(DoorError, match=r"lacks qemu-img .*: apt-get install --no-install-recommends qemu-utils"):
        require("qemu-img")
    assert install_command(NEEDS[:2]) == "apt-get install --no-install-recommends qemu-system-x86 qemu-utils"
