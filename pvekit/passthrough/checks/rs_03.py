"""The card sleeps (D3hot, D3cold) and cannot be woken.

While no VM runs, vfio-pci puts the card to sleep, and the port above may switch its power off. Then ``Unable to
change power state from D3cold to D0, device inaccessible`` (before 5.19 ``can't change power state``, before that
``Refused to change power state``) and QEMU's ``Unable to power on device, stuck in D3``.

A card that died for another reason gives the same messages. When a reset failed before (RS-01, RS-02), that is the
cause.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.parameters import Parameters
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.pattern import Pattern
from pvekit.passthrough.resets import Sign, failures

TITLE = "The card cannot be woken from a sleep state"
LAYER = Layer.RESET
FOLLOWS = ("RS-01", "RS-02", "RO-07", "DB-12", "FW-09")
SOURCES = (
    "Linux drivers/pci/pci.c, pci_power_up()",
    "QEMU hw/vfio/pci.c, vfio_pci_pre_reset()",
    "Linux drivers/vfio/pci/vfio_pci.c, parameter disable_idle_d3",
)
_REMEDY = Remedy(
    "Switch the host off and on. Then keep the card awake: options vfio-pci disable_idle_d3=1 below "
    "/etc/modprobe.d, or echo 0 > /sys/bus/pci/devices/ADDRESS/d3cold_allowed.",
    risk="the card takes more power while no VM runs",
)
_QEMU = Pattern(r"vfio: Unable to power on device, stuck in D3")
_OTHERS = (Sign.BUS, Sign.FLR, Sign.VENDOR)


def check(
    log: KernelLog | Missing, start: StartLog | Missing, target: Target | Missing, parameters: Parameters | Missing
) -> Outcome | None:
    """Look for a device that did not wake up, and for what came before it."""
    how = failures(log, target)
    asleep = how.of(Sign.D3)
    qemu = None if isinstance(start, Missing) else start.first(_QEMU)
    if not asleep and qemu is None:
        awake = None if isinstance(parameters, Missing) else parameters.values.get("vfio_pci.disable_idle_d3")
        return passed("vfio-pci does not put devices to sleep", awake[1]) if awake and awake[0] in ("Y", "1") else None
    first = how.first(Sign.D3, *_OTHERS)
    evidence = [item.line for item in asleep[:1]] + ([qemu[1]] if qemu else [])
    return failed(
        f"{asleep[0].bdf if asleep else 'the card'} does not wake up from its sleep state",
        *evidence,
        remedy=_REMEDY,
        confidence=Confidence.LOW if first in _OTHERS else Confidence.MEDIUM,
    )
