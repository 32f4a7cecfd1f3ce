"""The card's reset method is not the one that vendor-reset provides.

From Linux 5.15 on the kernel picks a reset method by ``/sys/bus/pci/devices/.../reset_method``, and vendor-reset is
used only when ``device_specific`` stands first there; without it the card gets the bus reset that it does not
survive. ``Unsupported reset method 'device_specific'`` means that the module is not loaded or does not know the
device.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.aimed import ADDRESS, is_target
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.modules import LoadedModules
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pattern import Pattern
from pvekit.passthrough.resets import Sign, failures, has_reset_bug

TITLE = "vendor-reset is there but not used for the card"
LAYER = Layer.RESET
SOURCES = (
    "Linux drivers/pci/pci.c, reset_method_store() and pci_init_reset_methods()",
    "gnif/vendor-reset README.md and src/hook.c",
)
_REMEDY = Remedy(
    "Load vendor_reset early (/etc/modules and the initramfs), then set device_specific as reset_method of the card "
    "by a udev rule."
)
_REFUSED = Pattern(rf"{ADDRESS}: Unsupported reset method 'device_specific'")
_SINCE = (5, 15)


def check(
    target: Target | Missing, log: KernelLog | Missing, modules: LoadedModules | Missing, kernel: Kernel | Missing
) -> Outcome | None:
    """Compare the reset method with the module."""
    if not isinstance(log, Missing):
        for match, line in log.find(_REFUSED):
            if is_target(Bdf.parse(match["bdf"]), target) is not False:
                return failed(
                    f"the kernel has no device_specific reset for {match['bdf']}: vendor-reset is not loaded or does "
                    "not know the card",
                    line,
                    remedy=_REMEDY,
                    confidence=Confidence.MEDIUM,
                )
    card = None if isinstance(target, Missing) else target.card
    if card is None or not has_reset_bug(card) or card.sysfs is None or card.sysfs.reset is None:
        return None
    methods = card.sysfs.reset
    if methods[:1] == ("device_specific",):
        return passed(f"{card.bdf} is reset by vendor-reset", card.sysfs.line)
    loaded = None if isinstance(modules, Missing) else modules.lines.get("vendor_reset")
    if loaded is None or isinstance(kernel, Missing) or kernel.version[:2] < _SINCE:
        return None
    message = f"vendor-reset is loaded, but {card.bdf} is reset by {' '.join(methods) or 'nothing'}"
    how = failures(log, target)
    bad = how.gave_up(Sign.BUS)
    if not bad:
        return noted(message, loaded, card.sysfs.line, remedy=_REMEDY)
    return failed(message, loaded, card.sysfs.line, bad[0].line, remedy=_REMEDY)
