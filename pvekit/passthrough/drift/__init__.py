"""What is not as it was: two looks at a host, compared. Pure.

``drift(x, x)`` is empty. What could not be looked at one time is no drift; ``gaps`` lists it.
"""

from __future__ import annotations

from pvekit.model.missing import Missing
from pvekit.passthrough.baseline import Baseline
from pvekit.passthrough.drift.devices import devices
from pvekit.passthrough.drift.groups import groups
from pvekit.passthrough.drift.holding import holding
from pvekit.passthrough.drift.kinds import Drift, Gap, Severity
from pvekit.passthrough.drift.machine import machine
from pvekit.passthrough.drift.memory import memory
from pvekit.passthrough.drift.places import match

__all__ = ["AREAS", "Drift", "Gap", "Severity", "drift", "gaps"]

AREAS = {
    "bios_version": "firmware version",
    "bios_date": "firmware date",
    "microcode": "microcode",
    "kernel": "kernel",
    "pve": "Proxmox VE version",
    "cmdline": "kernel options",
    "tables": "firmware table of the IOMMU",
    "iommu": "IOMMUs in use",
    "rmrr": "memory that the firmware reserves",
    "windows": "memory windows",
    "groups": "IOMMU groups",
    "reserved": "reserved regions",
    "target": "the guest's card",
    "given": "VM configurations",
    "devices": "PCI devices",
}
"""What a baseline holds, for people."""


def drift(before: Baseline, now: Baseline) -> tuple[Drift, ...]:
    """Return what drifted, the worst first."""
    places = match(before, now)
    found = [
        *machine(before, now),
        *devices(before, now, places),
        *groups(before, now, places),
        *memory(before, now, places),
        *holding(before, now, places),
    ]
    return tuple(sorted(found, key=lambda item: item.severity.rank))


def gaps(before: Baseline, now: Baseline) -> tuple[Gap, ...]:
    """Return the areas that are known of one time only."""
    found = []
    for name, area in AREAS.items():
        old, new = getattr(before, name), getattr(now, name)
        for value, when in ((old, "then"), (new, "now")):
            if isinstance(value, Missing) and isinstance(old, Missing) != isinstance(new, Missing):
                found.append(Gap(area, when, value.why))
    if not isinstance(before.devices, Missing) and not isinstance(now.devices, Missing) and before.whole != now.whole:
        found.append(Gap("whether a device is gone or new", "now" if before.whole else "then", "not all are listed"))
    return tuple(found)
