"""Devices that moved, went or came, and what a VM's configuration makes of it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.baseline import Baseline, Given, Known
from pvekit.passthrough.drift.kinds import Drift, Severity
from pvekit.passthrough.drift.places import Places
from pvekit.passthrough.vmrules import covers

_ADDRESS = "Put the present address into it, or use a resource mapping, which names the device and not its place."


def devices(before: Baseline, now: Baseline, places: Places) -> Iterator[Drift]:
    """Yield what drifted."""
    if isinstance(before.devices, Missing) or isinstance(now.devices, Missing):
        return
    slots: dict[tuple[object, object], list[tuple[Known, Known]]] = defaultdict(list)
    for old, new in places.moved:
        slots[old.bdf.slot, new.bdf.slot].append((old, new))
    for pairs in slots.values():
        yield _moved(pairs, before, now, places)
    fresh = {item.bdf: item for item in places.new}
    left: list[Known] = []
    for item in places.gone:
        if item.bdf in fresh:
            yield _replaced(item, fresh.pop(item.bdf), now)
        else:
            left.append(item)
    if now.whole:
        yield from (_gone(items, before, now) for items in _by_slot(left))
    if before.whole:
        yield from (_came(items, now) for items in _by_slot(fresh.values()))
    yield from _screen(now, places)


def targets(found: Baseline) -> frozenset[Bdf]:
    """Return the functions of the card that goes to the guest."""
    return frozenset() if isinstance(found.target, Missing) else frozenset(item.bdf for item in found.target)


def entries(found: Baseline, bdfs: Iterable[Bdf]) -> tuple[Given, ...]:
    """Return the hostpci entries that name one of these addresses."""
    given = () if isinstance(found.given, Missing) else found.given
    wanted = list(bdfs)
    return tuple(item for item in given if any(covers(host, bdf) for host in item.host for bdf in wanted))


def _by_slot(found: Iterable[Known]) -> list[list[Known]]:
    slots: dict[tuple[int, int, int], list[Known]] = defaultdict(list)
    for item in found:
        slots[item.bdf.slot].append(item)
    return list(slots.values())


def _addresses(found: Iterable[Known]) -> str:
    return ", ".join(str(item.bdf) for item in found)


def _title(found: list[Known]) -> str:
    """Return what a card is called: by its display function, else by the first."""
    card = next((item for item in found if item.display), found[0])
    return " ".join(part for part in (card.name or "device", card.id and f"[{card.id}]") if part)


def _lines(now: Baseline, found: Iterable[Known]) -> tuple[Line, ...]:
    return tuple(dict.fromkeys(line for item in found for line in now.at(f"device {item.bdf}")))


def _moved(pairs: list[tuple[Known, Known]], before: Baseline, now: Baseline, places: Places) -> Drift:
    old, new = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    given = before if isinstance(now.given, Missing) else now
    meant = isinstance(before.given, Missing) or entries(before, (item.bdf for item in old))
    stale, fresh = entries(given, (item.bdf for item in old)), entries(given, (item.bdf for item in new))
    meaning, severity, hint = "Nothing that pvekit knows of names its old address.", Severity.HARMLESS, ""
    if fresh and not meant:
        meaning = f"{_names(fresh)} names its present address: the VM would be given this device. Do not start it."
        severity, hint = Severity.BREAKS, _ADDRESS
    elif fresh:
        meaning = f"{_names(fresh)} names the present address already."
    elif stale:
        here = [places.now[item.bdf] for item in old if item.bdf in places.now]
        there = f"where {_title(here)} is now" if here else "where no device is now"
        meaning = f"{_names(stale)} names the old address, {there}. Do not start the VM."
        severity, hint = Severity.BREAKS, _ADDRESS
    elif mapped := _mapped(now, old, before):
        meaning = f"{_names(mapped)} has it by a resource mapping, which names the old place."
        severity, hint = Severity.LOOK, "Make the resource mapping again (Datacenter, Resource Mappings)."
    elif any(item.klass.startswith("02") for item in new):
        meaning = "The name of a network interface can hold its address (enp5s0): a bridge may wait for the old one."
        severity, hint = Severity.LOOK, "Compare the ports in /etc/network/interfaces with ip link."
    elif any(item.display for item in new):
        meaning = "What names the card by its address has the old one: options of modules, scripts, a ROM dump."
        severity, hint = Severity.LOOK, "Look for the old address in /etc/modprobe.d and in your scripts."
    return Drift("moved", _title(old), _addresses(old), _addresses(new), meaning, severity, hint, _lines(now, new))


def _names(found: Iterable[Given]) -> str:
    return ", ".join(f"{item.key} of {'the VM' if item.vmid is None else f'VM {item.vmid}'}" for item in found)


def _mapped(now: Baseline, old: Iterable[Known], before: Baseline) -> tuple[Given, ...]:
    """Return the entries with a mapping, where the card of the guest is among the devices."""
    if isinstance(now.given, Missing) or not targets(before) & {item.bdf for item in old}:
        return ()
    return tuple(item for item in now.given if item.mapping)


def _replaced(old: Known, new: Known, now: Baseline) -> Drift:
    named = entries(now, [old.bdf])
    meaning = "Another device has its place."
    if named:
        meaning = f"{_names(named)} names this address and would get the other device."
    return Drift(
        "replaced", f"device at {old.bdf}", _title([old]), _title([new]), meaning,
        Severity.BREAKS if named else Severity.LOOK, f"Do not start the VM. {_ADDRESS}" if named else "",
        _lines(now, [new]),
    )  # fmt: skip


def _gone(found: list[Known], before: Baseline, now: Baseline) -> Drift:
    named = entries(now, (item.bdf for item in found))
    ours = bool(targets(before) & {item.bdf for item in found})
    meaning, severity = "The kernel does not see it any more.", Severity.LOOK
    if named:
        meaning, severity = (
            f"{_names(named)} names it: the VM cannot start.",
            Severity.BREAKS,
        )
    elif ours:
        meaning, severity = "It is the card that goes to the guest.", Severity.BREAKS
    elif any(item.bridge for item in found):
        severity = Severity.HARMLESS
    hint = (
        "Look whether the card sits firmly, has its power cable, and whether its slot is switched on in the firmware."
    )
    return Drift(
        "gone", _title(found), _addresses(found), "not there", meaning, severity,
        "" if severity is Severity.HARMLESS else hint,
    )  # fmt: skip


def _came(found: list[Known], now: Baseline) -> Drift:
    meaning = "A new device can give the others new addresses, and can take memory that they need."
    return Drift("new", _title(found), "not there", _addresses(found), meaning, Severity.HARMLESS,
                 evidence=_lines(now, found))  # fmt: skip


def _screen(now: Baseline, places: Places) -> Iterator[Drift]:
    """Compare which card the firmware shows the boot screen on."""
    old = [item for item in places.before.values() if item.boot_vga]
    new = [item for item in places.now.values() if item.boot_vga]
    if len(old) != 1 or len(new) != 1 or places.at(old[0].bdf) == new[0].bdf:
        return
    ours = new[0].bdf in targets(now)
    yield Drift(
        "screen",
        "card with the boot screen",
        str(old[0]),
        str(new[0]),
        "The firmware shows the boot screen on the card that goes to the guest: the host's console holds its memory."
        if ours
        else "The firmware shows the boot screen on another card.",
        Severity.LOOK,
        "Choose the other card as the primary display in the firmware setup." if ours else "",
        _lines(now, new),
    )
