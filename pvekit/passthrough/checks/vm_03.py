"""An old NVIDIA driver (before 465) refuses to work in a virtual machine with a GeForce card: Code 43 in Windows.

The driver looked for the signature of the hypervisor. From release 465 on NVIDIA supports GeForce cards in a VM, and
hiding the hypervisor (``hidden=1``, ``kvm=off``) is no longer needed. PVE hides it by itself when ``x-vga=1`` is set.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.guestdevices import GuestDevices
from pvekit.passthrough.facts.guestdriver import GuestDriver
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfig, VmConfigs
from pvekit.passthrough.guestcard import nvidia_card
from pvekit.passthrough.knowledge import CODE_43_GONE_SINCE
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.vmrules import at, cpu, in_question, named, on

TITLE = "Old NVIDIA driver sees the hypervisor (Code 43)"
LAYER = Layer.GUEST
SOURCES = (
    "NVIDIA: GeForce GPU Passthrough for Windows Virtual Machine (Beta), driver release 465, 2021",
    "qemu-server PVE/QemuServer/PCI.pm and CPUConfig.pm",
)
_REMEDY = Remedy("Install a driver of release 465 or newer in the guest, or hide the hypervisor (cpu: host,hidden=1).")


def _hidden(vm: VmConfig) -> bool:
    marked = any(on(entry.options.get("x-vga")) for entry in vm.hostpci)
    return on(cpu(vm).get("hidden")) or marked or "kvm=off" in vm.values.get("args", "")


def _asked_to_hide(vm: VmConfig) -> bool:
    return on(cpu(vm).get("hidden")) or "kvm=off" in vm.values.get("args", "")


def check(
    vms: VmConfigs | Missing, target: Target | Missing, driver: GuestDriver | Missing, guest: GuestDevices | Missing
) -> Outcome | None:
    """Compare the driver's release with what the guest sees of the hypervisor."""
    version = () if isinstance(driver, Missing) else driver.version
    for vm in in_question(vms, target):
        if isinstance(driver, Missing) or not version:
            break
        if version[0] < CODE_43_GONE_SINCE and driver.works is False and not _hidden(vm):
            card = nvidia_card(guest, target)
            if card is not None and "GeForce" not in card.name:
                return None
            return failed(
                f"the driver {'.'.join(map(str, version))} does not work where it sees a hypervisor, and "
                f"{named(vm)} shows it",
                *driver.evidence, *at(vm, "cpu"), remedy=_REMEDY,
                confidence=Confidence.LOW if card is None else Confidence.MEDIUM,
            )  # fmt: skip
        if version[0] >= CODE_43_GONE_SINCE and _asked_to_hide(vm):
            return noted(
                f"hiding the hypervisor is not needed with the driver {'.'.join(map(str, version))}",
                *at(vm, "cpu", "args"),
            )
        if version[0] >= CODE_43_GONE_SINCE:
            return passed("the driver does not mind a hypervisor", *driver.evidence)
    for vm in in_question(vms, target):
        if _asked_to_hide(vm):
            return noted("the hypervisor is hidden from the guest; NVIDIA's drivers since release 465 do not need it",
                         *at(vm, "cpu", "args"))  # fmt: skip
    return None
