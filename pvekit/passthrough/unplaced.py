"""Memory BARs for which neither the firmware nor the kernel found a place. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough import barmap
from pvekit.passthrough.aimed import ADDRESS, is_target
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.windows import RootWindows
from pvekit.passthrough.pattern import Pattern

_SIZE = r"mem size 0x(?P<size>[0-9a-f]+)(?P<wide> 64bit)?(?P<pref> pref)?"
_NEW = Pattern(rf"{ADDRESS}: BAR (?P<bar>[0-5]) \[{_SIZE}\]: (?:can't assign|failed to assign)")
_OLD = Pattern(rf"{ADDRESS}: BAR (?P<bar>[0-5]): (?:no space for|failed to assign|can't assign) \[{_SIZE}\]")
_PLACED = Pattern(rf"{ADDRESS}: BAR (?P<bar>[0-5])(?::| \[mem [^\]]*\]:) assigned\b")


@dataclass(frozen=True, slots=True)
class Unplaced:
    """One BAR without an address. ``size`` None: nothing tells it; ``wide``: it may lie above 4 GiB."""

    bdf: Bdf
    number: int
    size: int | None
    wide: bool
    line: Line
    read: bool
    """Whether the state was read, not only a message."""


def unplaced(target: Target, log: KernelLog | Missing) -> tuple[Unplaced, ...]:
    """Return the target's memory BARs without an address: by lspci and /sys, else by the kernel's last word."""
    said = _said(log, target)
    found = []
    seen = False
    for device in target.functions:
        for bar in barmap.bars(device):
            seen = True
            line = bar.line or device.line
            logged = said.get((device.bdf, bar.number))
            if bar.start is None and (bar.size or "<unassigned>" in line.text):
                size = bar.size or (logged.size if logged else None)
                wide = bar.wide and bar.prefetchable
                found.append(Unplaced(device.bdf, bar.number, size, wide, line, read=True))
    return tuple(found) if seen else tuple(said.values())


def _said(log: KernelLog | Missing, target: Target) -> dict[tuple[Bdf, int], Unplaced]:
    state: dict[tuple[Bdf, int], Unplaced] = {}
    for _, entry in () if isinstance(log, Missing) else log.having(_PLACED, _NEW, _OLD):
        if placed := _PLACED.search(entry.text):
            state.pop((Bdf.parse(placed["bdf"]), int(placed["bar"])), None)
        elif lost := _NEW.search(entry.text) or _OLD.search(entry.text):
            bdf = Bdf.parse(lost["bdf"])
            # A PCI Express port leads to device 0 only; QEMU's bridge to others: such a log is a VM's.
            of_a_vm = bdf.bus != 0 and bdf.device != 0
            if is_target(bdf, target) and not of_a_vm:
                wide = bool(lost["wide"] and lost["pref"])
                item = Unplaced(bdf, int(lost["bar"]), int(lost["size"], 16), wide, entry.line, read=False)
                state[bdf, item.number] = item
    return state


def low_room(windows: RootWindows) -> int:
    """Return the size of the largest memory window below 4 GiB."""
    return max((item.end - item.start + 1 for item in windows.windows if not item.high), default=0)


def placed_low(devices: Devices | Missing) -> tuple[Device, ...]:
    """Return the devices that hold memory below 4 GiB."""
    known = () if isinstance(devices, Missing) else tuple(devices)
    return tuple(
        device for device in known
        if any(bar.start is not None and bar.start < 1 << 32 for bar in barmap.bars(device))
    )  # fmt: skip
