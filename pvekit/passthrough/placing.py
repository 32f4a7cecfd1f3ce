"""Whether memory regions can be laid into windows: each aligned to its own size, none over another. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

GRAIN = 1 << 20
"""The windows of a bridge begin and end at whole MiB."""
LIMIT = 1 << 32


@dataclass(frozen=True, slots=True)
class Block:
    """What one port asks for in one piece. ``align`` is a power of two. ``wide``: it may lie above 4 GiB."""

    name: str
    size: int
    align: int
    wide: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Area:
    """A window, both ends included."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """Return its length in bytes."""
        return self.end - self.start + 1

    @property
    def high(self) -> bool:
        """Return whether it lies above 4 GiB."""
        return self.start >= LIMIT

    def may_hold(self, block: Block) -> bool:
        """Return whether a block could lie here in some order of its regions."""
        largest = Block(block.name, min(block.size, block.align), block.align, block.wide)
        return (block.wide or not self.high) and self.size >= block.size and self.room(largest) is not None

    def room(self, block: Block) -> int | None:
        """Return the lowest place for a block; None when it does not fit."""
        start = -(-self.start // block.align) * block.align
        return start if start + block.size - 1 <= self.end else None


def pack(name: str, sizes: Iterable[int], *, wide: bool, grain: int = GRAIN) -> Block | None:
    """Return the one block that holds regions of these sizes (powers of two); None when there are none.

    In falling order regions follow each other without gaps, whatever their alignment.
    """
    wanted = [size for size in sizes if size > 0]
    if not wanted:
        return None
    total = sum(wanted)
    align = max(grain, *(_power(size) for size in wanted))
    return Block(name, -(-total // grain) * grain, align, wide)


def _power(size: int) -> int:
    return 1 << (size - 1).bit_length()


def place(blocks: Sequence[Block], areas: Iterable[Area]) -> Mapping[Block, int] | None:
    """Return a place for every block; None when none of the orders that are tried leads to one.

    What may lie above 4 GiB is put there first. None is no proof that there is no layout: see ``hopeless``.
    """
    known = sorted(areas)
    for order in _orders(blocks):
        for from_top in (False, True):
            found = _try(order, known, from_top=from_top)
            if found is not None:
                return found
    return None


def _orders(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    yield sorted(blocks, key=lambda block: (-block.align, -block.size, block.name))
    yield sorted(blocks, key=lambda block: (-block.size, -block.align, block.name))


def _try(order: Iterable[Block], areas: Sequence[Area], *, from_top: bool) -> dict[Block, int] | None:
    free = list(areas)
    placed: dict[Block, int] = {}
    for block in order:
        choices = [area for area in free if (block.wide or not area.high) and area.room(block) is not None]
        if not choices:
            return None
        choices = [area for area in choices if area.high] or choices
        area = choices[-1] if from_top else choices[0]
        start = (area.end + 1 - block.size) // block.align * block.align if from_top else area.room(block)
        if start is None or start < area.start:
            return None
        placed[block] = start
        free.remove(area)
        free += [
            part for part in (Area(area.start, start - 1), Area(start + block.size, area.end)) if part.start <= part.end
        ]
        free.sort()
    return placed


def hopeless(blocks: Sequence[Block], areas: Iterable[Area]) -> str:
    """Return why no layout can exist; "" when that is not proven."""
    known = list(areas)
    for block in blocks:
        if not any(area.may_hold(block) for area in known):
            return f"no window has room for {block.name}"
    low = sum(block.size for block in blocks if not block.wide)
    if low > sum(area.size for area in known if not area.high):
        return "what has to lie below 4 GiB is more than the window there"
    if sum(block.size for block in blocks) > sum(area.size for area in known):
        return "all regions together are more than all windows"
    return ""
