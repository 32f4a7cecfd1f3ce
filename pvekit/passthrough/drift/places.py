"""Which device of before is which device of now: a card that moved is the same card at another address. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.baseline import Baseline, Known


@dataclass(frozen=True)
class Places:
    """``same`` maps each device of before to its address now; ``gone`` and ``new`` have no counterpart."""

    same: Mapping[Bdf, Bdf]
    gone: tuple[Known, ...]
    new: tuple[Known, ...]
    before: Mapping[Bdf, Known]
    now: Mapping[Bdf, Known]

    @property
    def moved(self) -> tuple[tuple[Known, Known], ...]:
        """Return the devices that have another address now."""
        return tuple((self.before[old], self.now[new]) for old, new in sorted(self.same.items()) if old != new)

    def at(self, bdf: Bdf) -> Bdf:
        """Return the present address of a device of before; the old one where it has no counterpart."""
        return self.same.get(bdf, bdf)


def match(before: Baseline, now: Baseline) -> Places:
    """Pair them: by place where the device there is the same, then by numbers and subsystem, then by numbers."""
    old = {} if isinstance(before.devices, Missing) else {item.bdf: item for item in before.devices}
    new = {} if isinstance(now.devices, Missing) else {item.bdf: item for item in now.devices}
    same = {bdf: bdf for bdf, item in old.items() if bdf in new and alike(item, new[bdf])}
    for key in (_with_subsystem, _numbers):
        rest = [item for bdf, item in old.items() if bdf not in same]
        free = [item for bdf, item in new.items() if bdf not in same.values()]
        same |= _paired(rest, free, key)
    taken = set(same.values())
    gone = tuple(item for bdf, item in sorted(old.items()) if bdf not in same)
    return Places(same, gone, tuple(item for bdf, item in sorted(new.items()) if bdf not in taken), old, new)


def alike(one: Known, other: Known) -> bool:
    """Return whether two entries can be one device; what is not told does not speak against it."""
    numbers = not one.id or not other.id or one.id == other.id
    return numbers and (not one.subsystem or not other.subsystem or one.subsystem == other.subsystem)


def _with_subsystem(item: Known) -> str:
    return f"{item.id} {item.subsystem}" if item.id and item.subsystem else ""


def _numbers(item: Known) -> str:
    return item.id


def _paired(old: Iterable[Known], new: Iterable[Known], key: Callable[[Known], str]) -> dict[Bdf, Bdf]:
    """Pair devices of one key in the order of their addresses, functions with the same function first."""
    waiting: dict[str, list[Known]] = defaultdict(list)
    for item in sorted(new, key=lambda item: item.bdf):
        waiting[key(item)].append(item)
    found: dict[Bdf, Bdf] = {}
    for item in sorted(old, key=lambda item: item.bdf):
        known = waiting[key(item)] if key(item) else []
        fitting = [other for other in known if alike(item, other)]
        fitting.sort(key=lambda other: other.bdf.function != item.bdf.function)
        if fitting:
            known.remove(fitting[0])
            found[item.bdf] = fitting[0].bdf
    return found
