"""Passthrough: the memory map, the slots, a card that is not there yet, and what the host would lose."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pvekit.adapters.bundle import read_bundle
from pvekit.model.bundle import Bundle, Line
from pvekit.model.errors import NotFound, PvekitError
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.barmap import Claim, Placed, claims
from pvekit.passthrough.blast import Blast, blast
from pvekit.passthrough.boards import Board, all_boards, board_named, board_of
from pvekit.passthrough.bootdisplay import BootDisplay, boot_display, places
from pvekit.passthrough.cards import CARDS, find
from pvekit.passthrough.demand import Machine, Wish
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.dmi import Dmi
from pvekit.passthrough.facts.groups import IommuGroups
from pvekit.passthrough.facts.hostuses import HostUses
from pvekit.passthrough.facts.iomem import Iomem
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.windows import RootWindows, Window
from pvekit.passthrough.pattern import Pattern
from pvekit.passthrough.slots import Slot, advice, slot_key, slot_of, slots
from pvekit.passthrough.topology import topology
from pvekit.passthrough.whatif import Answer, what_if

_RMRR = Pattern(r"DMAR: RMRR base: 0x([0-9a-f]{1,16}) end: 0x([0-9a-f]{1,16})")


@dataclass(frozen=True)
class Region:
    """One memory region of a device with what lies inside it."""

    device: Device
    bar: Placed
    window: Window | None
    claims: tuple[Claim, ...]
    boot: bool


@dataclass(frozen=True, slots=True)
class Reserved:
    """Memory that the firmware wants to be reached by a device, both ends included."""

    start: int
    end: int
    line: Line


@dataclass(frozen=True)
class View:
    """All that is shown of a bundle. ``notes`` say what could not be read."""

    board: Board | None
    product: str
    windows: tuple[Window, ...]
    regions: tuple[Region, ...]
    slots: tuple[Slot, ...]
    boot: BootDisplay | None
    boot_slot: Slot | None
    rmrr: tuple[Reserved, ...]
    advice: tuple[str, ...]
    notes: tuple[str, ...]


def view(path: Path, *, board: str = "", add: Iterable[str] = ()) -> tuple[View, Answer | None]:
    """Return what a bundle shows, and whether the cards in ``add`` would fit. Raises PvekitError and NotFound."""
    return look(read_bundle(path), board=board, add=add)


def look(bundle: Bundle, *, board: str = "", add: Iterable[str] = ()) -> tuple[View, Answer | None]:
    """Return the same of a bundle that was read already."""
    facts = Facts(bundle)
    chosen = _board(board) if board else board_of(facts.get(Dmi))
    machine = _machine(facts, chosen)
    wished = wishes(add)
    return _view(facts, machine), what_if(machine, wished) if wished else None


def _board(name: str) -> Board:
    found = board_named(name)
    if found is None:
        names = ", ".join(board.name for board in all_boards())
        raise NotFound(f"there is no board {name}", status=0, hint=f"Known are: {names}.")
    return found


def wishes(texts: Iterable[str]) -> tuple[Wish, ...]:
    """Read ``p106@slot5`` and ``3090@slot2,3090@slot5``. Raises NotFound and PvekitError."""
    found = []
    for text in (part.strip() for whole in texts for part in whole.split(",") if part.strip()):
        name, at, slot = text.partition("@")
        if not at or not slot.strip() or not name.strip():
            raise PvekitError(f"not a card and a slot: {text}", hint="Write it as CARD@SLOT, such as p106@slot5.")
        card = find(name)
        if card is None:
            names = [card.name for card in CARDS]
            close = get_close_matches(name.lower(), names, 3)
            hint = f"Did you mean {', '.join(close)}? " if close else ""
            raise NotFound(f"there is no card {name}", status=0, hint=f"{hint}Known are: {', '.join(names)}.")
        found.append(Wish(card, slot_key(slot)))
    return tuple(found)


def _machine(facts: Facts, board: Board | None) -> Machine:
    devices = facts.get(Devices)
    known = topology(devices, facts.get(KernelLog))
    told = slots(board, facts.get(Dmi), devices, known)
    return Machine(board, told, devices, facts.get(RootWindows), facts.get(Iomem), known)


def _view(facts: Facts, machine: Machine) -> View:
    log, dmi = facts.get(KernelLog), facts.get(Dmi)
    windows = () if isinstance(machine.windows, Missing) else machine.windows.windows
    boot = boot_display(machine.devices, log, machine.iomem)
    notes = [
        f"{what}: {fact.why} ({fact.source})"
        for what, fact in (("devices", machine.devices), ("memory windows", machine.windows), ("slots", dmi))
        if isinstance(fact, Missing) and not (what == "slots" and machine.slots)
    ]
    if isinstance(machine.iomem, Missing):
        notes.append("owners of memory inside a region are not known (iomem.txt, read as root)")
    product = "" if isinstance(dmi, Missing) else dmi.values.get("product_name", "")
    return View(
        machine.board,
        product,
        windows,
        tuple(_regions(machine, windows, boot)),
        machine.slots,
        boot,
        None if boot is None else slot_of(boot.bdf, machine.slots),
        _reserved(log),
        advice(machine.board, machine.slots, machine.devices, boot),
        tuple(notes),
    )


def _regions(machine: Machine, windows: Iterable[Window], boot: BootDisplay | None) -> Iterable[Region]:
    if isinstance(machine.devices, Missing):
        return
    for device in machine.devices:
        regions = places(device, machine.iomem)
        held = () if isinstance(machine.iomem, Missing) else claims(machine.iomem, device.bdf, regions)
        for bar in regions:
            around = next(
                (item for item in windows if bar.start is not None and item.start <= bar.start <= item.end), None
            )
            inside = tuple(
                claim for claim in held
                if bar.start is not None and bar.end is not None and bar.start <= claim.range.start <= bar.end
            )  # fmt: skip
            first = boot is not None and boot.bdf == device.bdf and boot.bar == bar.number
            yield Region(device, bar, around, inside, first)


def _reserved(log: KernelLog | Missing) -> tuple[Reserved, ...]:
    if isinstance(log, Missing):
        return ()
    return tuple(Reserved(int(match[1], 16), int(match[2], 16), line) for match, line in log.find(_RMRR))


def radius(path: Path, device: Bdf, *, whole_slot: bool) -> Blast:
    """Return what the host loses with a device, or with all functions of its slot. Raises PvekitError."""
    facts = Facts(read_bundle(path))
    devices = facts.get(Devices)
    wanted = [device]
    if whole_slot and not isinstance(devices, Missing):
        wanted = [item.bdf for item in devices.slot_of(device)] or wanted
    return blast(
        wanted, devices, facts.get(IommuGroups), facts.get(HostUses), facts.get(KernelLog), facts.get(Cmdline)
    )  # fmt: skip
