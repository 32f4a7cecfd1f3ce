"""All functions of a slot are passed, and the slot holds a card whose virtual functions are in use (SR-IOV).

``hostpci0: 00:02`` means every function, so PVE also takes the physical function from its driver. The driver then
removes the virtual functions, and the start ends with ``no pci device info for device '0000:00:02.1'``. A virtual
function is passed by its full address, for example 00:02.1.
"""

from __future__ import annotations

from pvekit.model.bundle import Line
from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, passed, unknown
from pvekit.passthrough.pattern import Pattern
from pvekit.passthrough.vmrules import given, in_question, named, said

TITLE = "The physical function goes along with its virtual functions"
LAYER = Layer.VM
SOURCES = (
    "qemu-server PVE/QemuServer/PCI.pm, parse_hostpci(); pve-common PVE/SysFSTools.pm, lspci()",
    "Linux drivers/pci/iov.c, sriov_disable()",
)
_REMEDY = Remedy("Name the virtual function with its number, for example hostpci0: 0000:00:02.1.")
_GONE = r"no pci device info for device '[0-9a-f:]+\.[1-7]'"
_VIRTUAL = r"Running in SR-IOV VF mode|Enabled \d+ VFs"
_FUNCTION = Pattern(r"\.[1-7]$")
_COUNT = Pattern(r"Number of VFs: (\d+)")


def _virtual(device: Device) -> Line | None:
    """Return the line that tells that a device has virtual functions now."""
    if device.sysfs is not None and device.sysfs.values.get("sriov_numvfs", "0") not in {"", "0"}:
        return device.sysfs.line
    if device.listed is not None:
        for line in device.listed.capability("SR-IOV"):
            found = _COUNT.search(line.text)
            if found is not None and int(found[1]):
                return line
    return None


def check(
    vms: VmConfigs | Missing, target: Target | Missing, devices: Devices | Missing, start: StartLog | Missing,
    log: KernelLog | Missing,
) -> Outcome | None:  # fmt: skip
    """Look for a whole slot with virtual functions."""
    gone = said(_GONE, start)
    virtual = said(_VIRTUAL, log)
    seen = None
    for vm in in_question(vms, target):
        for entry in vm.hostpci:
            whole = any("." not in host for host in entry.addresses)
            evidence = next((line for device in given(entry, devices) if (line := _virtual(device))), None)
            if whole and evidence is not None:
                return failed(f"{entry.key} of {named(vm)} passes the physical function with its virtual ones",
                              entry.line, evidence, *((gone[1],) if gone else ()), remedy=_REMEDY)  # fmt: skip
            if whole and gone is not None:
                return failed(f"{entry.key} of {named(vm)} passes a whole slot, and a function of it vanished at start",
                              entry.line, gone[1], remedy=_REMEDY, confidence=Confidence.MEDIUM)  # fmt: skip
            if virtual is not None and any(_FUNCTION.search(host) for host in entry.addresses):
                seen = entry
    if gone is not None and virtual is not None and seen is None:
        return failed("a virtual function vanished while the VM was started", gone[1], virtual[1], remedy=_REMEDY,
                      confidence=Confidence.MEDIUM)  # fmt: skip
    if gone is not None:
        return unknown("a function vanished while the VM was started", gone[1], missing=("vm.conf", "lspci.txt"))
    return None if seen is None else passed("the virtual function is passed by its full address", seen.line)
