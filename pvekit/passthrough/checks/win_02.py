"""Windows asked for processor registers (MSRs) that KVM does not have.

``unhandled rdmsr`` (or ``wrmsr``) on the host means that the guest got an exception for it. Most guests cope; some
versions of Windows and some programs stop with a blue screen. ``ignored rdmsr`` means that ``ignore_msrs=1`` is set
already. These lines are common on hosts that work, so this is a note and no fault.
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, noted, passed
from pvekit.passthrough.vmrules import in_question, windows

TITLE = "Windows reads unknown processor registers"
LAYER = Layer.GUEST
SOURCES = ("Linux arch/x86/kvm/x86.c, kvm_msr_ignored_check()",)
_REMEDY = Remedy(
    "Only if Windows stops with a blue screen at that moment: options kvm ignore_msrs=1 report_ignored_msrs=0.",
    risk="Real faults of guests become invisible.",
)


def check(vms: VmConfigs | Missing, target: Target | Missing, log: KernelLog | Missing) -> Outcome | None:
    """Look for registers that were refused."""
    if isinstance(log, Missing) or not any(windows(vm) for vm in in_question(vms, target)):
        return None
    hit = log.first(r"^kvm.*unhandled (?:rdmsr|wrmsr)")
    if hit is not None:
        return noted("the guest asked for processor registers that KVM does not have", hit[1], remedy=_REMEDY)
    hit = log.first(r"^kvm.*ignored (?:rdmsr|wrmsr)")
    return None if hit is None else passed("unknown processor registers are answered with 0", hit[1])
