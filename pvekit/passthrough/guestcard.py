"""Which card the guest's driver has to do with: what the guest's listing shows, else the host's card."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.devices import GPU_CLASSES
from pvekit.passthrough.facts.guestdevices import GuestDevices
from pvekit.passthrough.facts.lspci import PciEntry
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.knowledge import (
    AMD,
    FIRST_NVIDIA_BRANCH,
    INTEL,
    LAST_NVIDIA_BRANCH,
    NVIDIA,
    architecture,
)

REAL = frozenset({AMD, INTEL, NVIDIA})
"""Makers of real cards; QEMU's own displays have other vendors."""


@dataclass(frozen=True, slots=True)
class Card:
    """A card: vendor, architecture ("" unknown), how to call it, and the line that shows it (None: a message does)."""

    vendor: str
    architecture: str
    name: str
    line: Line | None

    @property
    def lines(self) -> tuple[Line, ...]:
        """Return the line as evidence."""
        return () if self.line is None else (self.line,)


def real_gpus(guest: GuestDevices | Missing) -> tuple[PciEntry, ...]:
    """Return the graphics cards in the guest's listing, without those that QEMU emulates."""
    if isinstance(guest, Missing):
        return ()
    return tuple(entry for _, entry in sorted(guest.devices.items()) if _gpu(entry))


def _gpu(entry: PciEntry) -> bool:
    words = ("VGA compatible controller", "3D controller", "Display controller")
    shown = entry.klass in GPU_CLASSES or (not entry.klass and entry.class_name in words)
    return shown and (entry.vendor in REAL or (not entry.vendor and _maker(entry.name) in REAL))


def _maker(name: str) -> str:
    known = (("NVIDIA", NVIDIA), ("Advanced Micro Devices", AMD), ("Intel Corporation", INTEL))
    return next((vendor for word, vendor in known if word in name), "")


def nvidia_card(guest: GuestDevices | Missing, target: Target | Missing) -> Card | None:
    """Return the NVIDIA card that the guest has or is to have; None when there is none or nobody knows it."""
    for entry in real_gpus(guest):
        vendor = entry.vendor or _maker(entry.name)
        if vendor == NVIDIA:
            return Card(vendor, architecture(vendor, entry.device, entry.name), entry.name, entry.line)
    card = None if isinstance(target, Missing) else target.card
    if card is None or card.vendor != NVIDIA:
        return None
    return Card(NVIDIA, architecture(NVIDIA, card.device, card.name), card.name or card.id, card.line)


def named_by(text: str) -> str:
    """Return the architecture of the card that a message names (``PCI ID: 10de:1c07``); "" when it is not known."""
    found = re.search(r"PCI ID: ([0-9a-f]{4}):([0-9a-f]{4})", text)
    return architecture(found[1], found[2]) if found else ""


def fits(text: str, branch: int) -> bool:
    """Return whether a driver branch is known to support the architecture of the card that a message names."""
    kind = named_by(text)
    last, first = LAST_NVIDIA_BRANCH.get(kind), FIRST_NVIDIA_BRANCH.get(kind)
    return bool(kind) and (last is None or branch <= last) and (first is None or branch >= first)
