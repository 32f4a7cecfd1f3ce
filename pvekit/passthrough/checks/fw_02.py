"""Hardware virtualization (VT-x on Intel, SVM on AMD) is switched off in the firmware.

That is another switch than VT-d or AMD-Vi, and without it KVM cannot run at all. The kernel says ``x86/cpu: VMX
(outside TXT) disabled by BIOS``, ``kvm: disabled by bios`` or ``SVM disabled (by BIOS) in MSR_VM_CR``, takes
``vmx`` or ``svm`` off the flags in ``/proc/cpuinfo``, and there is no ``/dev/kvm``. Proxmox VE says ``KVM
virtualisation configured, but not available``. ``SGX disabled by BIOS`` is about something else and does no harm.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.processor import Processor
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.outcome import Outcome, failed, passed, unknown
from pvekit.passthrough.pattern import Pattern

TITLE = "Hardware virtualization is switched off in the firmware"
LAYER = Layer.FIRMWARE
SOURCES = (
    "Linux arch/x86/kernel/cpu/feat_ctl.c, init_ia32_feat_ctl()",
    "Linux arch/x86/kernel/cpu/amd.c, init_amd()",
    "Linux arch/x86/kvm/vmx/vmx.c and svm/svm.c, kvm_is_vmx_supported() and kvm_is_svm_supported()",
    "qemu-server src/PVE/QemuServer.pm, config_to_command()",
)
_REMEDY = Remedy(
    'Switch on VT-x ("Intel Virtualization Technology") or SVM in the firmware setup. In a virtual machine, switch '
    "on nested virtualization."
)
_DISABLED = Pattern(
    r"VMX \(outside TXT\) disabled by BIOS|\bkvm(?:_intel|_amd)?: (?:support for '\w+' )?disabled by bios"
    r"|VMX not enabled \(by BIOS\)|SVM disabled \(by BIOS\)"
)
_NO_KVM = Pattern(r"KVM virtualisation configured, but not available")
_WHOLE = 30
"""A list of fewer flags than this is a search's result, not all of a processor's."""


def check(
    processor: Processor | Missing, log: KernelLog | Missing, start: StartLog | Missing
) -> Outcome | None:  # fmt: skip
    """Look at the flags, then at what the kernel says."""
    flags = None if isinstance(processor, Missing) or isinstance(processor.flags, Missing) else processor.flags
    if flags is not None and not isinstance(processor, Missing) and flags & {"vmx", "svm"}:
        return passed("the processor offers hardware virtualization", processor.line)
    hit = None if isinstance(log, Missing) else log.first(_DISABLED)
    if hit is not None:
        return failed("the kernel found hardware virtualization switched off by the firmware", hit[1], remedy=_REMEDY)
    if flags is not None and len(flags) >= _WHOLE and not isinstance(processor, Missing):
        return failed("the processor's flags have neither vmx nor svm", processor.line, remedy=_REMEDY)
    asked = None if isinstance(start, Missing) else start.first(_NO_KVM)
    if asked is None:
        return None
    if isinstance(log, Missing) or not log.whole:
        return failed(
            "KVM is not available on this host", asked[1], remedy=_REMEDY, confidence=Confidence.MEDIUM
        )  # fmt: skip
    return unknown("KVM is not available, and the kernel log does not say why", asked[1], missing=("cpuinfo.txt",))
