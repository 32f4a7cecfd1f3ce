"""Which devices of a node a card of the stack file means. Pure: the nodes' lists in, addresses or reasons out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pvekit.adapters.pve.node import PciDevice
from pvekit.model.stack.gpus import Gpu

NO_GROUP = -1
"""What PVE tells instead of an IOMMU group where the IOMMU is off."""

_SLOT = re.compile(r".*/(?P<number>[0-9]+)/address:(?P<place>[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2})")

Slots = Mapping[int, str]
"""Physical slots of one node: number to address without function (``0000:02:00``)."""


@dataclass(frozen=True, slots=True)
class Card:
    """The devices of one node that a card of the stack file means.

    ``path`` is its address as a mapping has it: without a function when the whole card is meant. ``functions`` are the
    devices that a VM gets, the first one first. ``neighbours`` are other devices of the same IOMMU group.
    """

    node: str
    path: str
    functions: tuple[PciDevice, ...]
    neighbours: tuple[PciDevice, ...] = ()

    @property
    def first(self) -> PciDevice:
        """Return the device by which PVE knows the card again."""
        return self.functions[0]

    @property
    def group(self) -> int:
        """Return the IOMMU group, -1 without an IOMMU."""
        return self.first.group

    @property
    def entry(self) -> str:
        """Return the entry of a resource mapping; PVE compares all of it with the hardware at every start."""
        parts = [f"node={self.node}", f"path={self.path}", f"id={self.first.id}"]
        if self.first.subsystem:
            parts.append(f"subsystem-id={self.first.subsystem}")
        if self.group != NO_GROUP:
            parts.append(f"iommugroup={self.group}")
        return ",".join(parts)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A card of the stack file on every node that was looked at: the devices, or why there is no answer."""

    gpu: Gpu
    cards: Mapping[str, Card] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


def resolve(
    gpu: Gpu, rows_by_node: Mapping[str, Sequence[PciDevice]], slots_by_node: Mapping[str, Slots] | None = None
) -> Resolved:
    """Return what a card means on each of the nodes.

    ``slots_by_node`` is needed only where the match names a slot; a node that is not in it was not asked.
    """
    cards: dict[str, Card] = {}
    problems: dict[str, str] = {}
    for node, rows in rows_by_node.items():
        if gpu.node not in (None, node):
            problems[node] = f"the card {gpu.name} is on {gpu.node}, says the stack file"
            continue
        if gpu.match.slot is not None and node not in (slots_by_node or {}):
            problems[node] = f"the slots of {node} can be looked up by SSH only. Write id: or address: instead"
            continue
        found = _on(gpu, node, rows, (slots_by_node or {}).get(node, {}))
        if isinstance(found, str):
            problems[node] = found
        else:
            cards[node] = found
    return Resolved(gpu, cards, problems)


def _on(gpu: Gpu, node: str, rows: Sequence[PciDevice], slots: Slots) -> Card | str:
    matching = [row for row in rows if _matches(gpu, row, slots)]
    places = sorted({_place(gpu, row) for row in matching})
    if not places:
        return _none(gpu, node, rows, slots)
    if len(places) > 1:
        listed = "\n".join(f"    {row.address} {_text(row)}" for row in matching)
        return (
            f"{len(places)} devices of {node} are {gpu.match}:\n{listed}\n"
            f'  Say which: add address: "{matching[0].address.removeprefix("0000:")}", or subsystem: if it differs'
        )
    path = places[0]
    functions = tuple(row for row in rows if row.address.startswith(f"{path}.") or row.address == path)
    group = functions[0].group
    mine = {row.address for row in rows if row.place == functions[0].place}
    others = [row for row in rows if row.group == group != NO_GROUP and row.address not in mine]
    return Card(node, path, functions, tuple(others))


def _place(gpu: Gpu, row: PciDevice) -> str:
    return row.place if gpu.functions == "all" else row.address


def _matches(gpu: Gpu, row: PciDevice, slots: Slots) -> bool:
    match = gpu.match
    if match.slot is not None and slots.get(match.slot) != row.place:
        return False
    if match.address is not None and match.address not in (row.address, row.place):
        return False
    return match.id in (None, row.id) and match.subsystem in (None, row.subsystem)


def _none(gpu: Gpu, node: str, rows: Sequence[PciDevice], slots: Slots) -> str:
    """Return why nothing matches, with what is near."""
    slot = gpu.match.slot
    if slot is not None and slot not in slots:
        known = ", ".join(str(number) for number in sorted(slots))
        return f"{node} has no slot {slot} in use. {f'It has: {known}' if known else 'Its firmware numbers no slots'}"
    near = [row for row in rows if row.display or _half(gpu, row)]
    listed = "".join(f"\n    {row.address} {_text(row)}" for row in near)
    return f"{node} has no device with {gpu.match}.{f' It has:{listed}' if listed else ''}"


def _half(gpu: Gpu, row: PciDevice) -> bool:
    """Return whether a device has one of the things asked for."""
    match = gpu.match
    return (match.id is not None and match.id == row.id) or (
        match.address is not None and match.address in (row.address, row.place)
    )


def _text(row: PciDevice) -> str:
    return f"[{row.id}] {row.name}".rstrip() + (f" (subsystem {row.subsystem})" if row.subsystem else "")


def read_slots(text: str) -> Slots:
    """Return the slots in lines such as ``/sys/bus/pci/slots/5/address:0000:02:00``; others are passed over."""
    matches = (_SLOT.match(line.strip()) for line in text.splitlines())
    return {int(found["number"]): found["place"] for found in matches if found is not None}


def devices_text(rows: Iterable[PciDevice]) -> str:
    """Return devices as messages name them."""
    return ", ".join(f"{row.address} {_text(row)}" for row in rows)
