"""The card has no IOMMU group at all, while other devices have one.

Without a group there is nothing to give to a VM: QEMU says ``no iommu_group found: No such file or directory``,
Proxmox VE ``Cannot open iommu_group``. Devices behind Intel VMD (PCI domain 10000) and an integrated GPU with
``intel_iommu=on,igfx_off`` are left out of the IOMMU in this way. If no device has a group, the IOMMU is not in use,
and that is another matter (firmware or kernel option).
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.groups import IommuGroups
from pvekit.passthrough.facts.iommu import IommuClass
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.members import names
from pvekit.passthrough.outcome import Outcome, failed, passed, unknown
from pvekit.passthrough.pattern import Pattern

TITLE = "The card has no IOMMU group"
LAYER = Layer.GROUPS
SOURCES = (
    "QEMU hw/vfio/container.c, vfio_device_get_groupid()",
    "Proxmox VE pve-common src/PVE/SysFSTools.pm, pci_dev_group_bind_to_vfio()",
    "Linux Documentation/admin-guide/kernel-parameters.txt, intel_iommu=igfx_off",
)
_SAID = Pattern(r"no iommu_group found|Cannot open iommu_group: No such file")
_REMEDY = Remedy("Switch off VMD in the firmware, or remove igfx_off from intel_iommu on the kernel command line.")


def check(
    target: Target | Missing, devices: Devices | Missing, groups: IommuGroups | Missing, start: StartLog | Missing,
    iommu: IommuClass | Missing, cmdline: Cmdline | Missing,
) -> Outcome | None:  # fmt: skip
    """Compare the target's group with those of the other devices."""
    hits = [] if isinstance(start, Missing) else [line for _, line in start.find(_SAID)]
    said = [line for line in hits if isinstance(target, Missing) or names(line, target)]
    listed = not isinstance(groups, Missing) and groups.whole
    some = not isinstance(groups, Missing) and bool(groups.members)
    off = (listed and not some) or (not isinstance(iommu, Missing) and not iommu.names)
    if off:
        return None
    card = None if isinstance(target, Missing) else target.card
    if card is not None and card.group is not None:
        return passed(f"the card is in group {card.group}", card.line)
    others = some or (not isinstance(devices, Missing) and any(device.group is not None for device in devices))
    complete = listed and card is not None and not isinstance(devices, Missing) and _covered(devices, card)
    if card is not None and others and (complete or said):
        option = [] if isinstance(cmdline, Missing) else [
            token.line for token in cmdline.all("intel_iommu") if "igfx_off" in (token.value or "")
        ]  # fmt: skip
        return failed("other devices have an IOMMU group, the card has none", card.line, *said, *option, remedy=_REMEDY)
    if said:
        return unknown(
            "the card has no IOMMU group; whether others have one is not known", said[0],
            missing=("iommu_groups.txt", "sys_class_iommu.txt"),
        )  # fmt: skip
    return None


def _covered(devices: Devices, card: Device) -> bool:
    """Return whether two listings have nearly all other devices, so that the card is not merely cut off in one.

    In a text with broken lines parts of the list of groups can pass for a listing of lspci.
    """
    rest = [device for device in devices if device.bdf.slot != card.bdf.slot and device.bdf.domain == 0]
    both = [device for device in rest if device.group is not None and (device.listed or device.sysfs) is not None]
    return len(both) * 5 >= len(rest) * 4
