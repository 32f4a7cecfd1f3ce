"""The device is to be passed as PCI Express (``pcie=1``), but the VM has no PCI Express machine type.

PVE refuses to start such a VM: ``q35 machine model is not enabled``. Without a ``machine`` line a VM is of the older
type i440fx, which has only PCI. Changing the type of an installed Windows may ask for a new activation, and its
network cards get new names; ``pcie=0`` works as well for most cards.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, passed, unknown
from pvekit.passthrough.vmrules import at, in_question, lacks, named, on, q35, said

TITLE = "pcie=1 without the machine type q35"
LAYER = Layer.VM
SOURCES = ("qemu-server PVE/QemuServer/PCI.pm, parse_hostpci_devices()", "pve-docs qm-pci-passthrough.adoc")
_REMEDY = Remedy(
    "Set the machine type to q35 (qm set VMID --machine q35), or take pcie=1 out of the hostpci line.",
    risk="An installed Windows sees new hardware and may ask for activation; network cards in the guest get new names.",
)


def check(vms: VmConfigs | Missing, target: Target | Missing, start: StartLog | Missing) -> Outcome | None:
    """Compare pcie=1 with the machine type."""
    hit = said(r"q35 machine model is not enabled", start)
    asking = [vm for vm in in_question(vms, target) if any(on(entry.options.get("pcie")) for entry in vm.hostpci)]
    for vm in asking:
        if not q35(vm) and ("machine" in vm.values or lacks(vm, "machine")):
            entry = next(entry for entry in vm.hostpci if on(entry.options.get("pcie")))
            said_too = (hit[1],) if hit else ()
            return failed(
                f"{named(vm)} passes {entry.key} as PCI Express, and its machine type is not q35",
                entry.line, *at(vm, "machine"), *said_too, remedy=_REMEDY,
            )  # fmt: skip
    if asking and all(q35(vm) for vm in asking):
        return passed("the machine type is q35", *at(asking[0], "machine"))
    if hit is not None:
        return failed(
            "PVE refused the start: pcie=1 needs the machine type q35",
            hit[1], remedy=_REMEDY, confidence=Confidence.MEDIUM,
        )  # fmt: skip
    if asking:
        return unknown(
            "a device is passed as PCI Express; the machine type is not in the part of the configuration that is here",
            missing=("vm.conf",),
        )
    return None
