"""A bridge (a root port or a port of a switch) is in hostpci, and not the device behind it.

vfio-pci takes only ordinary devices. PVE leaves bridges with their driver, and QEMU then ends with ``error getting
device from group``. The device to pass is the one on the bus behind the bridge: for a port 00:01.0 usually 01:00.
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.devices import Devices
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.vmrules import given, in_question, named

TITLE = "A bridge is passed through"
LAYER = Layer.VM
SOURCES = (
    "Linux drivers/vfio/pci/vfio_pci.c, vfio_pci_probe() and vfio_pci_core.c, vfio_pci_core_register_device()",
    "pve-common PVE/SysFSTools.pm, pci_dev_group_bind_to_vfio()",
)
_PORT = "0604"
_REMEDY = Remedy("Put the address of the card itself into hostpci; lspci -tv shows what is behind the bridge.")


def check(vms: VmConfigs | Missing, target: Target | Missing, devices: Devices | Missing) -> Outcome | None:
    """Look up the class of each device that is passed."""
    seen = None
    for vm in in_question(vms, target):
        for entry in vm.hostpci:
            for device in given(entry, devices):
                seen = device
                if device.klass == _PORT:
                    return failed(f"{entry.key} of {named(vm)} passes {device.bdf}, which is a bridge", entry.line,
                                  device.line, remedy=_REMEDY)  # fmt: skip
    return None if seen is None or not seen.klass else passed("no bridge is passed", seen.line)
