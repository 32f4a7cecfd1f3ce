"""Looks at disks: made up for cases, and real ones at files that stand for disks."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pvekit.adapters import inspect
from pvekit.model.datadisk import Claim, Machine, PoolClaim, read_machine

SIZE = 1 << 20
EMPTY: dict[str, Any] = {
    **dict.fromkeys(("read_only", "swap", "boot"), False),
    **{key: [] for key in ("partitions", "mounts", "holders", "imported", "users", "signs", "pools", "failed")},
    "size": SIZE,
    "blank": True,
}


def machine(found: Mapping[str, Mapping[str, Any]], *, zfs: bool = False, failed: tuple[str, ...] = ()) -> Machine:
    """Return a machine with the disks a and b, and what was found on them."""
    rows = []
    for serial in ("a", "b"):
        name = f"sd{serial}"
        row = {"name": name, "path": f"/dev/{name}", "serial": serial, "by_id": [f"scsi-0QEMU_{serial}"]}
        rows.append({**EMPTY, **row, **found.get(serial, {})})
    systems = {"zfs": zfs, "btrfs": True}
    return read_machine({"version": 1, "failed": list(failed), "filesystems": systems, "disks": rows})


def claim(*, by_id: bool = False, **changes: Any) -> PoolClaim:
    """Return a pool on both of them, which may be made."""
    disks = tuple(Claim(serial, SIZE, f"ata-DISK_{serial}" if by_id else None) for serial in ("a", "b"))
    given = {"name": "tank", "layout": "mirror", "filesystem": "auto", "mount": "/srv/tank", "create_on": ("a", "b")}
    return PoolClaim(disks=disks, **{**given, **changes})


def script() -> ModuleType:
    """Return the inspection script as a module."""
    spec = importlib.util.spec_from_file_location("look_disks", inspect.script())
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def look_at(files: Mapping[str, Path]) -> Machine:
    """Look at files, by serial, as the script looks at disks."""
    look = script()
    rows = [
        {"kname": serial, "path": str(path), "type": "disk", "serial": serial, "size": path.stat().st_size}
        for serial, path in files.items()
    ]
    found = [look.examine(row, {}, [], set()) for row in rows]
    return read_machine({"version": 1, "failed": [], "filesystems": {"zfs": True, "btrfs": True}, "disks": found})
