"""The card's IOMMU group holds something that the host itself needs: its network card or its system disk.

When a VM starts, Proxmox VE binds every device of the group to vfio-pci, bridges left out. If the network card of the
management bridge is among them the host drops off the network; if the controller of the system disk is, the host
stops. It often looks like a crash of the host at VM start. Nothing may be started before the card has moved. That the
VM starts, or that its guest works with the card, changes nothing: the host pays for it.
"""

from __future__ import annotations

from pvekit.model.bundle import Line
from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.blast import said
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.hostuses import DISK, NIC, HostUses
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.members import NETWORK, STORAGE, Need, members, needs, on_vfio, proxmox
from pvekit.passthrough.outcome import Outcome, failed, noted, passed

TITLE = "The card's IOMMU group holds the host's network card or disk"
LAYER = Layer.GROUPS
SOURCES = (
    "Proxmox VE pve-common src/PVE/SysFSTools.pm, pci_dev_group_bind_to_vfio()",
    "Proxmox VE qemu-server src/PVE/QemuServer/PCI.pm, prepare_pci_device()",
)
_REMEDY = Remedy(
    "Do not start the VM. Move the card to a slot with a group of its own.",
    "Starting the VM takes the network or the system disk from the host.",
)


def check(
    target: Target | Missing, devices: Devices | Missing, start: StartLog | Missing, kernel: Kernel | Missing,
    vms: VmConfigs | Missing, log: KernelLog | Missing, cmdline: Cmdline | Missing, uses: HostUses | Missing,
) -> Outcome | None:  # fmt: skip
    """Ask of every stranger in the group whether the host needs it."""
    if isinstance(target, Missing) or isinstance(devices, Missing):
        return None
    groups = members(target, devices, start)
    if not any(group.own for group in groups):
        return None
    found = [
        need for group in groups for device in group.strangers if not on_vfio(device)
        for need in (*_used(device, uses), *needs(device, devices, log, cmdline)) if need.kind in {NETWORK, STORAGE}
    ]  # fmt: skip
    sure = [need for need in found if need.sure]
    if sure and proxmox(kernel, vms, start):
        texts = "; ".join(dict.fromkeys(need.text for need in sure))
        return failed(f"starting the VM takes from the host what it needs: {texts}", *_lines(sure), remedy=_REMEDY,
                      until=Layer.GUEST)  # fmt: skip
    if found:
        texts = "; ".join(dict.fromkeys(need.text for need in found))
        return noted(f"in the card's group: {texts}. Make sure that the host does not need it", *_lines(found))
    own = [device.line for group in groups for device in group.own]
    return passed("the card's group holds no network card and no disk controller of the host", *own[:4])


def _used(device: Device, uses: HostUses | Missing) -> list[Need]:
    """Return what the host itself lists."""
    kinds = {NIC: NETWORK, DISK: STORAGE}
    known = () if isinstance(uses, Missing) else uses.by_bdf.get(device.bdf, ())
    return [Need(kinds[use.what], said(use), use.line, True) for use in known if use.what in kinds]


def _lines(found: list[Need]) -> list[Line]:
    return list(dict.fromkeys(need.line for need in found))
