"""The card works with a shared INTx interrupt instead of MSI.

A line that other devices share must be masked by the device itself. Cards that do it wrongly bring interrupt storms
(``irq 16: nobody cared`` with ``vfio_intx_handler`` among the handlers), and a card that cannot do it at all may have
the line only for itself: QEMU says ``Failed to setup INTx fd: Device or resource busy``. With MSI none of this
arises. INTx alone is no fault: a guest uses it until its driver switches MSI on.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.interrupts import Interrupts
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.members import names
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "The card shares an INTx interrupt"
LAYER = Layer.REMAPPING
SOURCES = (
    "Linux drivers/vfio/pci/vfio_pci_intrs.c, vfio_intx_set_signal()",
    "Linux kernel/irq/spurious.c, __report_bad_irq()",
    "Linux kernel/irq/manage.c, __setup_irq(): genirq: Flags mismatch",
    "QEMU hw/vfio/pci.c, vfio_intx_enable()",
)

_BUSY = Pattern(
    r"(?i)failed to setup INTx fd: Device or resource busy"
    r"|signaling for interrupt INTX-\d+: .*Device or resource busy"
)
_MISMATCH = Pattern(r"genirq: Flags mismatch irq \d+\. .*vfio-intx\(")
_STORM = Pattern(r"irq (\d+): nobody cared")
_HANDLER = Pattern(r"vfio_intx_handler")
_REMEDY = Remedy(
    "Let the guest use MSI (Windows: MSISupported=1 in the registry). If the card masks INTx wrongly: "
    "options vfio-pci nointxmask=1, and free the line of other devices (another slot)."
)


def check(
    log: KernelLog | Missing, start: StartLog | Missing, interrupts: Interrupts | Missing, target: Target | Missing
) -> Outcome | None:
    """Look for refused and for stormy INTx lines."""
    busy = None if isinstance(start, Missing) else start.first(_BUSY)
    mismatch = None if isinstance(log, Missing) else log.first(_MISMATCH)
    if busy is not None or mismatch is not None:
        return failed(
            "the card cannot share its INTx line, and another device holds it",
            *[hit[1] for hit in (busy, mismatch) if hit is not None], remedy=_REMEDY, confidence=Confidence.MEDIUM,
        )  # fmt: skip
    rows = [] if isinstance(interrupts, Missing) else list(interrupts.rows)
    ours = [row for row in rows if "vfio-intx" in row.line.text]
    if not isinstance(target, Missing):
        ours = [row for row in ours if names(row.line, target)]
    if not isinstance(log, Missing):
        for match, line in log.find(_STORM):
            handler = log.first(_HANDLER)
            shared = [row.line for row in ours if row.number == match[1]]
            if (handler is not None and line.number <= handler[1].number) or shared:
                more = [handler[1]] if handler is not None else []
                return failed(
                    "an interrupt storm on a line that the passed-through card uses", line, *more, *shared,
                    remedy=_REMEDY, confidence=Confidence.MEDIUM, until=Layer.VM,
                )  # fmt: skip
    message = [row for row in rows if "vfio-msi" in row.line.text]
    if not isinstance(target, Missing):
        message = [row for row in message if names(row.line, target)]
    if message:
        return passed("the card uses MSI", message[0].line)
    if ours:
        return noted("the card uses INTx; the guest's driver has not switched MSI on", ours[0].line)
    return None
