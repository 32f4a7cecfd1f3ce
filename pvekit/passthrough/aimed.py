"""Which messages speak of the device that is passed through. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import HostPci, VmConfig, VmConfigs
from pvekit.passthrough.logs import Log
from pvekit.passthrough.pattern import Pattern

ADDRESS = r"(?P<bdf>(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[01][0-9a-f]\.[0-7])"
"""A PCI address inside a pattern."""


_NOT_ALONE = frozenset({"its id is set aside for vfio-pci", "bound to vfio-pci"})
"""Ways to find the target (facts/target.py) that leave room for other devices that are passed through as well."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message about the target: the device, what matched, the line, and its place in the log."""

    bdf: Bdf
    match: re.Match[str]
    line: Line
    place: int
    seconds: float | None = None


def is_target(bdf: Bdf, target: Target | Missing) -> bool | None:
    """Return whether a device is a function of the card that is passed through; None: nobody knows the card."""
    if isinstance(target, Missing) or not (target.bdfs or target.functions):
        return None
    known = {item.slot for item in target.bdfs} | {device.bdf.slot for device in target.functions}
    return bdf.slot in known


def said_of_target(log: Log | Missing, pattern: Pattern, target: Target | Missing) -> list[Said]:
    """Return what a log says about the target; the pattern has an ``ADDRESS``.

    Where the target is unknown or only concluded, messages count that vfio says or that belong to the start of a VM:
    these speak of devices that are passed through.
    """
    return list(_said(log, pattern, target))


def _said(log: Log | Missing, pattern: Pattern, target: Target | Missing) -> Iterator[Said]:
    if isinstance(log, Missing):
        return
    sure = not isinstance(target, Missing) and target.chosen and target.why not in _NOT_ALONE
    for place, entry in log.having(pattern):
        found = pattern.search(entry.text)
        if found is None:
            continue
        bdf = Bdf.parse(found["bdf"])
        ours = is_target(bdf, target)
        if ours or (not sure and (isinstance(log, StartLog) or "vfio" in entry.text)):
            yield Said(bdf, found, entry.at(found.start()), place, entry.seconds)


def assigned(vms: VmConfigs | Missing, target: Target | Missing) -> tuple[VmConfig, HostPci] | None:
    """Return the VM and its entry that pass the target on; a single entry is it also when nobody knows the target."""
    if isinstance(vms, Missing):
        return None
    known = [(vm, entry) for vm in vms.vms for entry in vm.hostpci]
    if isinstance(target, Missing):
        return known[0] if len(known) == 1 else None
    if target.vmid is not None:
        known = [(vm, entry) for vm, entry in known if vm.vmid in (None, target.vmid)]
    named = [(vm, entry) for vm, entry in known if any(entry.covers(bdf) for bdf in target.bdfs)]
    if named:
        return named[0]
    return known[0] if len(known) == 1 and (known[0][1].mapping or not target.bdfs) else None


def config(vms: VmConfigs | Missing, target: Target | Missing) -> VmConfig | None:
    """Return the configuration of the VM that the target goes to; the only one when there is just one."""
    found = assigned(vms, target)
    if found is not None:
        return found[0]
    return vms.vms[0] if not isinstance(vms, Missing) and len(vms.vms) == 1 else None


def lines(said: list[Said], most: int = 3) -> tuple[Line, ...]:
    """Return the first few lines, as evidence."""
    return tuple(item.line for item in said[:most])
