"""A new kernel groups the devices otherwise, and the card's group holds more than before.

Which devices share an IOMMU group is the kernel's judgement: it knows by a list of quirks which bridges separate their
devices although they do not say so (``pci_quirks``), and which devices do not although they say so. Kernels change
that list, and distributions carry patches of their own, such as ``pcie_acs_override`` in Proxmox VE. After an update a
card that was alone can share its group with a network card or a disk, which Proxmox VE then takes along.

Only a comparison with before proves it: the same machine, firmware and options, another kernel, and other groups
(``pvekit passthrough watch``). Groups that became smaller are an improvement.
"""

from __future__ import annotations

from pvekit.model.bundle import Line
from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.baseline import Baseline
from pvekit.passthrough.drift.groups import Regrouped, regrouped
from pvekit.passthrough.drift.machine import same_firmware
from pvekit.passthrough.drift.places import match
from pvekit.passthrough.facts.compared import Compared
from pvekit.passthrough.outcome import Outcome, failed, noted, passed

TITLE = "A new kernel groups the devices otherwise"
LAYER = Layer.GROUPS
SOURCES = (
    "Linux drivers/iommu/iommu.c, pci_device_group()",
    "Linux drivers/pci/quirks.c, pci_dev_specific_acs_enabled()",
    "pve-docs system-booting.adoc, proxmox-boot-tool kernel pin",
)


def check(compared: Compared | Missing) -> Outcome | None:
    """Compare the groups, and what else could have changed them."""
    if isinstance(compared, Missing):
        return None
    before, now = compared.before, compared.now
    if isinstance(before.groups, Missing) or isinstance(now.groups, Missing) or not before.groups or not now.groups:
        return None
    changes = regrouped(before, now, match(before, now))
    if not changes:
        return passed("the groups are those of the baseline", *before.at("groups"))
    joined = sorted(bdf for change in changes for bdf in change.joined)
    lines = (*before.at("groups"), *_lines(changes, now))
    if not joined:
        return noted("the groups are not those of the baseline; that of the card holds nothing new", *lines)
    names = ", ".join(map(str, joined))
    message = f"the card's group holds more than before: {names}"
    old, new = before.kernel, now.kernel
    if isinstance(old, Missing) or isinstance(new, Missing) or old == new:
        return noted(f"{message}. The kernel is the same, or not known", *lines)
    other = _otherwise(before, now, changes)
    if other:
        return noted(f"{message}. The kernel is another, but {other} as well", *lines, *now.at("kernel"))
    remedy = Remedy(
        f"Do not start the VM. Start the kernel of before ({old}): proxmox-boot-tool kernel pin {old}. Report the "
        "change, or move the card to a slot of its own.",
        risk="A pinned kernel gets no security fixes.",
    )
    return failed(f"{message}. Before it was {old}, now it is {new}", *lines, *before.at("kernel"), *now.at("kernel"),
                  remedy=remedy)  # fmt: skip


def _otherwise(before: Baseline, now: Baseline, changes: tuple[Regrouped, ...]) -> str:
    """Return what else could have changed the groups."""
    if same_firmware(before, now) is False:
        return "the firmware"
    if any(change.joined & change.newcomers for change in changes) or match(before, now).moved:
        return "the devices or their slots"
    if isinstance(before.cmdline, Missing) or isinstance(now.cmdline, Missing):
        return "perhaps the kernel's options"
    ours = [{option for option in options if "acs" in option or "iommu" in option} for options in
            (before.cmdline, now.cmdline)]  # fmt: skip
    return "the kernel's options" if ours[0] != ours[1] else ""


def _lines(changes: tuple[Regrouped, ...], now: Baseline) -> tuple[Line, ...]:
    members = sorted(bdf for change in changes for group in change.now for bdf in group)
    return tuple(line for bdf in members for line in now.at(f"group {bdf}"))
