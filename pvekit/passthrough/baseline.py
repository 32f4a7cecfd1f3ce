"""What is kept of a host that works, to be compared with later: the types, and how they are written down. Pure.

What could not be looked at stays Missing: it is neither there nor gone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf

FILE = "baseline.json"
FORMAT = 1
_LONGEST = 2000
"""No text in a baseline is longer; what is, was not written by pvekit."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A range of memory, both ends included. ``kind``: direct, direct-relaxable, or the root bus of a window."""

    start: int
    end: int
    kind: str = ""

    @property
    def size(self) -> int:
        """Return its length in bytes."""
        return self.end - self.start + 1


@dataclass(frozen=True, slots=True)
class BarPlace:
    """One memory region of a card. ``start`` None: it has no address; ``size`` None: not told."""

    number: int
    start: int | None
    size: int | None


@dataclass(frozen=True, slots=True)
class Known:
    """One PCI device. Texts are "" where nothing tells them; ``bars`` are those of display cards only."""

    bdf: Bdf
    id: str
    subsystem: str
    klass: str
    name: str
    boot_vga: bool | None = None
    direct: tuple[Span, ...] = ()
    bars: tuple[BarPlace, ...] = ()

    @property
    def display(self) -> bool:
        """Return whether it is a display or compute card."""
        return self.klass in ("0300", "0301", "0302", "0380")

    @property
    def bridge(self) -> bool:
        """Return whether it is a bridge, which never goes to a guest."""
        return self.klass.startswith("06")

    def __str__(self) -> str:
        """Return its address, its numbers and its name."""
        return " ".join(part for part in (str(self.bdf), self.id and f"[{self.id}]", self.name) if part)


@dataclass(frozen=True, slots=True)
class Held:
    """One function of the card that goes to the guest: its driver ("" for none) and the ways to reset it."""

    bdf: Bdf
    driver: str | Missing
    reset: tuple[str, ...] | Missing


@dataclass(frozen=True, slots=True)
class Given:
    """One hostpci entry of a VM: addresses as written, or the name of a resource mapping."""

    vmid: int | None
    key: str
    host: tuple[str, ...]
    mapping: str


@dataclass(frozen=True)
class Baseline:
    """One look at a host.

    ``whole``: ``devices`` are all of the host. ``reserved``: the regions of the groups were read, so that ``direct`` of
    a device tells all. ``lines`` are where it was read, by area; they are not kept.
    """

    taken: str = ""
    bios_vendor: str | Missing = field(default=Missing("dmi.txt", "not looked at"))
    bios_version: str | Missing = field(default=Missing("dmi.txt", "not looked at"))
    bios_date: str | Missing = field(default=Missing("dmi.txt", "not looked at"))
    microcode: str | Missing = field(default=Missing("cpuinfo.txt", "not looked at"))
    kernel: str | Missing = field(default=Missing("uname.txt", "not looked at"))
    pve: str | Missing = field(default=Missing("pveversion.txt", "not looked at"))
    cmdline: tuple[str, ...] | Missing = field(default=Missing("cmdline.txt", "not looked at"))
    tables: str | Missing = field(default=Missing("acpi_tables.txt", "not looked at"))
    iommu: tuple[str, ...] | Missing = field(default=Missing("sys_class_iommu.txt", "not looked at"))
    rmrr: tuple[Span, ...] | Missing = field(default=Missing("dmesg.txt", "not looked at"))
    windows: tuple[Span, ...] | Missing = field(default=Missing("dmesg.txt", "not looked at"))
    groups: tuple[tuple[Bdf, ...], ...] | Missing = field(default=Missing("iommu_groups.txt", "not looked at"))
    reserved: bool | Missing = field(default=Missing("reserved_regions.txt", "not looked at"))
    target: tuple[Held, ...] | Missing = field(default=Missing("vm.conf", "not looked at"))
    given: tuple[Given, ...] | Missing = field(default=Missing("vm.conf", "not looked at"))
    whole: bool = False
    devices: tuple[Known, ...] | Missing = field(default=Missing("lspci.txt", "not looked at"))
    lines: Mapping[str, tuple[Line, ...]] = field(default_factory=dict, compare=False, repr=False)

    def at(self, area: str) -> tuple[Line, ...]:
        """Return the lines that an area was read from."""
        return self.lines.get(area, ())


def to_json(found: Baseline) -> str:
    """Return it as text: one line for each value and for each device, so that two of them can be compared by eye."""
    rows = [f' "format": {FORMAT}']
    for name in _kept(Baseline):
        value = _plain(getattr(found, name))
        if isinstance(value, list) and value and isinstance(value[0], dict):
            inner = ",\n".join(f"  {json.dumps(item)}" for item in value)
            rows.append(f' "{name}": [\n{inner}\n ]')
        else:
            rows.append(f' "{name}": {json.dumps(value)}')
    return "{\n" + ",\n".join(rows) + "\n}\n"


def from_json(text: str) -> Baseline:
    """Return the baseline in a text. Raises ValueError for one that pvekit has not written."""
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("too deep") from error
    if not isinstance(value, dict) or "format" not in value:
        raise ValueError("not a baseline")
    if value.pop("format") != FORMAT:
        raise ValueError("written by another release of pvekit")
    found: Baseline = _made(Baseline, value)
    return found


@cache
def _kept(kind: type) -> dict[str, Any]:
    """Return the fields that are written down, with their types."""
    hints = get_type_hints(kind)
    return {item.name: hints[item.name] for item in fields(kind) if item.compare}


def _plain(value: Any) -> Any:
    if isinstance(value, Missing):
        return {"missing": value.source, "why": value.why}
    if isinstance(value, Bdf):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(getattr(value, name)) for name in _kept(type(value))}
    return value


def _made(kind: Any, value: Any) -> Any:
    """Return a value of a type. Raises ValueError when it is none."""
    if get_origin(kind) in (Union, UnionType):
        return _one_of(get_args(kind), value)
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise ValueError("a list is missing")
        return tuple(_made(get_args(kind)[0], item) for item in value)
    if kind is Missing:
        if not isinstance(value, dict) or value.keys() != {"missing", "why"}:
            raise ValueError("not a value that could not be read")
        return Missing(_made(str, value["missing"]), _made(str, value["why"]))
    if kind is Bdf:
        return Bdf.parse(_made(str, value))
    if is_dataclass(kind):
        return _record(kind, value)
    if type(value) is not kind or (kind is str and len(value) > _LONGEST):
        raise ValueError(f"not of the expected type: {str(value)[:40]!r}")
    return value


def _record(kind: Any, value: Any) -> Any:
    wanted = _kept(kind)
    if not isinstance(value, dict) or not value.keys() <= wanted.keys():
        raise ValueError("unknown keys")
    try:
        return kind(**{name: _made(wanted[name], item) for name, item in value.items()})
    except TypeError as error:
        raise ValueError("a key is missing") from error


def _one_of(kinds: tuple[Any, ...], value: Any) -> Any:
    problem = ValueError("no value")
    for kind in kinds:
        if kind is type(None):
            if value is None:
                return None
            continue
        try:
            return _made(kind, value)
        except ValueError as error:
            problem = error
    raise problem
