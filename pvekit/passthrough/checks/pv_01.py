"""A kernel is pinned, and it is not the one that runs - or it is not the newest.

``proxmox-boot-tool kernel pin`` keeps one kernel over all updates. Who forgets it looks for the effect of a new
kernel, or of an option, on the wrong one. Nothing is broken by it.
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.boot import Boot
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.knowledge import release_key
from pvekit.passthrough.outcome import Outcome, noted, passed

TITLE = "A kernel is pinned"
LAYER = Layer.KERNEL_OPTION
SOURCES = ("pve-docs system-booting.adoc, proxmox-boot-tool kernel pin",)
_REMEDY = Remedy(
    "Take the pin away with proxmox-boot-tool kernel unpin, or pin the right kernel, and restart the host."
)


def _key(release: str) -> tuple[int, ...]:
    try:
        return release_key(release)
    except ValueError:
        return ()


def check(boot: Boot | Missing, kernel: Kernel | Missing) -> Outcome | None:
    """Compare the pin with the running kernel."""
    if isinstance(boot, Missing) or isinstance(kernel, Missing) or not boot.pinned:
        return None
    if boot.pinned != kernel.release:
        return noted(f"{boot.pinned} is pinned, and {kernel.release} runs", kernel.line, *boot.evidence[:2],
                     remedy=_REMEDY)  # fmt: skip
    newest = max(boot.kernels, key=_key, default="")
    if newest and _key(newest) > _key(boot.pinned):
        return noted(f"{boot.pinned} is pinned; {newest} is installed as well", kernel.line, *boot.evidence[:2])
    return passed("the pinned kernel runs", kernel.line)
