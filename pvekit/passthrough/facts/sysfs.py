"""What /sys says about each PCI device."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.lspcitext import ADDRESS, address, plain
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Resource:
    """One line of /sys/bus/pci/devices/BDF/resource: both ends included; all zeros for an unassigned one."""

    number: int
    start: int
    end: int
    flags: int

    @property
    def size(self) -> int:
        """Return the length in bytes; 0 when it is not assigned."""
        return self.end - self.start + 1 if self.end else 0


@dataclass(frozen=True)
class SysfsDevice:
    """One device; None means that the file does not tell, "" (``rom``: 0) that there is none.

    ``values`` holds every ``key=value`` as written (vendor, device, class, power_state, d3cold_allowed, numa_node,
    current_link_speed ...). ``reset`` are the words of reset_method.
    """

    bdf: Bdf
    driver: str | None
    override: str | None
    boot_vga: bool | None
    reset: tuple[str, ...] | None
    group: int | None
    rom: int | None
    resources: tuple[Resource, ...]
    values: Mapping[str, str]
    line: Line


@dataclass(frozen=True)
class PciSysfs:
    """Devices by address. ``whole``: all devices of the host."""

    devices: Mapping[Bdf, SysfsDevice]
    whole: bool = False


_NONE = frozenset({"", "(null)", "none", "n/a", "-"})
_PAIR = Pattern(r"(?<!\S)([a-z][a-z0-9_]*)=(.*?)(?=\s+[a-z][a-z0-9_]*=|\s*$)")
_DEVICE = Pattern(rf"^[\s=*#-]*({ADDRESS})[\s:=]*(.*)$")
_PATH = Pattern(
    rf"(?:devices|drivers/[\w-]+|pci[0-9a-f]{{4,8}}:[0-9a-f]{{2}}(?:/[0-9a-f:.]+)*)/({ADDRESS})/([a-z][a-z0-9_]*)"
    r"(?:\s*(->|:|=|<==?|==)\s*(.*))?$"
)
_KEY = Pattern(r"^\s*([a-z][a-z0-9_]*)\s*[:=]\s*(.*)$")
_LINK = Pattern(r"^\s*.*?\b([a-z][a-z0-9_]*) -> (\S+)\s*$")
_ROW = Pattern(r"^\s*(0x[0-9a-fA-F]{1,16})\s+(0x[0-9a-fA-F]{1,16})\s+(0x[0-9a-fA-F]{1,16})\s*$")
_RESOURCE = Pattern(r"^(0x[0-9a-fA-F]{1,16})[-\s]+(0x[0-9a-fA-F]{1,16})[:\s]+(0x[0-9a-fA-F]{1,16})$")
_BARE = {"power_state.txt": "power_state", "reset_method.txt": "reset_method"}


class _Seen:
    """What was read so far about one device."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.values: dict[str, str] = {}
        self.rows: list[tuple[str, str, str]] = []

    def add(self, key: str, value: str) -> None:
        row = _ROW.match(value)
        if key == "resource" and row:
            self.rows.append((row[1], row[2], row[3]))
        elif key in ("driver", "iommu_group", "subsystem") and "/" in value:
            self.values[key] = value.rstrip("/").rpartition("/")[2]
        else:
            self.values.setdefault(key, value)


def read(sources: Sources) -> PciSysfs | Missing:
    """Read pci_sysfs.txt, reset_method.txt and power_state.txt."""
    present = [role for role in ("pci_sysfs.txt", *_BARE) if role in sources.roles]
    if not present:
        return Missing("pci_sysfs.txt", "not in the bundle")
    seen: dict[Bdf, _Seen] = {}
    text = False
    for role in present:
        _collect(sources.roles[role], _BARE.get(role, ""), seen)
        text = text or any(line.text.strip() for line in sources.roles[role])
    if text and not seen:
        return Missing(present[0], "names no device")
    devices = {bdf: _device(bdf, found) for bdf, found in seen.items()}
    return PciSysfs(devices, Bdf(0, 0, 0, 0) in devices and len(devices) > 4)


def _collect(lines: Iterable[Line], bare: str, seen: dict[Bdf, _Seen]) -> None:
    """Read one text. ``bare`` is what a value without a name is."""
    current: _Seen | None = None
    waiting = ""
    for line in lines:
        text = plain(line.text)
        found = _PATH.search(text)
        named = _DEVICE.match(text)
        bdf = address(found[1]) if found else address(named[1]) if named else None
        if bdf is not None:
            current, waiting = seen.setdefault(bdf, _Seen(line)), ""
        if found and current:
            mark, value = found[3], (found[4] or "").strip()
            if mark in ("->", ":", "="):
                current.add(found[2], value)
            else:
                waiting = found[2]
        elif named and current and bdf is not None:
            _described(current, named[2], bare)
        elif current and text.strip():
            _inside(current, text, waiting)


def _described(current: _Seen, text: str, bare: str) -> None:
    """Read what follows an address in its line."""
    pairs = _PAIR.findall(text)
    for key, value in pairs:
        current.add(key, value.strip())
    if not pairs and bare and text.strip(" =:"):
        current.add(bare, text.strip(" =:"))


def _inside(current: _Seen, text: str, waiting: str) -> None:
    """Read a line below an address or below the name of a file."""
    if row := _ROW.match(text):
        current.rows.append((row[1], row[2], row[3]))
    elif link := _LINK.match(text):
        current.add(link[1], link[2])
    elif found := _KEY.match(text):
        current.add(found[1], found[2].strip())
    elif waiting and re.fullmatch(r"[\w .()/-]+", text.strip()):
        current.add(waiting, text.strip())


def _device(bdf: Bdf, seen: _Seen) -> SysfsDevice:
    values = seen.values

    def text(*keys: str) -> str | None:
        value = next((values[key] for key in keys if key in values), None)
        return value if value is None or value.lower() not in _NONE else ""

    reset = text("reset", "reset_method", "reset_methods")
    return SysfsDevice(
        bdf,
        text("driver"),
        text("override", "driver_override"),
        {"1": True, "0": False}.get(values.get("boot_vga", "")),
        None if reset is None else tuple(word for word in re.split(r"[\s,]+", reset) if word),
        _number(text("group", "iommu_group")),
        0 if (rom := text("rom", "rom_size")) == "" else _number(rom),
        _resources(seen),
        values,
        seen.line,
    )


def _number(text: str | None) -> int | None:
    if text is None or not re.fullmatch(r"[0-9]{1,15}|0x[0-9a-fA-F]{1,15}", text):
        return None
    return int(text, 16) if text.startswith("0x") else int(text)


def _resources(seen: _Seen) -> tuple[Resource, ...]:
    rows = [
        (int(key.removeprefix("resource")), found.groups())
        for key, value in seen.values.items()
        if re.fullmatch(r"resource[0-9]{1,2}", key) and (found := _RESOURCE.match(value))
    ] or list(enumerate(seen.rows))
    return tuple(Resource(number, *(int(part, 16) for part in row)) for number, row in rows)
