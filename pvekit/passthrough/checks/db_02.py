"""The initramfs is older than the vfio configuration, or does not contain it.

Drivers of graphics cards can load from the initramfs, and there only the copy of ``/etc/modprobe.d`` counts that was
made when the initramfs was built. A change of ``vfio.conf`` without ``update-initramfs`` (and ``proxmox-boot-tool
refresh`` where the ESPs are kept by it) has no effect there. Only a card that is not on vfio-pci although configured
is a fault.
"""

from __future__ import annotations

import re

from pvekit.model.bundle import Line
from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.binding import held, wanted_by, wanted_ids
from pvekit.passthrough.facts.initramfs import Initramfs
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.members import on_vfio
from pvekit.passthrough.outcome import Outcome, failed, noted, passed, unknown
from pvekit.passthrough.pattern import Pattern

TITLE = "The initramfs was not rebuilt after the change"
LAYER = Layer.BINDING
SOURCES = (
    "Proxmox VE pve-docs qm-pci-passthrough.adoc, section Host Device Passthrough",
    "initramfs-tools hooks: /etc/modprobe.d is copied when the image is built",
)
_REMEDY = Remedy("update-initramfs -u -k all, then proxmox-boot-tool refresh where it keeps the ESPs, then reboot.")
_VALUE = Pattern(r"\s*(\S+?)=(\d+)")


def check(
    target: Target | Missing, initramfs: Initramfs | Missing, modprobe: Modprobe | Missing, kernel: Kernel | Missing
) -> Outcome | None:
    """Compare the configuration of the card with what the initramfs has."""
    card = None if isinstance(target, Missing) else target.card
    wanted = None if card is None else wanted_by(card, wanted_ids(modprobe, Missing("cmdline.txt", "not asked")))
    if card is None or wanted is None or card.driver is None:
        return None
    if isinstance(initramfs, Missing):
        if not held(card):
            return None
        return unknown(
            f"{card.driver} holds the card, although it was given to vfio-pci; the initramfs was not looked at",
            wanted,
            missing=("initramfs.txt",),
        )
    name = wanted.file.rsplit("/", 1)[-1]
    stale = _older(initramfs, "" if isinstance(kernel, Missing) else kernel.release, name)
    copies = [path for path in initramfs.paths if re.search(r"(?:^|/)modprobe\.d/[^/]+\.conf$", path)]
    lacks = bool(copies) and name.endswith(".conf") and not any(path.endswith(f"/{name}") for path in copies)
    if not stale and not lacks:
        fits = any(path.endswith(f"/{name}") for path in copies)
        return passed(f"the initramfs contains {name}", wanted) if fits else None
    what = f"the initramfs does not contain {name}" if lacks else "the initramfs is older than the vfio configuration"
    if held(card):
        return failed(f"{what}, and {card.driver} holds the card", wanted, *stale, card.driver_line, remedy=_REMEDY)
    return noted(
        f"{what}; the card is on vfio-pci all the same" if on_vfio(card) else what, wanted, *stale, remedy=_REMEDY
    )


def _older(initramfs: Initramfs, release: str, name: str) -> list[Line]:
    """Return the lines that show the image to be older than the file with the card's ids."""
    images, files = [], []
    for line in initramfs.lines:
        found = _VALUE.match(line.text)
        if found is None:
            continue
        if "modprobe" in found[1] and (found[1].endswith(f"/{name}") or not name.endswith(".conf")):
            files.append((int(found[2]), line))
        elif re.search(r"initr(?:d|amfs)", found[1]):
            images.append((release != "" and release in found[1], int(found[2]), line))
    if not images or not files:
        return []
    image = max(images, key=lambda item: item[:2])
    newest = max(files, key=lambda item: item[0])
    return [image[2], newest[1]] if newest[0] > image[1] else []
