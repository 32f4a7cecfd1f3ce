"""Whether cards that are not there yet would fit: slots, memory windows, a display to boot with. Pure.

A firmware lays out all memory regions anew when the cards change, so all of them are laid out anew here, too: for each
port one piece for what is 64-bit and prefetchable and one for the rest. "It fits" means that a layout was found; "it
does not" that none can exist in the windows that are there or were seen on such a board.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.barmap import human
from pvekit.passthrough.boards import Board
from pvekit.passthrough.cards import GIB
from pvekit.passthrough.demand import Load, Machine, Row, Wish, added, present, rows_of
from pvekit.passthrough.placing import Area, Block, hopeless, place
from pvekit.passthrough.slots import Slot, shows


class Fit(Enum):
    """The answer; the number is the exit code."""

    FITS = 0
    DOES_NOT_FIT = 1
    UNKNOWN = 2


@dataclass(frozen=True, slots=True)
class Reason:
    """One part of the answer."""

    fit: Fit
    text: str


@dataclass(frozen=True)
class Answer:
    """The answer with its sums. ``notes`` change nothing about it."""

    fit: Fit
    rows: tuple[Row, ...]
    areas: tuple[Area, ...]
    reasons: tuple[Reason, ...]
    notes: tuple[str, ...]

    @property
    def low(self) -> int:
        """Return the sum of what has to lie below 4 GiB."""
        return sum(row.low for row in self.rows)

    @property
    def wide(self) -> int:
        """Return the sum of what may lie above."""
        return sum(row.wide for row in self.rows)


def what_if(machine: Machine, wishes: Sequence[Wish]) -> Answer:
    """Return whether these cards fit beside what is there; a card in a wished slot is taken out."""
    reasons: list[Reason] = []
    notes: list[str] = []
    gone = _replaced(machine, wishes, notes)
    reasons += _slot_reasons(machine, wishes)
    loads = [*present(machine, gone, notes), *(added(wish) for wish in wishes)]
    reasons.append(_memory(machine, loads))
    reasons.append(_display(machine, wishes, gone))
    notes += _notes(machine, wishes)
    fits = {reason.fit for reason in reasons}
    fit = next((fit for fit in (Fit.DOES_NOT_FIT, Fit.UNKNOWN) if fit in fits), Fit.FITS)
    return Answer(fit, rows_of(loads), _areas(machine), tuple(reasons), tuple(notes))


def _slot(machine: Machine, key: str) -> Slot | None:
    return next((slot for slot in machine.slots if slot.key == key), None)


def _replaced(machine: Machine, wishes: Sequence[Wish], notes: list[str]) -> frozenset[Bdf]:
    gone: set[Bdf] = set()
    for wish in wishes:
        slot = _slot(machine, wish.slot)
        if slot is None:
            continue
        gone |= {device.bdf for device in slot.devices}
        notes += [f"{card.bdf} [{card.id}] leaves slot {slot.key} for the {wish.card.title}" for card in slot.cards]
        if slot.in_use and not slot.cards:
            notes.append(f"slot {slot.key} is in use, and nothing shows what is in it; it is taken for empty here")
    return frozenset(gone)


def _slot_reasons(machine: Machine, wishes: Sequence[Wish]) -> list[Reason]:
    found = []
    for key in dict.fromkeys(wish.slot for wish in wishes):
        cards = [wish.card for wish in wishes if wish.slot == key]
        slot = _slot(machine, key)
        if len(cards) > 1:
            found.append(Reason(Fit.DOES_NOT_FIT, f"slot {key} takes one card, not {len(cards)}"))
        elif slot is None:
            text = f"slot {key} is not known on this machine; it is taken for a slot with a port of its own"
            found.append(Reason(Fit.UNKNOWN, text))
        elif slot.kind == "PCI":
            found.append(Reason(Fit.DOES_NOT_FIT, f"slot {key} is a PCI slot, and the card is PCI Express"))
        else:
            lanes = "" if slot.lanes is None else f", {slot.lanes} of the card's {cards[0].lanes} lanes"
            lanes = lanes if slot.lanes is None or slot.lanes < cards[0].lanes else f", {slot.lanes} lanes"
            wired = f" at the {'processor' if slot.wired_to == 'CPU' else slot.wired_to}" if slot.wired_to else ""
            found.append(Reason(Fit.FITS, f"{cards[0].title} in slot {key}{wired}{lanes}"))
    return found


def _areas(machine: Machine) -> tuple[Area, ...]:
    if isinstance(machine.windows, Missing):
        return ()
    return tuple(sorted(Area(item.start, item.end) for item in machine.windows.windows))


def _memory(machine: Machine, loads: Sequence[Load]) -> Reason:
    """Lay everything out, first in the windows of this boot, then in the widest that the board was seen to make."""
    found = _laid_out(machine, loads)
    unread = ", ".join(load.what for load in loads if load.unread)
    if found.fit is not Fit.FITS or not unread:
        return found
    return Reason(Fit.UNKNOWN, f"{found.text}, but the memory of {unread} is not known (lspci -vv tells it)")


def _laid_out(machine: Machine, loads: Iterable[Load]) -> Reason:
    blocks = [block for load in loads for block in load.blocks()]
    if isinstance(machine.windows, Missing) or not machine.windows.windows:
        return Reason(Fit.UNKNOWN, "the memory windows are not known (dmesg.txt or iomem.txt tell them)")
    if len({window.bus for window in machine.windows.windows}) > 1:
        return Reason(Fit.UNKNOWN, "the machine has several root buses; which of them the slot belongs to is not known")
    areas = _areas(machine)
    need = sum(block.size for block in blocks)
    wider = _wider(machine.board, areas)
    tried = (areas,) if wider is None else (areas, wider)
    if isinstance(machine.devices, Missing) and any(place(blocks, some) is not None for some in tried):
        return Reason(Fit.UNKNOWN, f"{human(need)} alone fit; what is in the machine is not known (lspci.txt tells it)")
    if place(blocks, areas) is not None:
        return Reason(Fit.FITS, f"{human(need)} fit into the windows as they are: {_named(areas)}")
    if wider is not None and place(blocks, wider) is not None:
        now = sum(area.size for area in areas if not area.high)
        then = sum(area.size for area in wider if not area.high)
        board = machine.board.title if machine.board is not None else "board"
        return Reason(
            Fit.FITS,
            f"{human(need)} fit after the firmware widens the window below 4 GiB from {human(now)} to {human(then)} "
            f"(seen on the {board})",
        )
    return _refusal(machine, blocks, wider or areas, areas, need)


def _refusal(
    machine: Machine, blocks: Sequence[Block], tried: Sequence[Area], areas: Sequence[Area], need: int
) -> Reason:
    large = max(blocks, key=lambda block: block.size)
    why = hopeless(blocks, tried)
    if large.wide and large.size > 2 * GIB and not any(area.may_hold(large) for area in tried):
        high = [area for area in areas if area.high]
        seen = machine.board.widest_high if machine.board is not None else None
        if high:
            rest = f"the window above 4 GiB has {human(sum(area.size for area in high))}"
        elif machine.board is not None and seen is not None:
            rest = (
                f"there is no window above 4 GiB now, and the largest seen on the {machine.board.title} has "
                f"{human(seen[1] - seen[0] + 1)}"
            )
        else:
            rest = 'there is no window above 4 GiB: look for "Above 4G decoding" in the firmware setup'
        return Reason(Fit.DOES_NOT_FIT, f"{large.name} needs {human(large.size)} in one piece, and {rest}")
    if machine.board is None or machine.board.widest_low is None:
        return Reason(
            Fit.UNKNOWN,
            f"{human(need)} do not fit into the windows of this boot ({_named(areas)}); whether the firmware makes "
            "them larger when the cards are in is not known for this board",
        )
    if why:
        return Reason(Fit.DOES_NOT_FIT, f"{human(need)} do not fit into {_named(tried)}: {why}")
    return Reason(Fit.UNKNOWN, f"{human(need)} are less than {_named(tried)}, but no layout was found")


def _wider(board: Board | None, areas: Sequence[Area]) -> tuple[Area, ...] | None:
    """Return the windows with the one below 4 GiB as wide as it was seen; None when it is that wide already."""
    if board is None or board.widest_low is None:
        return None
    low = [area for area in areas if not area.high]
    widest = Area(*board.widest_low)
    if any(area.start <= widest.start for area in low):
        return None
    return tuple(sorted([widest, *(area for area in areas if area.high)]))


def _named(areas: Iterable[Area]) -> str:
    parts = [
        f"{human(area.size)} {'above' if area.high else 'below'} 4 GiB ({area.start:#x}-{area.end:#x})"
        for area in areas
    ]
    return " and ".join(parts)


def _display(machine: Machine, wishes: Sequence[Wish], gone: frozenset[Bdf]) -> Reason:
    """Return whether the machine has something to show its boot screen on."""
    added = [wish for wish in wishes if wish.card.outputs]
    stay = [] if isinstance(machine.devices, Missing) else [
        device for device in machine.devices if shows(device) and device.bdf not in gone
    ]  # fmt: skip
    if stay:
        slot = next((slot for slot in machine.slots if stay[0].bdf.bus in slot.buses), None)
        where = f" in slot {slot.key}" if slot is not None else ""
        return Reason(Fit.FITS, f"{stay[0].bdf}{where} stays for the boot screen")
    if added:
        return Reason(Fit.FITS, f"the {added[0].card.title} in slot {added[0].slot} shows the boot screen")
    if isinstance(machine.devices, Missing) or not machine.devices.by_bdf:
        return Reason(Fit.UNKNOWN, "whether a card with outputs is there is not known (lspci.txt tells)")
    board = machine.board
    if board is not None and board.needs_display:
        where = f" in slot {board.display_slot}" if board.display_slot else ""
        return Reason(
            Fit.DOES_NOT_FIT, f"no card with outputs is left: keep a small display card{where}; {board.display_note}"
        )
    if not machine.devices.whole:
        return Reason(Fit.UNKNOWN, "no card with outputs is listed, and not all devices are")
    return Reason(Fit.UNKNOWN, "no card with outputs is left; whether the firmware starts without one is not known")


def _notes(machine: Machine, wishes: Sequence[Wish]) -> list[str]:
    notes: list[str] = []
    board = machine.board
    for wish in wishes:
        if board is not None and not wish.card.outputs and wish.slot == board.display_slot:
            notes.append(
                f"the {wish.card.title} has no outputs: better in slot {board.passthrough_slot}, with the display card "
                f"in slot {board.display_slot}, where the boot screen was on every {board.title} that was looked at"
            )
        if board is not None and wish.card.outputs and wish.slot == board.display_slot:
            notes.append(f"the boot screen will be on the card in slot {wish.slot}; a VM can have that card only after "
                         "the host gives up its console")  # fmt: skip
        slot = _slot(machine, wish.slot)
        if slot is not None and slot.kind == "PCIe" and slot.lanes and slot.lanes < 8 and wish.card.lanes > slot.lanes:
            notes.append(f"slot {wish.slot} has {slot.lanes} lanes: look whether its connector takes a longer card")
        if slot is not None and len(split := _split(machine, slot)) > 1:
            notes.append(f"slot {wish.slot} is split into {len(split)} ports now: a graphics card wants it whole")
        if wish.card.resized is not None:
            notes.append(
                f"the {wish.card.title} asks for {human(wish.card.resized)} instead of 256 MiB when resizable BAR is on"
            )
        if wish.card.power is not None:
            notes.append(f"the {wish.card.title} draws up to {wish.card.power} W: look at the power supply")
    if board is not None and board.window_note:
        notes.append(f"{board.title}: {board.window_note}")
    return list(dict.fromkeys(notes))


def _split(machine: Machine, slot: Slot) -> frozenset[Bdf]:
    """Return the ports with something behind them that lead to one slot."""
    ports = (machine.topology.port_of(device.bdf) for device in slot.devices)
    return frozenset(port for port in ports if port is not None)
