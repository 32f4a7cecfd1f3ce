"""The card had not finished its transactions when it was reset.

``timed out waiting for pending transaction; performing function level reset anyway``: before a function level reset
the kernel waits until the device has no open requests. A device that does not answer seems to have some for ever.
After a failed wake-up or reset (RS-01 to RS-05) it is only a consequence; when the VM starts and works after it, it
is a warning.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, noted
from pvekit.passthrough.resets import Sign, failures

TITLE = "The card does not finish its transactions before a reset"
LAYER = Layer.RESET
FOLLOWS = ("RS-01", "RS-02", "RS-03", "RO-07", "FW-09")
SOURCES = ("Linux drivers/pci/pci.c, pcie_flr() and pci_af_flr()",)
_REMEDY = Remedy(
    "Switch the host off and on. If it comes back: let the host use another reset, echo bus > "
    "/sys/bus/pci/devices/ADDRESS/reset_method.",
    risk="a bus reset also resets the other devices of that bus",
)


def check(log: KernelLog | Missing, start: StartLog | Missing, target: Target | Missing) -> Outcome | None:
    """Look for the message and for what came before it."""
    how = failures(log, target)
    said = how.of(Sign.PENDING)
    if not said:
        return None
    message = f"{said[0].bdf} had open transactions when it was reset"
    others = (Sign.D3, Sign.BUS, Sign.FLR, Sign.VENDOR)
    if not isinstance(start, Missing) and start.started and how.first(*others) is None:
        return noted(f"{message}; the VM started all the same", said[0].line)
    first = how.first(Sign.PENDING, *others) is Sign.PENDING
    return failed(message, said[0].line, remedy=_REMEDY, confidence=Confidence.MEDIUM if first else Confidence.LOW)
