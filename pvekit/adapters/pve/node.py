"""What a node says about itself beyond the cluster's list. One function, one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pvekit.adapters.pve.client import Pve


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node now; sizes in bytes. ``available`` is what programs may still get without swapping anything out."""

    cpu: str
    threads: int
    memory: int
    available: int
    swap_free: int


@dataclass(frozen=True, slots=True)
class PciDevice:
    """A PCI device of a node; ``pci_class`` is six hexadecimal digits (``030000`` is a graphics card).

    ``id`` and ``subsystem`` are vendor and device (``10de:1c07``; empty when PVE tells none), ``group`` is the IOMMU
    group, -1 where the IOMMU is off.
    """

    address: str
    pci_class: str
    name: str
    id: str = ""
    subsystem: str = ""
    group: int = -1

    @property
    def place(self) -> str:
        """Return the address without its function, which all functions of a card share."""
        return self.address.rpartition(".")[0]

    @property
    def display(self) -> bool:
        """Return whether it is a graphics card."""
        return self.pci_class.startswith("03")


def node_status(pve: Pve, node: str) -> NodeStatus:
    """Return processor and memory of a node. PermissionDenied without Sys.Audit on it."""
    answer: Mapping[str, Any] = pve.get(f"/nodes/{node}/status")
    memory: Mapping[str, Any] = answer.get("memory") or {}
    total, used = int(memory.get("total", 0)), int(memory.get("used", 0))
    processor: Mapping[str, Any] = answer.get("cpuinfo") or {}
    return NodeStatus(
        cpu=str(processor.get("model", "")).strip(),
        threads=int(processor.get("cpus", 0)),
        memory=total,
        # Told since PVE 8.4 or so; before, "used" left the page cache out as well.
        available=int(memory.get("available", max(0, total - used))),
        swap_free=int((answer.get("swap") or {}).get("free", 0)),
    )


def guest_config(pve: Pve, node: str, vmid: int) -> dict[str, str]:
    """Return the configuration of any VM that the asker may see, as text. NotFound when it is gone."""
    answer: Mapping[str, Any] = pve.get(f"/nodes/{node}/qemu/{vmid}/config")
    return {key: str(value) for key, value in answer.items()}


def storage_config(pve: Pve, storage: str) -> dict[str, str]:
    """Return the configuration of a storage, as text. PermissionDenied without Datastore.Audit or Allocate on it."""
    answer: Mapping[str, Any] = pve.get(f"/storage/{storage}")
    return {key: str(value) for key, value in answer.items()}


def pci_devices(pve: Pve, node: str) -> tuple[PciDevice, ...]:
    """Return the PCI devices of a node, bridges left out. PermissionDenied without Sys.Audit on /."""
    rows = pve.get(f"/nodes/{node}/hardware/pci")
    return tuple(
        PciDevice(
            str(row["id"]),
            str(row.get("class", "")).removeprefix("0x"),
            str(row.get("device_name", "")).strip(),
            _pair(row, "vendor", "device"),
            _pair(row, "subsystem_vendor", "subsystem_device"),
            int(row.get("iommugroup", -1)),
        )
        for row in sorted(rows, key=lambda row: str(row["id"]))
    )


def _pair(row: Mapping[str, Any], vendor: str, device: str) -> str:
    if vendor not in row or device not in row:
        return ""
    return ":".join(str(row[key]).removeprefix("0x").lower() for key in (vendor, device))
