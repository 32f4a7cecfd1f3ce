"""The card resets itself while the VM uses it.

``vfio_bar_restore: reset recovery - restoring BARs`` says that vfio found the card's addresses gone: it was reset
behind the VM's back. One or two of these at the start of a guest are its driver's own reset. Many in a row, or some
together with PCIe errors, mean that the card loses its link or its power: riser, slot, cable, power supply. A card
that failed in a reset or sleeps (RS-01 to RS-05) gives the same line.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.aimed import ADDRESS, said_of_target
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, noted
from pvekit.passthrough.pattern import Pattern

TITLE = "The card resets itself under the VM"
LAYER = Layer.RESET
FOLLOWS = ("RS-01", "RS-02", "RS-03", "RS-05", "RS-08", "RS-11", "RO-07")
SOURCES = (
    "Linux drivers/vfio/pci/vfio_pci_config.c, vfio_bar_restore()",
    "Linux drivers/pci/pcie/aer.c, aer_print_error()",
)
_REMEDY = Remedy("Check riser, slot, power cables and power supply; try a lower PCIe speed in the firmware setup.")
_RESTORED = Pattern(rf"(?:vfio-pci )?{ADDRESS}:? (?:vfio_bar_restore: )?reset recovery - restoring (?:BARs|bars)")
_AER = Pattern(rf"{ADDRESS}: (?:AER: )?PCIe Bus Error: severity=Uncorrect(?:ed|able)")
_MANY, _SOME = 8, 3


def check(log: KernelLog | Missing, target: Target | Missing) -> Outcome | None:
    """Count the restored BARs of each function."""
    said = said_of_target(log, _RESTORED, target)
    if not said:
        return None
    most = max(sum(1 for item in said if item.bdf == bdf) for bdf in {item.bdf for item in said})
    errors = said_of_target(log, _AER, target)
    if most >= _MANY or (most >= _SOME and errors):
        return failed(
            f"{said[0].bdf} was reset {most} times while the VM had it",
            said[0].line,
            said[-1].line,
            *(item.line for item in errors[:1]),
            remedy=_REMEDY,
            confidence=Confidence.MEDIUM,
        )
    return noted(f"{said[0].bdf} was reset from inside the guest, as drivers do", said[0].line)
