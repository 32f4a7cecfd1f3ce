"""The machine's slots: what is in them, and which card belongs where. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.boards import CPU, Board, BoardSlot
from pvekit.passthrough.bootdisplay import BootDisplay
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.dmi import Dmi
from pvekit.passthrough.facts.dmi import Slot as DmiSlot
from pvekit.passthrough.headless import headless
from pvekit.passthrough.pattern import Pattern
from pvekit.passthrough.topology import Topology

_NO_BUS = 0xFF
_LANES = Pattern(r"\bx(\d{1,2})\b")


@dataclass(frozen=True)
class Slot:
    """One slot. ``buses`` are those behind it; ``in_use`` is the firmware's word. None and empty: not known."""

    key: str
    name: str
    kind: str
    lanes: int | None
    wired_to: str
    port: str
    buses: frozenset[int]
    in_use: bool | None
    devices: tuple[Device, ...]
    own_group: bool | None = None
    note: str = ""
    line: Line | None = None

    @property
    def cards(self) -> tuple[Device, ...]:
        """Return the first function of everything in the slot, bridges left out."""
        return tuple(device for device in self.devices if device.bdf.function == 0 and not device.bridge)


def slot_key(name: str) -> str:
    """Return what slots are compared by: ``SLOT 5`` and ``slot5`` give 5, ``PCIEX16_1`` gives pciex16_1."""
    text = re.sub(r"\s+", "", name.lower())
    found = re.fullmatch(r"(?:pci-?e?(?:xpress)?)?slot#?0*(\d+)|0*(\d+)", text)
    return (found[1] or found[2]) if found else text


def slots(board: Board | None, dmi: Dmi | Missing, devices: Devices | Missing, known: Topology) -> tuple[Slot, ...]:
    """Return the slots in the order of their names: what the board is known to have, and what its tables say."""
    told = {} if isinstance(dmi, Missing) else {slot_key(item.name): item for item in dmi.slots if item.name}
    boarded = {} if board is None else {item.number: item for item in board.slots}
    keys = sorted(dict.fromkeys([*boarded, *told]), key=lambda key: (not key.isdigit(), key.zfill(4)))
    return tuple(_slot(key, boarded.get(key), told.get(key), devices, known) for key in keys)


def _slot(
    key: str, board: BoardSlot | None, told: DmiSlot | None, devices: Devices | Missing, known: Topology
) -> Slot:  # fmt: skip
    buses = known.buses_of(board.port) if board is not None and board.port else frozenset()
    if told is not None and told.bdf is not None and told.bdf.bus not in (0, _NO_BUS):
        buses |= {told.bdf.bus}
    elif not buses and board is not None and board.bus is not None:
        buses = frozenset({board.bus})
    lanes = board.lanes if board is not None else None
    if lanes is None and told is not None and (found := _LANES.search(told.kind)):
        lanes = int(found[1])
    pci = board.kind == "PCI" if board is not None else told is not None and re.search(r"\bPCI$", told.kind) is not None
    inside = () if isinstance(devices, Missing) else tuple(item for item in devices if item.bdf.bus in buses)
    return Slot(
        key,
        told.name if told is not None else f"SLOT {key}",
        "PCI" if pci else "PCIe",
        lanes,
        board.wired_to if board is not None else "",
        board.port or "" if board is not None else "",
        frozenset(buses),
        None if told is None else told.in_use,
        inside,
        None if board is None else board.own_group,
        "" if board is None else board.note,
        None if told is None else told.line,
    )


def slot_of(bdf: Bdf, known: Sequence[Slot]) -> Slot | None:
    """Return the slot that a device is in."""
    return next((slot for slot in known if bdf.domain == 0 and bdf.bus in slot.buses), None)


def shows(device: Device) -> bool:
    """Return whether a monitor can be connected to it."""
    return device.klass == "0300" and not headless(device)


def advice(
    board: Board | None, known: Sequence[Slot], devices: Devices | Missing, boot: BootDisplay | None
) -> tuple[str, ...]:
    """Return which card belongs into which slot, and why."""
    if isinstance(devices, Missing):
        return ()
    cards = [device for device in devices if device.gpu and device.bdf.function == 0]
    displays = [card for card in cards if shows(card)]
    found: list[str] = []
    for card in cards:
        text = _of_card(card, board, known, displays, boot)
        if text:
            found.append(text)
    if board is not None and len(displays) == 1 and len(cards) == 1 and board.passthrough_slot:
        found.append(
            f"{displays[0].bdf} is the only graphics card. To give it to a VM, put a small display card into slot "
            f"{board.display_slot} and this one into slot {board.passthrough_slot}: then the boot screen is not on it, "
            "and no kernel option is needed for that."
        )
    return tuple(found)


def _of_card(
    card: Device, board: Board | None, known: Sequence[Slot], displays: Sequence[Device], boot: BootDisplay | None
) -> str:
    where = slot_of(card.bdf, known)
    if board is None or where is None:
        return ""
    free = _free(board, known)
    if not shows(card) and where.key == board.display_slot:
        other = displays[0].bdf if displays else "a card with outputs"
        return (
            f"Move {card.bdf}, which has no outputs, from slot {where.key} to slot {board.passthrough_slot}, and keep "
            f"the display card ({other}) in slot {board.display_slot}: the firmware looks for its screen there."
        )
    if where.wired_to and where.wired_to != CPU and free is not None:
        return (
            f"Move {card.bdf} from slot {where.key} (behind the chipset, {where.lanes} lanes) to slot {free.key} (at "
            f"the processor, {free.lanes} lanes, an IOMMU group of its own)."
        )
    if boot is not None and boot.bdf.slot == card.bdf.slot and len(displays) > 1 and where.key == board.display_slot:
        rest = ", ".join(str(item.bdf) for item in displays if item.bdf != card.bdf)
        return f"Keep {card.bdf} in slot {where.key} for the boot screen, and give {rest} to the VM."
    return ""


def _free(board: Board, known: Sequence[Slot]) -> Slot | None:
    """Return the best empty slot at the processor."""
    good = [
        slot for slot in known
        if slot.wired_to == CPU and not slot.cards and slot.in_use is not True and slot.key != board.display_slot
    ]  # fmt: skip
    good.sort(key=lambda slot: (slot.key != board.passthrough_slot, -(slot.lanes or 0)))
    return good[0] if good else None
