"""The card's IOMMU group holds devices that do not belong to the card.

A group goes to a VM as a whole. QEMU says ``group N is not viable`` when one of its devices, bridges left out, is
held by a driver of the host. Proxmox VE gets round that by binding every such device to vfio-pci when the VM starts:
the host loses all of them. The card's own functions (audio, USB-C) and the bridges above it are no strangers. A
device without a driver, or already on vfio-pci, does not stand in the way.

The way out is another slot, best one at the processor. The ACS override of the Proxmox VE kernel only hides the
matter: the devices can still reach each other's memory.
"""

from __future__ import annotations

from pvekit.model.bundle import Line
from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.groups import IommuGroups
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.members import NOT_VIABLE, blocks, members, proxmox
from pvekit.passthrough.outcome import Outcome, failed, noted, passed, unknown

TITLE = "The card's IOMMU group holds other devices"
LAYER = Layer.GROUPS
SOURCES = (
    "Linux Documentation/driver-api/vfio.rst",
    "QEMU hw/vfio/container.c, vfio_group_get()",
    "Proxmox VE pve-common src/PVE/SysFSTools.pm, pci_dev_group_bind_to_vfio()",
)
FOLLOWS = ("GR-02", "GR-04", "GR-07", "GR-08")
_REMEDY = Remedy(
    "Put the card into another slot, best one at the processor, or switch on ACS in the firmware. On a "
    "Proxmox VE kernel "
    "pcie_acs_override=downstream,multifunction splits the group.",
    "The override gives up the isolation: devices of the group can reach each other's memory.",
)


def check(
    target: Target | Missing, devices: Devices | Missing, start: StartLog | Missing, kernel: Kernel | Missing,
    vms: VmConfigs | Missing, listing: IommuGroups | Missing,
) -> Outcome | None:  # fmt: skip
    """Look for endpoints of other slots in the target's group."""
    refused = None if isinstance(start, Missing) else start.first(NOT_VIABLE)
    said = [refused[1]] if refused is not None else []
    if isinstance(target, Missing) or isinstance(devices, Missing):
        return _only_said(said)
    groups = [group for group in members(target, devices, start) if group.own or group.strangers or group.unclear]
    if not groups:
        return _only_said(said)
    strangers = [device for group in groups for device in group.strangers]
    unclear = [device for group in groups for device in group.unclear]
    holding = [device for device in strangers if blocks(device) is not False]
    if holding and not said and not target.chosen and not _given(vms):
        text = f"group {holding[0].group} of the only card that could be meant also holds {_names(holding)}"
        # Who makes a list of the groups has a reason; whether it is this card, nobody said.
        if not isinstance(listing, Missing) and listing.listed:
            return failed(text, *_lines(holding), remedy=_REMEDY, confidence=Confidence.LOW)
        return noted(text, *_lines(holding), remedy=_REMEDY)
    if holding:
        known = any(blocks(device) for device in holding)
        what = "; Proxmox VE takes them from the host when the VM starts" if proxmox(kernel, vms, start) else ""
        return failed(
            f"group {holding[0].group} also holds {_names(holding)}{what}", *said, *_lines(holding),
            remedy=_REMEDY, confidence=Confidence.HIGH if known or said else Confidence.MEDIUM,
        )  # fmt: skip
    if unclear:
        return unknown(
            f"group {unclear[0].group} also holds {_names(unclear)}; what these are is not known",
            *said, *_lines(unclear), missing=("lspci.txt",),
        )  # fmt: skip
    native = [device for group in groups for device in group.own if blocks(device)]
    if strangers and said and not native:
        return failed(
            f"group {strangers[0].group} also holds {_names(strangers)}, and QEMU found one in use",
            *said,
            *_lines(strangers),
            remedy=_REMEDY,
            confidence=Confidence.MEDIUM,
        )
    if strangers:
        return noted(
            f"group {strangers[0].group} also holds {_names(strangers)}, free of host drivers", *_lines(strangers)
        )
    own = [device for group in groups for device in group.own]
    if own:
        return passed("the card shares its group with nothing but bridges and its own functions", *_lines(own))
    return _only_said(said)


def _given(vms: VmConfigs | Missing) -> bool:
    """Return whether a VM gets devices."""
    return not isinstance(vms, Missing) and any(vm.hostpci for vm in vms.vms)


def _only_said(said: list[Line]) -> Outcome | None:
    if not said:
        return None
    return unknown(
        "QEMU found a device of the group with a host driver; which one is not known",
        *said, missing=("iommu_groups.txt", "lspci.txt"),
    )  # fmt: skip


def _names(devices: list[Device]) -> str:
    shown = [f"{device.bdf} ({device.name or device.klass})" for device in devices[:4]]
    return ", ".join(shown) + (f" and {len(devices) - 4} more" if len(devices) > 4 else "")


def _lines(devices: list[Device]) -> list[Line]:
    return [device.line for device in devices[:8]]
