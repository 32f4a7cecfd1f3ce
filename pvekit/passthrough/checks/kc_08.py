"""The running Proxmox VE kernel has a known fault that breaks passthrough, and its sign was seen.

Which kernels these are stands in pvekit's dated list: 6.11.0-1 joins IOMMU groups (fixed in 6.11.0-2), 6.14 before
6.14.8-2 fails with devices without power management (see RS-04), 7.0.2-2 brings nova_core (gone with 7.0.2-3),
7.0.14-1 and -2 hang when a card is taken from amdgpu (fixed in 7.0.14-3). Without the sign the kernel alone is a
note.
"""

from __future__ import annotations

from pvekit.model.bundle import Line
from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.knowledge import KERNEL_REGRESSIONS
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "This Proxmox VE kernel has a known fault"
LAYER = Layer.KERNEL_OPTION
FOLLOWS = ("RS-04", "DB-09")
SOURCES = (
    "proxmox-kernel debian/changelog: 6.11.0-2, 6.14.8-2, 7.0.2-3, 7.0.14-3",
    "proxmox-kernel commits 21160cc, 99f1d96 and d741df4",
)
_SIGNS: dict[str, Pattern] = {
    "acs-quirk": Pattern(r"group \d+ is not viable"),
    "no-pm": Pattern(
        r"error getting device from group \d+: Permission denied|error getting device info: Input/output error"
    ),
    "nova-core": Pattern(r"is already bound to NovaCore"),
    "amdgpu-ism": Pattern(r"dm_ism_sso_delayed_work_func|dm_ism_commit_idle_optimization_state"),
}


def check(kernel: Kernel | Missing, log: KernelLog | Missing, start: StartLog | Missing) -> Outcome | None:
    """Look the kernel up, then look for the sign."""
    if isinstance(kernel, Missing) or not kernel.pve:
        return None
    known = [item for item in KERNEL_REGRESSIONS if item.has(kernel)]
    for item in known:
        line = _sign(_SIGNS[item.word], log, start)
        if line is not None:
            return failed(
                f"the kernel {kernel.release} is known for this: {item.text}", kernel.line, line,
                remedy=Remedy(item.remedy), confidence=Confidence.MEDIUM,
            )  # fmt: skip
    if known:
        text = "; ".join(item.text for item in known)
        remedy = Remedy(" ".join(item.remedy for item in known))
        return noted(f"the kernel {kernel.release} has a known fault: {text}", kernel.line, remedy=remedy)
    return passed(f"no fault of the kernel {kernel.release} that breaks passthrough is known", kernel.line)


def _sign(pattern: Pattern, log: KernelLog | Missing, start: StartLog | Missing) -> Line | None:
    for source in (log, start):
        hit = None if isinstance(source, Missing) else source.first(pattern)
        if hit is not None:
            return hit[1]
    return None
