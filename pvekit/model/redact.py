"""Takes out of recorded answers what a plan does not need and what identifies machines. Pure.

Known answers keep named fields only. In what is left, MAC and IP addresses, UUIDs, serial numbers and names of whole
disks are replaced, each always by the same stand-in, unless the stack file names them itself: a plan compares those.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

from pvekit.model import mark

_FIELDS: tuple[tuple[str, frozenset[str]], ...] = (
    (r"/version", frozenset({"version", "release", "repoid"})),
    (
        r"/cluster/resources",
        frozenset(
            {"type", "id", "node", "status", "maxcpu", "mem", "maxmem", "vmid", "name", "tags", "lock", "pool"}
            | {"template", "maxdisk", "disk", "storage", "plugintype", "content", "shared"}
        ),
    ),
    (r"/nodes/[^/]+/network.*", frozenset({"iface", "type", "active", "bridge_vlan_aware"})),
    (r"/nodes/[^/]+/status", frozenset({"cpuinfo", "memory", "swap", "pveversion"})),
    (
        r"/nodes/[^/]+/hardware/pci.*",
        frozenset({"id", "class", "vendor", "device", "vendor_name", "device_name", "iommugroup"}),
    ),
    (r"/cluster/mapping/pci.*", frozenset({"id", "map", "checks", "mdev"})),
    (r"/storage/[^/]+", frozenset({"storage", "type", "content", "sparse", "shared"})),
    (r"/nodes/[^/]+/storage/[^/]+/content.*", frozenset({"volid", "content", "size", "format", "vmid"})),
)
_PROCESSOR = frozenset({"cpus", "cores", "sockets", "model", "vendor", "hvm"})
_FOREIGN = re.compile(r"/nodes/[^/]+/qemu/\d+/config")
_NEEDED = re.compile(r"onboot|memory|balloon|cores|sockets|template|hugepages|hostpci\d+")
_PENDING = re.compile(r"/nodes/[^/]+/qemu/\d+/pending")
_TASKS = re.compile(r"/nodes/[^/]+/tasks.*")
_SECRET = frozenset({"cipassword", "sshkeys", "args"})

_IDENTITIES: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (
        re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"),
        lambda h: f"{h[:8]}-{h[8:12]}-4{h[13:16]}-8{h[17:20]}-{h[20:32]}",
    ),
    (re.compile(r"\b[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}\b"), lambda h: "02:" + ":".join(_pairs(h[:10].upper()))),
    (re.compile(r"(?<=/dev/disk/by-id/)[^,;\s]+"), lambda h: f"ata-RECORDED_{h[:12].upper()}"),
    (re.compile(r"(?<=serial=)[^,;\s]+"), lambda h: f"R{h[:12].upper()}"),
)
_ADDRESS = re.compile(r"[0-9a-fA-F]*[.:][0-9a-fA-F.:]+")
"""What may be an IP address; PCI addresses and times look alike and are none."""


def redact(answers: Mapping[str, Any], keep: str = "") -> dict[str, Any]:
    """Return the answers without what identifies machines. ``keep`` is all that the stack file itself says."""
    known = keep.casefold()
    return {key: _answer(key, value, known) for key, value in sorted(answers.items())}


def _answer(key: str, value: Any, keep: str) -> Any:
    if _TASKS.fullmatch(key):
        # They are waited for while recording; whoever plans later has nothing to wait for.
        return []
    if _FOREIGN.fullmatch(key):
        return {name: text for name, text in value.items() if _NEEDED.fullmatch(name)}
    if _PENDING.fullmatch(key):
        return [_setting(row, keep) for row in value if row.get("key") not in _SECRET]
    for pattern, fields in _FIELDS:
        if re.fullmatch(pattern, key):
            value = _cut(value, fields)
            break
    return _scrub(value, keep)


def _cut(value: Any, fields: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_cut(row, fields) for row in value]
    found = {name: item for name, item in value.items() if name in fields}
    if "cpuinfo" in found:
        found["cpuinfo"] = {name: item for name, item in found["cpuinfo"].items() if name in _PROCESSOR}
    return found


def _setting(row: Mapping[str, Any], keep: str) -> dict[str, Any]:
    """Return one row of a VM's configuration; of a description, the mark without the guest's host key."""
    found = dict(row)
    for name in ("value", "pending"):
        if name not in found:
            continue
        text = str(found[name])
        note = mark.read(text) if row.get("key") == "description" else None
        if note is None:
            found[name] = _text(text, keep)
        else:
            found[name] = mark.write(_text(mark.strip(text), keep), note.with_stage(note.stage, host_key=""))
    return found


def _scrub(value: Any, keep: str) -> Any:
    if isinstance(value, str):
        return _text(value, keep)
    if isinstance(value, list):
        return [_scrub(item, keep) for item in value]
    if isinstance(value, dict):
        return {name: _scrub(item, keep) for name, item in value.items()}
    return value


def _text(text: str, keep: str) -> str:
    for pattern, stand_in in _IDENTITIES:
        text = pattern.sub(lambda found, make=stand_in: _replaced(found[0], make, keep), text)  # type: ignore[misc]
    return _ADDRESS.sub(lambda found: _address(found[0], keep), text)


def _address(found: str, keep: str) -> str:
    try:
        known = ip_address(found)
    except ValueError:
        return found
    if known.version == 4:
        return _replaced(found, lambda h: f"192.0.2.{int(h[:2], 16)}", keep)
    return _replaced(found, lambda h: f"2001:db8::{h[:4].lstrip('0') or '1'}", keep)


def _replaced(found: str, make: Callable[[str], str], keep: str) -> str:
    if found.casefold() in keep:
        return found
    return make(hashlib.sha256(found.casefold().encode()).hexdigest())


def _pairs(text: str) -> list[str]:
    return [text[at : at + 2] for at in range(0, len(text), 2)]
