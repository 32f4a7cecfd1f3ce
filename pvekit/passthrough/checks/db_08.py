"""A file in /etc/modprobe.d is not read, or an option in it is not understood.

modprobe reads only files that end in ``.conf``, passes over lines that it does not know (``option`` instead of
``options``), and the kernel ignores unknown parameters: ``vfio_pci: unknown parameter 'id' ignored``. Only a card
that is not on vfio-pci makes this a fault.
"""

from __future__ import annotations

from pvekit.model.bundle import Line
from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.binding import wanted_by, wanted_ids
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.members import on_vfio
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "The modprobe configuration for vfio is not read"
LAYER = Layer.BINDING
SOURCES = ("modprobe.d(5)", "Linux kernel/module/main.c, unknown_module_param_cb()", "kmod libkmod/libkmod-config.c")
_UNKNOWN = Pattern(r"vfio[-_]pci: unknown parameter '([^']+)' ignored")
_OURS = Pattern(r"vfio")
_REMEDY = Remedy(
    "Name the file *.conf, correct the line (options vfio-pci ids=vendor:device), update-initramfs, reboot."
)
_KNOWN = frozenset(
    {"ids", "nointxmask", "disable_vga", "disable_idle_d3", "enable_sriov", "disable_denylist", "disable_blacklist"}
)


def check(
    modprobe: Modprobe | Missing, log: KernelLog | Missing, target: Target | Missing, cmdline: Cmdline | Missing
) -> Outcome | None:
    """Look for vfio settings that have no effect."""
    lines: list[Line] = []
    if not isinstance(modprobe, Missing):
        for item in modprobe.settings:
            vfio = item.module.startswith("vfio") or any("vfio" in word for word in item.words)
            odd = item.module == "vfio_pci" and item.kind == "options" and any(
                word.partition("=")[0] not in _KNOWN for word in item.words
            )  # fmt: skip
            if (vfio and item.ignored) or odd:
                lines.append(item.line)
        lines += [line for line in modprobe.broken if _OURS.search(line.text)]
    if not isinstance(log, Missing):
        lines += [line for _, line in log.find(_UNKNOWN)]
    card = None if isinstance(target, Missing) else target.card
    wanted = None if card is None else wanted_by(card, wanted_ids(modprobe, cmdline))
    if not lines:
        return passed("the vfio configuration is read", wanted) if wanted is not None else None
    if wanted is not None or card is None or on_vfio(card):
        return noted("part of the vfio configuration has no effect", *lines, remedy=_REMEDY)
    return failed(
        "the vfio configuration for the card has no effect", *lines, card.driver_line, remedy=_REMEDY,
        confidence=Confidence.HIGH if card.driver is not None else Confidence.MEDIUM,
    )  # fmt: skip
