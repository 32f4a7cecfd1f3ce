"""Disk images with qemu-img; images that a running VM holds are changed by that VM."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pvekit.lab.doors import DoorError, Log
from pvekit.lab.qemu.firmware import variables_template
from pvekit.lab.qemu.machines import QemuMachines
from pvekit.lab.qemu.needs import require

_PROGRESS_STEP = 10.0


class QemuDisks:
    """The door to disk images. ``machines`` lets it find the VM that holds one."""

    def __init__(self, machines: QemuMachines | None = None) -> None:
        """Take the machines whose disks these are; None if no VM ever runs on them."""
        self._machines = machines

    def create(self, path: Path, size: int, fmt: str) -> None:
        """Make an empty image."""
        _qemu_img("create", "-q", "-f", fmt, str(path), str(size))

    def convert(self, source: Path, target: Path, fmt: str, log: Log) -> None:
        """Copy an image into another format; an image in use is copied as it is at this moment."""
        total = int(self.info(source)["virtual-size"])
        partial = target.with_name(f"{target.name}.part")
        argv = ["qemu-img", "convert", "-U", "-p", "-W", "-f", _format(source), "-O", fmt, str(source), str(partial)]
        try:
            _convert(argv, lambda share: log(_transferred(total, share)))
            partial.rename(target)
        finally:
            partial.unlink(missing_ok=True)

    def overlay(self, base: Path, target: Path) -> None:
        """Make a linked clone; ``base`` must not change any more."""
        _qemu_img("create", "-q", "-f", "qcow2", "-F", _format(base), "-b", str(base), str(target))

    def resize(self, path: Path, size: int) -> None:
        """Grow an image. DoorError for a smaller size."""
        if size < int(self.info(path)["virtual-size"]):
            raise DoorError("shrinking disks is not supported")
        holder = self._holder(path)
        if holder and self._machines:
            self._machines.resize_node(*holder, size)
        else:
            _qemu_img("resize", "-q", "-f", _format(path), str(path), str(size))

    def info(self, path: Path) -> Mapping[str, Any]:
        """Return what qemu-img says of the image. DoorError if it is none."""
        found = json.loads(_qemu_img("info", "-U", "--output=json", str(path)))
        if not isinstance(found, dict):
            raise DoorError(f"qemu-img info {path} gave no object")
        return found

    def snapshot(self, path: Path, name: str) -> None:
        """Make an internal snapshot (qcow2 only); nothing happens if one of that name exists."""
        if name in self._snapshots(path):
            return
        holder = self._holder(path)
        if holder and self._machines:
            self._machines.snapshot_node(*holder, name)
        else:
            _qemu_img("snapshot", "-c", name, str(path))

    def rollback(self, path: Path, name: str) -> None:
        """Return to an internal snapshot; the VM must be stopped."""
        if self._holder(path):
            raise DoorError(f"{path.name} is in use by a running VM")
        if name not in self._snapshots(path):
            raise DoorError(f"snapshot '{name}' does not exist on {path.name}")
        _qemu_img("snapshot", "-a", name, str(path))

    def drop_snapshot(self, path: Path, name: str) -> None:
        """Delete an internal snapshot; nothing happens if it is gone."""
        if name not in self._snapshots(path):
            return
        holder = self._holder(path)
        if holder and self._machines:
            self._machines.drop_node_snapshot(*holder, name)
        else:
            _qemu_img("snapshot", "-d", name, str(path))

    def efi_vars(self, path: Path, fmt: str, pre_enrolled: bool) -> None:
        """Write a fresh EFI variable store."""
        source = variables_template(pre_enrolled=pre_enrolled)
        if fmt == "raw":
            shutil.copyfile(source, path)
        else:
            _qemu_img("convert", "-q", "-f", "raw", "-O", fmt, str(source), str(path))

    def _holder(self, path: Path) -> tuple[int, str] | None:
        return self._machines.holder(path) if self._machines else None

    def _snapshots(self, path: Path) -> set[str]:
        found = self.info(path)
        if found["format"] != "qcow2":
            raise DoorError(f"{path.name}: snapshots need the qcow2 format, this image is {found['format']}")
        return {str(each["name"]) for each in found.get("snapshots", ())}


def _format(path: Path) -> str:
    """Return the format by suffix: probing would let a guest choose how its raw disk is read."""
    return {".qcow2": "qcow2", ".vmdk": "vmdk"}.get(path.suffix, "raw")


def _qemu_img(*argv: str) -> str:
    require("qemu-img")
    done = subprocess.run(
        ["qemu-img", *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        raise DoorError(f"qemu-img {argv[0]} failed: {done.stderr.strip()}")
    return done.stdout


def _convert(argv: list[str], progress: Callable[[float], None]) -> None:
    """Run it and tell the share done (percent) now and then."""
    require("qemu-img")
    told = -_PROGRESS_STEP
    rest = ""
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None  # noqa: S101 - PIPE was asked for
        assert process.stderr is not None  # noqa: S101 - PIPE was asked for
        try:
            while piece := process.stdout.read(16):
                rest = (rest + piece)[-64:]
                shares = [float(each) for each in re.findall(r"\(([\d.]+)/100%\)", rest)]
                if shares and shares[-1] >= told + _PROGRESS_STEP:
                    told = shares[-1]
                    progress(told)
            words = process.stderr.read()
            status = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
    if status:
        raise DoorError(f"qemu-img convert failed: {words.strip()}")


def _transferred(total: int, share: float) -> str:
    mib = total / 1024**2
    return f"transferred {mib * share / 100:.1f} MiB of {mib:.1f} MiB ({share:.2f}%)"
