"""The start took longer than PVE waits, because all of the guest's memory has to be pinned first.

Pinning grows with the memory. PVE waits 30 seconds, or one second for each GiB of a large VM, and since qemu-server
8.0.8 four times as long when a device is passed through. A start that ends with ``got timeout`` may also hang in a
reset of the device: that is the likelier reason when the memory is small.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.pveversion import PveVersion
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, passed, unknown
from pvekit.passthrough.vmrules import at, in_question, memory, numbers, said

TITLE = "Start timed out while memory was pinned"
LAYER = Layer.VM
SOURCES = ("qemu-server PVE/QemuServer/Helpers.pm, config_aware_timeout()", "qemu-server changelog, 8.0.8")
_LARGE_MIB = 32 * 1024
_WAITS_LONGER = (8, 0, 8)
_REMEDY = Remedy(
    "Start it with a longer limit (qm start VMID --timeout 600), update qemu-server, or give the VM less memory; "
    "1-GiB huge pages make pinning quick.",
    risk="Huge pages are lost for everything else.",
)


def check(
    vms: VmConfigs | Missing, target: Target | Missing, start: StartLog | Missing, version: PveVersion | Missing
) -> Outcome | None:
    """Compare a timeout with the VM's memory."""
    hit = said(r"(?:TASK ERROR: |start failed: ).*got timeout|^got timeout$", start)
    found = in_question(vms, target)
    if hit is None:
        if isinstance(start, Missing) or not start.started or not found:
            return None
        return passed("the start was in time", start.entries[-1].line)
    if not found:
        return unknown("the start timed out; whether the VM is large is not known", hit[1], missing=("vm.conf",))
    large = next((vm for vm in found if (memory(vm) or 0) >= _LARGE_MIB and not vm.values.get("hugepages")), None)
    if large is None:
        return None
    package = "" if isinstance(version, Missing) else version.packages.get("qemu-server", "")
    old = bool(package) and numbers(package) < _WAITS_LONGER
    return failed(
        f"the start of a VM with {(memory(large) or 0) // 1024} GiB timed out"
        + (f", and qemu-server {package} does not wait longer for passthrough" if old else ""),
        hit[1], *at(large, "memory"),
        *((version.lines["qemu-server"],) if old and not isinstance(version, Missing) else ()),
        remedy=_REMEDY, confidence=Confidence.LOW,
    )  # fmt: skip
