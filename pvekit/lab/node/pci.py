"""PCI devices: of the machine itself, or as a file describes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvekit.lab import formats
from pvekit.lab.access.permissions import may
from pvekit.lab.call import Call
from pvekit.lab.params import flag, text
from pvekit.lab.router import route
from pvekit.lab.settings import Settings

SYSFS = Path("/sys/bus/pci/devices")
NAMES = Path("/usr/share/misc/pci.ids")
HIDDEN = ("05", "06", "0b")
"""Classes left out of the list unless asked for: memory, bridges, processors."""


def _ids(vendor: str, device: str, pci_class: str, name: str) -> dict[str, str]:
    # QEMU's own subsystem ids, for devices that set none.
    return {
        "vendor": f"0x{vendor}",
        "device": f"0x{device}",
        "class": f"0x{pci_class}",
        "subsystem_vendor": "0x1af4",
        "subsystem_device": "0x1100",
        "device_name": name,
    }


STAND_INS = {
    "edu": _ids("1234", "11e8", "00ff00", "QEMU educational device"),
    "pci-testdev": _ids("1b36", "0005", "00ff00", "QEMU PCI test device"),
    "bochs-display": _ids("1234", "1111", "038000", "QEMU display"),
    "ich9-intel-hda": _ids("8086", "293e", "040300", "QEMU audio controller"),
}
"""QEMU's devices that may stand in for a card, with what guests see of them.

Source: QEMU, hw/misc/edu.c, hw/misc/pci-testdev.c, hw/display/bochs-display.c, hw/audio/intel-hda.c.
"""


@dataclass(frozen=True, slots=True)
class Device:
    """One PCI device; ids are four hex digits, ``group`` is -1 without an IOMMU.

    ``stand_in`` is QEMU's device that a VM really gets, ``node`` the only node that has it (empty: all have one).
    """

    address: str
    vendor: str
    device: str
    pci_class: str
    group: int = -1
    subsystem: str = ""
    vendor_name: str = ""
    device_name: str = ""
    mdev: bool = False
    stand_in: str = ""
    node: str = ""

    def row(self) -> dict[str, Any]:
        """Return the device as the API shows it."""
        row: dict[str, Any] = {
            "id": self.address,
            "class": f"0x{self.pci_class}",
            "vendor": f"0x{self.vendor}",
            "device": f"0x{self.device}",
            "iommugroup": self.group,
        }
        if self.vendor_name:
            row["vendor_name"] = self.vendor_name
        if self.device_name:
            row["device_name"] = self.device_name
        if self.subsystem:
            vendor, _colon, device = self.subsystem.partition(":")
            row.update({"subsystem_vendor": f"0x{vendor}", "subsystem_device": f"0x{device}"})
        if self.mdev:
            row["mdev"] = 1
        return row


def devices(settings: Settings, node: str = "") -> list[Device]:
    """Return all devices, or those of a node."""
    if settings.pci is not None:
        found = [_described(row) for row in json.loads(settings.pci.read_text(encoding="utf-8"))]
        return [device for device in found if not node or device.node in ("", node)]
    return [_of_sysfs(path) for path in sorted(SYSFS.iterdir())] if SYSFS.is_dir() else []


def _described(row: dict[str, Any]) -> Device:
    """Return the device of a row in the API's own form; with a ``stand-in``, the ids are those of QEMU's device.

    ValueError for an unknown stand-in.
    """
    name = row.get("stand-in", "")
    if name:
        if name not in STAND_INS:
            raise ValueError(f"there is no stand-in {name!r}; there are: {', '.join(sorted(STAND_INS))}")
        row = {**row, **STAND_INS[name]}
    subsystem = ""
    if "subsystem_vendor" in row:
        subsystem = f"{row['subsystem_vendor'][2:]}:{row['subsystem_device'][2:]}"
    return Device(
        row["id"], row["vendor"][2:], row["device"][2:], row["class"][2:], int(row.get("iommugroup", -1)), subsystem,
        row.get("vendor_name", ""), row.get("device_name", ""), bool(row.get("mdev")), name, row.get("node", ""),
    )  # fmt: skip


def _of_sysfs(path: Path) -> Device:
    def read(name: str) -> str:
        file = path / name
        return file.read_text(encoding="ascii").strip().removeprefix("0x") if file.exists() else ""

    group = path / "iommu_group"
    vendor, device = read("vendor"), read("device")
    maker, product = _names().get(vendor, ("", {}))
    subsystem = f"{read('subsystem_vendor')}:{read('subsystem_device')}"
    return Device(
        path.name, vendor, device, read("class"), int(group.resolve().name) if group.exists() else -1,
        subsystem if subsystem.strip("0:") else "", maker, product.get(device, ""),
        (path / "mdev_supported_types").is_dir(),
    )  # fmt: skip


_cache: dict[str, tuple[str, dict[str, str]]] = {}


def _names() -> dict[str, tuple[str, dict[str, str]]]:
    """Return the names of vendors and devices, where the machine has the list."""
    if _cache or not NAMES.exists():
        return _cache
    vendor = ""
    for line in NAMES.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("C "):
            break
        if not line or line.startswith(("#", "\t\t")):
            continue
        number, _blanks, name = line.strip().partition("  ")
        if not line.startswith("\t"):
            vendor = number
            _cache[vendor] = (name, {})
        elif vendor:
            _cache[vendor][1][number] = name
    return _cache


@route(
    "GET", "/nodes/{node}/hardware/pci", check=may("/", "Sys.Audit", "Sys.Modify"),
    params={"pci-class-blacklist": text(), "verbose": flag()},
)  # fmt: skip
def listing(call: Call) -> list[dict[str, Any]]:
    """Return the devices; bridges and the like only with an empty ``pci-class-blacklist``."""
    hidden = tuple(formats.words(call.get("pci-class-blacklist", ",".join(HIDDEN))))
    found = devices(call.lab.settings, call.node)
    rows = [device.row() for device in found if not (hidden and device.pci_class.startswith(hidden))]
    if not call.flag("verbose", default=True):
        return [{"id": row["id"]} for row in rows]
    return rows


@route("GET", "/nodes/{node}/hardware/pci/{address}/mdev", check=may("/", "Sys.Audit", "Sys.Modify"))
def mediated(call: Call) -> list[dict[str, Any]]:
    """Return the kinds of mediated devices that a card offers."""
    folder = SYSFS / call.get("address") / "mdev_supported_types"
    if not folder.is_dir():
        return []
    return [
        {
            "type": kind.name,
            "available": int((kind / "available_instances").read_text(encoding="ascii")),
            "description": (kind / "description").read_text(encoding="utf-8"),
        }
        for kind in sorted(folder.iterdir())
    ]


@route("GET", "/nodes/{node}/hardware", check=may("/", "Sys.Audit", "Sys.Modify"))
def index(_call: Call) -> list[dict[str, str]]:
    """Return the kinds of hardware."""
    return [{"type": "pci"}, {"type": "usb"}]


@route("GET", "/nodes/{node}/hardware/usb", check=may("/", "Sys.Audit", "Sys.Modify"))
def usb(_call: Call) -> list[Any]:
    """Return no USB device: guests of the embedded node get none."""
    return []
