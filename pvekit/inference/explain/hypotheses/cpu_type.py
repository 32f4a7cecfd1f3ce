"""The VM's CPU type hides AVX2 from the guest.

With `cpu: x86-64-v2-AES` or `kvm64` the guest sees no AVX2, and llama.cpp loads its SSE4.2 kernels without a word.
Measured per core, that costs 3 to 7 times in decode and 5 to 14 times in prefill. Signs: no avx2 in the
guest's /proc/cpuinfo, `libggml-cpu-sse42.so` in the log, prefill hardly faster than decode, and decode that grows in
proportion to the threads.
"""

from __future__ import annotations

from pvekit.inference.explain import slow_kernels
from pvekit.inference.explain.case import Case, below
from pvekit.inference.explain.weighed import Side, Weighed, because
from pvekit.inference.explanation import Evidence
from pvekit.inference.hardware import Isa

TITLE = "the VM's CPU type hides AVX2"
SIDE = Side.CPU
PRIOR = 0.2
REMEDY = "Set cpu: host (or x86-64-v3 where VMs move between nodes) and start the VM anew."

_HIDING = ("kvm64", "kvm32", "qemu64", "qemu32", "x86-64-v2", "x86-64-v2-aes", "core2duo", "nehalem", "westmere",
           "sandybridge", "ivybridge")  # fmt: skip
_SHOWING = ("host", "max", "x86-64-v3", "x86-64-v4", "haswell", "broadwell", "skylake", "cascadelake", "icelake",
            "epyc", "sapphirerapids", "cooperlake")  # fmt: skip


def judge(case: Case) -> Weighed | None:
    """Weigh it: the VM's CPU type and the guest's instructions where they were read, else how it computes."""
    if case.guest.virtual is False:
        return Weighed(None, False, (because("there is no VM", -9.0, case.where("guest.virtual")),))
    if case.guest.isa is not None and not below(case.guest.isa, Isa.AVX2):
        words = f"the guest shows {case.guest.isa}"
        return Weighed(None, False, (because(words, -9.0, case.where("guest.isa")),))
    kind = (case.host.cpu_type or "").split(",")[0].removeprefix("cputype=").lower()
    evidence = _silent(case) if case.guest.virtual is None and not kind else []
    if kind:
        seen = case.where("host.cpu_type")
        if any(kind.startswith(one) for one in _SHOWING):
            return Weighed(None, False, (because(f"the VM's CPU type is {kind}, which shows AVX2", -9.0, seen),))
        if kind in _HIDING and not slow_kernels.shown(case):
            evidence.append(because(f"the VM's CPU type is {kind}, which hides AVX2", 2.0, seen))
            isa = Isa.AVX if kind in ("sandybridge", "ivybridge") else Isa.SSE42
            return slow_kernels.weigh(case, evidence, read=True, by_type=isa)
    # The loaded backend alone does not say whether the guest or the build lacks AVX2.
    return slow_kernels.weigh(case, evidence, read=bool(case.guest.virtual) and case.guest.isa is not None)


def _silent(case: Case) -> list[Evidence]:
    """Return what it says that nobody speaks of a VM: much of a desktop system, little of a server."""
    if seen := case.sign("desktop"):
        return [because("it is a desktop system, and nobody speaks of a VM", -3.0, seen)]
    return [because("nobody said that it runs in a VM", -0.9)]
