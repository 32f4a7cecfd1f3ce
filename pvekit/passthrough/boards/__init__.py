"""What is known about the slots and the memory windows of boards: one file per board, with ``BOARD``.

Being in the folder is the registration.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from dataclasses import dataclass
from functools import cache

from pvekit.model.missing import Missing
from pvekit.passthrough.facts.dmi import Dmi

CPU, CHIPSET = "CPU", "chipset"


@dataclass(frozen=True, slots=True)
class BoardSlot:
    """One slot. ``port`` is the root port (``00:02``) and ``bus`` the bus behind it; None where they vary.

    ``lanes`` are those that are wired, ``connector`` is its length; ``kind`` PCIe or PCI. ``own_group``: a card in it
    is alone in its IOMMU group, as seen in dumps; None where no dump tells.
    """

    number: str
    wired_to: str
    lanes: int
    connector: int
    generation: int
    kind: str = "PCIe"
    port: str | None = None
    bus: int | None = None
    own_group: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class Board:
    """One board.

    ``products`` are patterns of the product name or board name. ``widest_low`` is the largest window below 4 GiB that
    its firmware was seen to make (both ends included), ``widest_high`` the largest above. ``display_slot`` is where the
    boot screen was on every host that was seen. ``needs_display``: the firmware does not start without a display card.
    """

    name: str
    title: str
    products: tuple[str, ...]
    slots: tuple[BoardSlot, ...]
    sources: tuple[str, ...]
    widest_low: tuple[int, int] | None = None
    widest_high: tuple[int, int] | None = None
    display_slot: str = ""
    passthrough_slot: str = ""
    needs_display: bool | None = None
    display_note: str = ""
    window_note: str = ""

    def slot(self, number: str) -> BoardSlot | None:
        """Return a slot by its number."""
        return next((slot for slot in self.slots if slot.number == number), None)


@cache
def all_boards() -> tuple[Board, ...]:
    """Return every board, by name."""
    found: list[Board] = [
        importlib.import_module(f"{__name__}.{item.name}").BOARD for item in pkgutil.iter_modules(__path__)
    ]
    return tuple(sorted(found, key=lambda board: board.name))


def board_named(name: str) -> Board | None:
    """Return the board with this short name."""
    return next((board for board in all_boards() if board.name == name.strip().lower()), None)


def board_of(dmi: Dmi | Missing) -> Board | None:
    """Return the board that the machine's own tables name; None when it is not known here."""
    if isinstance(dmi, Missing):
        return None
    names = [dmi.values.get(key, "") for key in ("product_name", "board_name", "board_version")]
    for board in all_boards():
        if any(re.search(pattern, name, re.IGNORECASE) for pattern in board.products for name in names):
            return board
    return None
