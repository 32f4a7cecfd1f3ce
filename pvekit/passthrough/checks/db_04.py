"""The ids given to vfio-pci are wrong: mistyped, of another card, or joined with a comma instead of a colon.

The format is ``ids=10de:1c07,10de:10f1``: a colon inside an id, a comma between two. ``ids=10de,1c07`` gives two
halves, and the kernel says ``vfio_pci: invalid id string "10de"``. Only a card that is not on vfio-pci makes this a
fault.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.binding import wanted_by, wanted_ids
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Devices
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.members import on_vfio
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "Wrong ids for vfio-pci"
LAYER = Layer.BINDING
SOURCES = ("Linux drivers/vfio/pci/vfio_pci.c, vfio_pci_fill_ids()", "Proxmox VE pve-docs qm-pci-passthrough.adoc")
_INVALID = Pattern(r"vfio_pci: invalid id string|vfio_pci: failed to add dynamic id")


def check(
    target: Target | Missing, devices: Devices | Missing, modprobe: Modprobe | Missing, cmdline: Cmdline | Missing,
    log: KernelLog | Missing,
) -> Outcome | None:  # fmt: skip
    """Compare the ids written down with the card's and with those of all devices."""
    ids = [entry for entry in wanted_ids(modprobe, cmdline) if not entry.ignored]
    refused = [] if isinstance(log, Missing) else [line for _, line in log.find(_INVALID)][:2]
    malformed = [entry for entry in ids if not entry.id]
    if not ids and not refused:
        return None
    card = None if isinstance(target, Missing) else target.card
    known = {} if isinstance(devices, Missing) else {device.id.lower(): device for device in devices}
    whole = not isinstance(devices, Missing) and devices.whole
    strange = [entry for entry in ids if entry.id and whole and entry.id not in known]
    lines = list(dict.fromkeys([*(entry.line for entry in (*malformed, *strange)), *refused]))
    bad = ", ".join(entry.text for entry in (*malformed, *strange))
    if card is None:
        if (malformed or refused) and not any(on_vfio(device) for device in known.values()):
            return failed(
                f"vfio-pci was given something that is no id: {bad}" if bad else "the kernel refused an id",
                *lines, remedy=_remedy(""), confidence=Confidence.MEDIUM,
            )  # fmt: skip
        return None
    wanted = wanted_by(card, ids)
    if wanted is not None:
        good = "the card's id is among those of vfio-pci"
        return noted(f"{good}; {bad} has no effect", wanted, *lines) if lines else passed(good, wanted)
    if card.driver is None and not lines:
        return None
    if on_vfio(card):
        return noted(f"the card is on vfio-pci, but {bad} has no effect", *lines) if lines else None
    if malformed or refused or strange:
        return failed(
            f"the ids for vfio-pci do not fit the card {card.id}: {bad or 'refused by the kernel'}", *lines,
            card.driver_line,
            remedy=_remedy(card.id), confidence=Confidence.HIGH if card.driver is not None else Confidence.MEDIUM,
        )  # fmt: skip
    return None


def _remedy(wanted: str) -> Remedy:
    example = wanted if wanted.strip(":") else "vendor:device"
    return Remedy(
        f"options vfio-pci ids={example} (colon inside an id, comma between two), then update-initramfs and reboot."
    )
