"""The state of a running VM, saved inside its qcow2 images by QEMU's snapshot jobs (since 6.0)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from pvekit.lab.doors import DoorError, Log
from pvekit.lab.qemu.qmp import Qmp

_SECONDS = 600.0


def save(qmp: Qmp, name: str, log: Log) -> None:
    """Save RAM, devices and all disks under one name; the VM stands still meanwhile."""
    nodes = _nodes(qmp)
    log(f"saving VM state and {len(nodes)} disks as snapshot '{name}'")
    _job(qmp, "snapshot-save", {"tag": name, "vmstate": nodes[0], "devices": nodes})


def load(qmp: Qmp, name: str, log: Log) -> None:
    """Load what ``save`` made and let the CPUs go on."""
    nodes = _nodes(qmp)
    log(f"loading VM state from snapshot '{name}'")
    _job(qmp, "snapshot-load", {"tag": name, "vmstate": nodes[0], "devices": nodes})
    qmp.execute("cont")


def _nodes(qmp: Qmp) -> list[str]:
    """Return the writable disks' nodes. DoorError if one cannot hold a snapshot: half a state is none."""
    nodes: list[str] = []
    for each in qmp.execute("query-named-block-nodes", {"flat": True}):
        name = str(each["node-name"])
        if name.startswith("drive-") and not each["ro"]:
            if each["drv"] != "qcow2":
                raise DoorError(
                    f"{name.removeprefix('drive-')}: saving the state needs qcow2 disks, this is {each['drv']}"
                )
            nodes.append(name)
    if not nodes:
        raise DoorError("the VM has no disk that could hold its state")
    return sorted(nodes)


def _job(qmp: Qmp, command: str, arguments: Mapping[str, Any]) -> None:
    job = f"pvekit-{secrets.token_hex(4)}"
    qmp.execute(command, {"job-id": job, **arguments}, timeout=60)
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        found = next(each for each in qmp.execute("query-jobs", timeout=_SECONDS) if each["id"] == job)
        if found["status"] == "concluded":
            qmp.execute("job-dismiss", {"id": job})
            if "error" in found:
                raise DoorError(f"{command} failed: {found['error']}")
            return
        time.sleep(0.1)
    raise DoorError(f"{command} did not end within {_SECONDS:.0f} s")
