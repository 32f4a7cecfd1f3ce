"""One device is in two hostpci lines of the same VM, or a line has both an address and a mapping.

PVE refuses the start: ``device '0000:01:00.0' assigned more than once``, or ``Cannot set both 'host' and 'mapping'``.
``01:00`` means all functions, so a second line with ``01:00.1`` for the sound is one too many. QEMU says of the second
one ``device is already attached``.
"""

from __future__ import annotations

from itertools import combinations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import HostPci, VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.vmrules import in_question, named, said, same_device

TITLE = "Device assigned twice"
LAYER = Layer.VM
SOURCES = (
    "qemu-server PVE/QemuServer/PCI.pm, choose_hostpci_devices() and parse_hostpci()",
    "QEMU hw/vfio/pci.c and container.c, vfio_attach_device()",
)
_SAID = r"device '[^']+' assigned more than once|Cannot set both 'host' and 'mapping'|device is already attached"
_REMEDY = Remedy("Leave one of the two; 01:00 without a function passes all functions.")


def _overlap(one: HostPci, other: HostPci) -> bool:
    if "mdev" in one.options or "mdev" in other.options:
        return False
    return any(same_device(first, second) for first in one.host for second in other.host)


def check(vms: VmConfigs | Missing, target: Target | Missing, start: StartLog | Missing) -> Outcome | None:
    """Compare the lines with each other."""
    hit = said(_SAID, start)
    also = () if hit is None else (hit[1],)
    for vm in in_question(vms, target):
        for entry in vm.hostpci:
            if entry.host and entry.mapping:
                return failed(f"{entry.key} of {named(vm)} has both an address and a mapping", entry.line, *also,
                              remedy=_REMEDY)  # fmt: skip
        for one, other in combinations(vm.hostpci, 2):
            if _overlap(one, other):
                return failed(f"{one.key} and {other.key} of {named(vm)} pass the same device", one.line, other.line,
                              *also, remedy=_REMEDY)  # fmt: skip
    if hit is not None:
        return failed(f"the start was refused: {hit[0][0]}", hit[1], remedy=_REMEDY, confidence=Confidence.MEDIUM)
    single = next((vm for vm in in_question(vms, target) if vm.hostpci), None)
    return None if single is None else passed("no device is passed twice", single.hostpci[0].line)
