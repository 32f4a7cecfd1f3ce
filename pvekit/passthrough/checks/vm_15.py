"""The VM's own IOMMU (``viommu``) is set in a way that PVE or QEMU refuses.

``viommu=intel`` needs the machine type q35 and an address width of 39 or 48 bits; ``aw-bits`` needs a ``viommu``.
With a self-made ``-device intel-iommu`` passthrough needs ``caching-mode=on``. No VM needs a ``viommu`` for plain
passthrough: it is for passing devices on inside the guest.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.vmrules import at, in_question, machine, named, q35, said

TITLE = "The VM's own IOMMU is set wrongly"
LAYER = Layer.VM
SOURCES = (
    "qemu-server PVE/QemuServer/Machine.pm, assert_valid_machine_property()",
    "QEMU hw/i386/intel_iommu.c, vtd_panic_require_caching_mode()",
)
_SAID = (
    r"to use Intel vIOMMU please set the machine type to q35|"
    r"Intel vIOMMU supports only 39 or 48 bits as address width|cannot set aw-bits if no vIOMMU is configured|"
    r"need to set caching-mode=on for intel-iommu"
)
_REMEDY = Remedy("Take viommu and aw-bits out of the machine line, unless devices are passed on inside the guest.")


def check(vms: VmConfigs | Missing, target: Target | Missing, start: StartLog | Missing) -> Outcome | None:
    """Compare the machine line with PVE's rules."""
    hit = said(_SAID, start)
    for vm in in_question(vms, target):
        found = machine(vm)
        kind, width = found.get("viommu", ""), found.get("aw-bits", "")
        if width and not kind:
            rule = "aw-bits is set without viommu"
        elif kind == "intel" and not q35(vm):
            rule = "viommu=intel is set without q35"
        elif kind == "intel" and width not in {"", "39", "48"}:
            rule = f"an address width of {width} bits is neither 39 nor 48"
        elif kind:
            return noted(f"{named(vm)} has an IOMMU of its own ({kind}); plain passthrough does not need it",
                         *at(vm, "machine"))  # fmt: skip
        else:
            continue
        return failed(f"the machine line of {named(vm)}: {rule}", *at(vm, "machine"), *((hit[1],) if hit else ()),
                      remedy=_REMEDY)  # fmt: skip
    if hit is not None:
        return failed(f"the VM's own IOMMU was refused: {hit[0][0]}", hit[1],
                      remedy=_REMEDY, confidence=Confidence.MEDIUM)  # fmt: skip
    plain = next((vm for vm in in_question(vms, target) if q35(vm)), None)
    return None if plain is None else passed("no IOMMU inside the VM", *at(plain, "machine"))
