"""IOMMU groups: who shares one with whom, now and before. The numbers of groups do not count. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.baseline import Baseline
from pvekit.passthrough.drift.devices import targets
from pvekit.passthrough.drift.kinds import Drift, Severity
from pvekit.passthrough.drift.places import Places

_NEXT = "Do not start the VM before you know what it would take: pvekit passthrough blast tells it."

Group = frozenset[Bdf]


@dataclass(frozen=True)
class Regrouped:
    """Groups that were cut otherwise. All addresses are those of now; ``joined`` came into the guest's card's group."""

    before: tuple[Group, ...]
    now: tuple[Group, ...]
    joined: frozenset[Bdf]
    newcomers: frozenset[Bdf]


def groups(before: Baseline, now: Baseline, places: Places) -> Iterator[Drift]:
    """Yield what drifted."""
    old, new = before.groups, now.groups
    if isinstance(old, Missing) or isinstance(new, Missing) or bool(old) != bool(new):
        yield from _all(before, now)
        return
    for change in regrouped(before, now, places):
        meaning, severity, hint = (
            "Devices that share a group go to one guest, or stay with the host, together.",
            None,
            "",
        )
        if change.joined:
            names = ", ".join(str(places.now.get(bdf) or bdf) for bdf in sorted(change.joined))
            meaning = f"The group of the card that goes to the guest holds more: {names}. Proxmox VE takes it along."
            severity, hint = Severity.BREAKS, _NEXT
        if severity is None:
            finer = all(any(part <= group for group in change.before) for part in change.now)
            severity = Severity.HARMLESS if finer and not change.newcomers else Severity.LOOK
        members = sorted(bdf for group in change.now for bdf in group)
        lines = tuple(line for bdf in members for line in now.at(f"group {bdf}"))
        yield Drift("groups", "IOMMU groups", _text(change.before), _text(change.now), meaning, severity, hint, lines)


def _all(before: Baseline, now: Baseline) -> Iterator[Drift]:
    """Compare where one time there were no groups at all."""
    old, new = before.groups, now.groups
    if isinstance(old, Missing) or isinstance(new, Missing):
        return
    gone = not new
    yield Drift(
        "groups",
        "IOMMU groups",
        str(len(old) or "none"),
        str(len(new) or "none"),
        "The kernel makes no groups any more: no device can be passed through." if gone else "There are groups now.",
        Severity.BREAKS if gone else Severity.HARMLESS,
        "pvekit passthrough diagnose names the cause." if gone else "",
    )


def regrouped(before: Baseline, now: Baseline, places: Places) -> tuple[Regrouped, ...]:
    """Return the groups that were cut otherwise; those with a member in common are one change."""
    if isinstance(before.groups, Missing) or isinstance(now.groups, Missing):
        return ()
    old = _carried(before.groups, now.groups, places)
    known = {bdf for group in old for bdf in group}
    new = {frozenset(members) for members in now.groups}
    changed_old = [group for group in old - new if group]
    changed_new = [group for group in new - old if group & known]
    return tuple(_made(parts[0], parts[1], known, now) for parts in _connected(changed_old, changed_new))


def _carried(before: Iterable[Iterable[Bdf]], now: Iterable[Iterable[Bdf]], places: Places) -> set[Group]:
    """Return the groups of before with the present addresses, without devices that are gone.

    What was put in the place of another device counts as that device.
    """
    listed = {bdf for members in now for bdf in members}
    instead = {item.bdf for item in places.new}
    found = set()
    for members in before:
        kept = [bdf for bdf in members if bdf in places.same or bdf in instead or bdf not in places.before]
        found.add(frozenset(places.at(bdf) for bdf in kept if places.at(bdf) in listed))
    return found - {frozenset()}


def _connected(old: Iterable[Group], new: Iterable[Group]) -> list[tuple[list[Group], list[Group]]]:
    """Put groups with members in common together."""
    found: list[tuple[set[Bdf], list[Group], list[Group]]] = []
    sides = [(group, True) for group in sorted(old, key=sorted)] + [(group, False) for group in sorted(new, key=sorted)]
    for group, past in sides:
        members, first, second = set(group), [group] if past else [], [] if past else [group]
        for part in [part for part in found if part[0] & group]:
            members |= part[0]
            first += part[1]
            second += part[2]
            found.remove(part)
        found.append((members, first, second))
    found.sort(key=lambda part: min(part[0]))
    return [(sorted(first, key=sorted), sorted(second, key=sorted)) for _, first, second in found]


def _made(old: list[Group], new: list[Group], known: set[Bdf], now: Baseline) -> Regrouped:
    ours = targets(now)
    slots = {bdf.slot for bdf in ours}
    held = {bdf for group in new if group & ours for bdf in group}
    had = {bdf for group in old if group & ours for bdf in group}
    bridges = set() if isinstance(now.devices, Missing) else {item.bdf for item in now.devices if item.bridge}
    joined = {bdf for bdf in held - had - bridges if bdf.slot not in slots}
    newcomers = {bdf for group in new for bdf in group} - known
    return Regrouped(tuple(old), tuple(new), frozenset(joined), frozenset(newcomers))


def _text(found: Iterable[Group]) -> str:
    return "; ".join(" + ".join(str(bdf) for bdf in sorted(group)) for group in found) or "none"
