"""``pcie_acs_override`` is on the kernel command line.

Only kernels with the patch (Proxmox VE, some desktop kernels) know it; they say ``Warning: PCIe ACS overrides
enabled``. On other kernels it does nothing. Where it works, it makes the kernel believe in an isolation that the
hardware does not have: a device of a VM can then reach others. It belongs only where a group needs it, and it never
helps a card that is behind a PCIe-to-PCI bridge or whose port has ACS already.
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Devices
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.members import members
from pvekit.passthrough.outcome import Outcome, noted, unknown
from pvekit.passthrough.pattern import Pattern

TITLE = "The ACS override is set"
LAYER = Layer.GROUPS
SOURCES = ("Proxmox VE kernel patch 0004, pcie_acs_override_setup()",)

_ACTIVE = Pattern(r"Warning: PCIe ACS overrides enabled")
_REMEDY = Remedy(
    "Remove pcie_acs_override from the kernel command line if the card's group is clean without it.",
    "With the override devices can reach each other's memory past the IOMMU.",
)


def check(
    cmdline: Cmdline | Missing, log: KernelLog | Missing, target: Target | Missing, devices: Devices | Missing,
    start: StartLog | Missing,
) -> Outcome | None:  # fmt: skip
    """Tell whether the kernel took the option, and what it did for the target."""
    if isinstance(cmdline, Missing):
        return None
    tokens = (*cmdline.all("pcie_acs_override"), *cmdline.all("pci_acs_override"))
    if not tokens:
        return None
    active = None if isinstance(log, Missing) else log.first(_ACTIVE)
    shared = False
    if not isinstance(target, Missing) and not isinstance(devices, Missing):
        shared = any(group.strangers for group in members(target, devices, start))
    line = tokens[0].line
    if active is not None:
        rest = "; the card's group holds other devices all the same" if shared else ""
        return noted(f"the ACS override is in force{rest}", line, active[1], remedy=_REMEDY)
    if isinstance(log, Missing) or not log.whole:
        return unknown("the ACS override is set; whether the kernel took it is not known", line, missing=("dmesg.txt",))
    return noted(f"{tokens[0]} has no effect: this kernel does not know it", line, remedy=_REMEDY)
