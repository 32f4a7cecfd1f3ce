"""A stack of Windows VMs that are installed from stand-in Setup CDs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pvekit.adapters.iso import write_iso
from pvekit.model.answer.values import DRIVERS
from tests.helpers.person import Person
from tests.standin import build
from tests.standin.switches import Switches

PASSWORD = "Wörter-und-Zahlen-7"
MINUTES = {"started": "4m", "applied": "6m", "agent": "5m", "done": "4m", "ssh": "3m"}


def room(folder: Path, cases: Mapping[str, tuple[Switches, Mapping[str, Any]]]) -> Person:
    """Return a person with a stack of one VM per case; ``windows`` of each is the case's on top of the common one."""
    media = {
        "drivers.iso": _drivers(),
        "OpenSSH-Win64.msi": b"\xd0\xcf\x11\xe0 made for a test",
        **{f"{name}.iso": build.setup_iso(switches, folder=folder) for name, (switches, _) in cases.items()},
    }
    images = {}
    for name, content in media.items():
        path = content if isinstance(content, Path) else folder / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        key = "openssh" if name.endswith(".msi") else name.removesuffix(".iso")
        images[key] = {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    vms = {name: {"image": name, "windows": {**_WINDOWS, **windows}} for name, (_, windows) in cases.items()}
    # JSON is YAML.
    somebody = Person(folder, json.dumps({**_FRAME, "images": images, "vms": vms}))
    somebody.secret("password", PASSWORD)
    somebody.secret("password-of-ben", PASSWORD + "-ben")
    return somebody


def _drivers() -> bytes:
    """Return an ISO that looks like virtio-win."""
    files = {f"{n}/w11/amd64/{n.lower()}.{k}": b"made\r\n" for n in DRIVERS for k in ("inf", "sys", "cat")}
    return write_iso({**files, "virtio-win-guest-tools.exe": b"MZ made for a test"}, "virtio-win", udf=False)


_WINDOWS = {
    "drivers": "drivers",
    "openssh": "openssh",
    "locale": "de-DE",
    "users": [{"name": "Ben", "password": "file:./password-of-ben"}],
    "timeouts": MINUTES,
}
_FRAME: dict[str, Any] = {
    "pvekit": 1,
    "name": "pcs",
    "host": "lab",
    "defaults": {
        "kind": "windows",
        "storage": "local",
        "user": "anna",
        "password": "file:./password",
        "cores": 2,
        "memory": "1GiB",
        "disks": [{"size": "64GiB"}],
        "timezone": "Europe/Berlin",
    },
}
