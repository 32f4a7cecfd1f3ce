"""The processor that the VM shows lacks instructions that programs on the GPU's side need, such as AVX.

The types ``kvm64``, ``qemu64``, ``x86-64-v2`` and ``x86-64-v2-AES`` have no AVX, and many builds of CUDA programs end
with ``Illegal instruction``; the guest's kernel says ``trap invalid opcode``. A program can end that way for another
reason, so this is a sign and no proof. ``cpu: host`` shows all that the host's processor has.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.vmrules import at, cpu, in_question, lacks, said

TITLE = "The VM's processor type lacks instructions"
LAYER = Layer.GUEST
SOURCES = ("qemu-server PVE/QemuServer/CPUConfig.pm", "Linux arch/x86/kernel/traps.c, show_signal()")
_WITHOUT_AVX = frozenset({"kvm64", "kvm32", "qemu64", "qemu32", "x86-64-v2", "x86-64-v2-AES"})
_REMEDY = Remedy("Set cpu: host.", risk="The VM can then be moved only to hosts with the same kind of processor.")


def check(vms: VmConfigs | Missing, target: Target | Missing, log: GuestLog | Missing) -> Outcome | None:
    """Compare the processor type with crashes in the guest."""
    hit = said(r"traps: .*trap invalid opcode", log)
    for vm in in_question(vms, target):
        if "cpu" not in vm.values and not lacks(vm, "cpu"):
            continue
        kind = cpu(vm)["cputype"]
        if kind in _WITHOUT_AVX and hit is not None:
            return failed(f"a program ended on an instruction that the processor type {kind} may lack", hit[1],
                          *at(vm, "cpu"), remedy=_REMEDY, confidence=Confidence.LOW)  # fmt: skip
        if kind in _WITHOUT_AVX:
            return noted(f"the processor type {kind} has no AVX; many CUDA programs need it", *at(vm, "cpu"),
                         remedy=_REMEDY)  # fmt: skip
        if kind in {"host", "max"}:
            return passed("the guest sees the host's processor", *at(vm, "cpu"))
    return None
