"""The card's own driver was faster than vfio-pci.

Whoever claims the card first has it. ``softdep nouveau pre: vfio-pci`` makes modprobe load vfio-pci before the
driver; for a driver in the initramfs the vfio modules must be there as well. What proves it: the driver speaks about
the card in the kernel log before ``vfio_pci: add [...]``, and still holds it.
"""

from __future__ import annotations

import re

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.binding import GPU_DRIVERS, blacklisted, held, wanted_by, wanted_ids
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Device
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.members import on_vfio
from pvekit.passthrough.outcome import Outcome, failed, passed

TITLE = "The card's driver loads before vfio-pci"
LAYER = Layer.BINDING
SOURCES = ("modprobe.d(5), softdep", "Linux drivers/vfio/pci/vfio_pci.c, vfio_pci_fill_ids()")
FOLLOWS = ("DB-02", "DB-08")


def check(
    target: Target | Missing, log: KernelLog | Missing, modprobe: Modprobe | Missing, cmdline: Cmdline | Missing
) -> Outcome | None:
    """Compare the times of the two drivers, else look for the softdep."""
    card = None if isinstance(target, Missing) else target.card
    wanted = None if card is None else wanted_by(card, wanted_ids(modprobe, cmdline))
    if card is None or wanted is None:
        return None
    if card.driver is None:
        return _by_log(card, log)
    if on_vfio(card):
        return passed("vfio-pci was first", card.driver_line)
    if not held(card):
        return None
    driver = (card.driver or "").replace("-", "_")
    remedy = _remedy(driver)
    if not isinstance(log, Missing):
        speaker = re.escape(card.driver or "")
        added = log.first(rf"vfio_pci: add \[{re.escape(card.id)}\b")
        claims = [line for _, line in log.find(rf"\b{speaker} {re.escape(str(card.bdf))}: ")]
        if added is not None and claims and claims[0].number < added[1].number:
            return failed(
                f"{card.driver} took the card before vfio-pci was there",
                claims[0],
                added[1],
                card.driver_line,
                remedy=remedy,
            )
    if isinstance(modprobe, Missing) or _ordered(card, modprobe, cmdline):
        return None
    return failed(
        f"{card.driver} holds the card, and no softdep makes vfio-pci load before it", card.driver_line, wanted,
        remedy=remedy, confidence=Confidence.LOW,
    )  # fmt: skip


def _ordered(card: Device, modprobe: Modprobe, cmdline: Cmdline | Missing) -> bool:
    """Return whether the configuration keeps the driver behind vfio-pci, or from loading at all."""
    driver = (card.driver or "").replace("-", "_")
    if driver in blacklisted(modprobe, cmdline):
        return True
    return any(
        item.kind == "softdep" and item.module == driver and not item.ignored
        and any(word.replace("_", "-") == "vfio-pci" for word in item.words)
        for item in modprobe.settings
    )  # fmt: skip


def _remedy(driver: str) -> Remedy:
    return Remedy(
        f"softdep {driver} pre: vfio-pci in /etc/modprobe.d, the vfio modules in the initramfs, then update-initramfs."
    )


def _by_log(card: Device, log: KernelLog | Missing) -> Outcome | None:
    """Judge by the kernel log alone, where no listing tells the driver."""
    if isinstance(log, Missing):
        return None
    added = log.first(rf"vfio_pci: add \[{re.escape(card.id)}\b")
    claims = [(match[1], line) for match, line in log.find(rf"\b([\w-]+) {re.escape(str(card.bdf))}: ")]
    drivers = [(name, line) for name, line in claims if name in GPU_DRIVERS or name == "vfio-pci"]
    if added is None or not drivers or drivers[-1][0] == "vfio-pci" or drivers[0][1].number > added[1].number:
        return None
    name, line = drivers[0]
    return failed(
        f"{name} took the card before vfio-pci was there",
        line,
        added[1],
        remedy=_remedy(name),
        confidence=Confidence.MEDIUM,
    )
