"""Another VM has the device. PVE keeps a list of what each running VM took, and refuses a second one.

``PCI device '0000:01:00.0' already in use by VMID '101'``; while the other one starts: ``is currently reserved for
use``. Two VMs may name the same device as long as they do not run at the same time.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.vmrules import covers, said

TITLE = "Another VM has the device"
LAYER = Layer.VM
SOURCES = ("qemu-server PVE/QemuServer/PCI.pm, reserve_pci_usage()",)
_SAID = r"PCI device '([^']+)' (?:already in use by (?:running )?VMID|is currently reserved for use by VMID) '(\d+)'"
_OVERLAP = 2


def check(vms: VmConfigs | Missing, target: Target | Missing, start: StartLog | Missing) -> Outcome | None:
    """Look for the refusal, then for VMs that name the same device."""
    hit = said(_SAID, start)
    if hit is not None:
        remedy = Remedy(f"Shut down VM {hit[0][2]} first, or take the device out of one of the two.")
        return failed(f"VM {hit[0][2]} has {hit[0][1]}", hit[1], remedy=remedy, confidence=Confidence.MEDIUM)
    if isinstance(vms, Missing) or isinstance(target, Missing):
        return None
    named = [
        (vm, entry)
        for vm in vms.vms
        for entry in vm.hostpci
        if any(covers(host, bdf) for host in entry.addresses for bdf in target.bdfs)
    ]
    if len({vm.file for vm, _ in named}) >= _OVERLAP:
        return noted("several VMs name this device; only one of them can run", *(entry.line for _, entry in named))
    if named and len(vms.vms) > 1:
        return passed("no other VM names this device", named[0][1].line)
    return None
