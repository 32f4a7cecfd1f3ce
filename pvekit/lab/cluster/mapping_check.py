"""Whether a PCI mapping still describes the hardware."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pvekit.lab.node.pci import Device, devices

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab


def problems(lab: Lab, node: str, name: str, entry: Mapping[str, Any]) -> list[str]:
    """Return what does not fit, in PVE's words; empty when all is well."""
    present = {device.address: device for device in devices(lab.settings, node)}
    found: list[str] = []
    for line in entry["map"]:
        pairs = dict(part.split("=", 1) for part in line.split(","))
        if pairs.get("node") != node:
            continue
        for path in pairs["path"].split(";"):
            wrong = _problem(present, name, path, pairs, mdev=bool(int(entry.get("mdev", 0))))
            if wrong:
                found.append(f"Invalid configuration: {wrong}\n")
                break
    return found


def _problem(present: Mapping[str, Device], name: str, path: str, pairs: Mapping[str, str], *, mdev: bool) -> str:
    address = path if "." in path else f"{path}.0"
    device = present.get(address)
    if device is None:
        return f"pci device '{path}' not found"
    expected = {
        "id": f"{device.vendor}:{device.device}",
        "iommugroup": str(device.group),
    }
    if device.subsystem:
        expected["subsystem-id"] = device.subsystem
    if device.mdev or mdev:
        expected["mdev"] = str(int(device.mdev))
    for key, real in sorted(expected.items()):
        if key == "iommugroup" and device.group < 0:
            continue
        told = str(int(mdev)) if key == "mdev" else pairs.get(key)
        if told is None:
            return f"missing expected property '{key}' for device '{path}'"
        if told != real:
            return f"'{key}' does not match for '{name}' ({real} != {told})"
    return ""
