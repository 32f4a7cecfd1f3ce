"""The door to disks without qemu-img: images that hold nothing but their facts."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pvekit.lab.doors import DoorError, Log
from pvekit.lab.storage.peek import QCOW2
from pvekit.lab.storage.volumes import human
from pvekit.lab.store import write_atomic

FACTS = 1024
"""Where the facts of a hollow qcow2 image lie: behind the head and the backing file's name, each of this length."""


class HollowDisks:
    """Images that hold nothing: raw ones are sparse files, the others a qcow2 head with their facts behind it."""

    @staticmethod
    def _write(path: Path, facts: Mapping[str, Any]) -> None:
        size = int(facts["virtual-size"])
        if facts["format"] == "raw":
            part = path.with_name(f".{path.name}.tmp")
            with part.open("wb") as stream:
                stream.truncate(size)
            part.rename(path)
            return
        backing = str(facts.get("backing-filename") or "").encode()
        place = FACTS if backing else 0
        head = QCOW2 + struct.pack(">IQIIQ", 3, place, len(backing), 16, size)
        body = head.ljust(FACTS, b"\0") + backing.ljust(FACTS, b"\0") + json.dumps(dict(facts)).encode()
        write_atomic(path, body, mode=0o644)

    @staticmethod
    def _read(path: Path) -> dict[str, Any]:
        try:
            size = path.stat().st_size
            with path.open("rb") as stream:
                head = stream.read(1 << 16)
        except FileNotFoundError as missing:
            raise DoorError(f"Could not open '{path}': No such file or directory") from missing
        if not head.startswith(QCOW2):
            return {"format": "raw", "virtual-size": size, "snapshots": []}
        told = head[2 * FACTS :].rstrip(b"\0")
        if told.startswith(b"{"):
            facts: dict[str, Any] = json.loads(told)
            return facts
        return {"format": "qcow2", "virtual-size": int.from_bytes(head[24:32], "big"), "snapshots": []}

    def create(self, path: Path, size: int, fmt: str) -> None:
        """Make an empty image."""
        self._write(path, {"format": fmt, "virtual-size": size, "snapshots": []})

    def convert(self, source: Path, target: Path, fmt: str, log: Log) -> None:
        """Copy an image's facts, with the progress lines of a real copy."""
        size = human(int(self._read(source)["virtual-size"]))
        log(f"transferred 0.0 B of {size} (0.00%)")
        self._write(target, {**self._read(source), "format": fmt, "snapshots": [], "backing-filename": None})
        log(f"transferred {size} of {size} (100.00%)")

    def overlay(self, base: Path, target: Path) -> None:
        """Make a linked clone."""
        facts = {**self._read(base), "format": "qcow2", "snapshots": [], "backing-filename": str(base)}
        self._write(target, facts)

    def resize(self, path: Path, size: int) -> None:
        """Grow an image."""
        self._write(path, {**self._read(path), "virtual-size": size})

    def info(self, path: Path) -> Mapping[str, Any]:
        """Return the facts."""
        return {**self._read(path), "actual-size": path.stat().st_blocks * 512}

    def snapshot(self, path: Path, name: str) -> None:
        """Remember a snapshot."""
        facts = self._read(path)
        if facts["format"] != "qcow2":
            raise DoorError("snapshot feature is not available")
        self._write(path, {**facts, "snapshots": [*facts["snapshots"], {"name": name, "facts": _core(facts)}]})

    def rollback(self, path: Path, name: str) -> None:
        """Return to a snapshot."""
        facts = self._read(path)
        found = next((one for one in facts["snapshots"] if one["name"] == name), None)
        if found is None:
            raise DoorError(f"Could not apply snapshot '{name}': snapshot not found")
        self._write(path, {**facts, **found["facts"]})

    def drop_snapshot(self, path: Path, name: str) -> None:
        """Forget a snapshot."""
        facts = self._read(path)
        self._write(path, {**facts, "snapshots": [one for one in facts["snapshots"] if one["name"] != name]})

    def efi_vars(self, path: Path, fmt: str, pre_enrolled: bool) -> None:
        """Make an EFI variable store of the usual size."""
        self._write(path, {"format": fmt, "virtual-size": 540672, "snapshots": [], "enrolled": pre_enrolled})


def _core(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {"virtual-size": facts["virtual-size"]}
