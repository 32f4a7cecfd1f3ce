"""Resource mappings: the names under which PVE gives devices to VMs, and what it recorded of each device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.devices import Devices
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.lspcitext import address
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Mapped:
    """One device of one node. ``paths`` as written: several mean several functions, without function all of them.

    ``id``, ``subsystem`` and ``group`` are what PVE compares at the VM's start; "" and None where nothing is recorded.
    """

    node: str
    paths: tuple[str, ...]
    id: str
    subsystem: str
    group: int | None
    line: Line


@dataclass(frozen=True)
class PciMappings:
    """/etc/pve/mapping/pci.cfg: the devices by name. ``here`` are those of this node, as far as it can be told."""

    entries: Mapping[str, tuple[Mapped, ...]]
    here: Mapping[str, tuple[Mapped, ...]]


_NAME = Pattern(r"^(?:pci:\s*)?([A-Za-z][\w-]+)\s*$")
_ENTRY = Pattern(r"^\s*map\s+(\S.*)$")
_NODE = Pattern(r"^\s*Linux ([\w-]+)[\w.-]* \d+\.\d+")


def read(sources: Sources, devices: Devices | Missing) -> PciMappings | Missing:
    """Read pci-mapping.cfg. A node's name may have been replaced: then what fits the devices is this node's."""
    lines = sources.of("pci-mapping.cfg")
    if isinstance(lines, Missing):
        return lines
    entries: dict[str, list[Mapped]] = {}
    name = ""
    for line in lines:
        if found := _NAME.match(line.text):
            name = found[1]
            entries.setdefault(name, [])
        elif name and (found := _ENTRY.match(line.text)) and (entry := _mapped(found[1], line)) is not None:
            entries[name].append(entry)
    if not entries and any(line.text.strip() for line in lines):
        return Missing("pci-mapping.cfg", "holds no resource mapping")
    node = next((match[1] for line in sources.roles.get("uname.txt", ()) if (match := _NODE.match(line.text))), "")
    known = {entry.node for found in entries.values() for entry in found}
    here = {name: tuple(_of_node(found, node if node in known else "", devices)) for name, found in entries.items()}
    return PciMappings({name: tuple(found) for name, found in entries.items()}, here)


def _mapped(text: str, line: Line) -> Mapped | None:
    parts = dict(part.strip().partition("=")[::2] for part in text.split(","))
    paths = tuple(path.strip() for path in parts.get("path", "").split(";") if address(whole(path.strip())) is not None)
    if not paths:
        return None
    group = parts.get("iommugroup", "")
    known = int(group) if group.isdecimal() else None
    return Mapped(
        parts.get("node", ""), paths, parts.get("id", "").lower(), parts.get("subsystem-id", "").lower(), known, line
    )


def whole(path: str) -> str:
    """Return the address of a path's first function."""
    return path if "." in path else f"{path}.0"


def _of_node(found: Iterable[Mapped], node: str, devices: Devices | Missing) -> Iterable[Mapped]:
    entries = list(found)
    if node:
        return [entry for entry in entries if entry.node == node]
    if len({entry.node for entry in entries}) == 1:
        return entries
    if isinstance(devices, Missing):
        return []
    return [entry for entry in entries if any(address(whole(path)) in devices.by_bdf for path in entry.paths)]
