"""A driver grabbed a further function of the card, although that was given to vfio-pci.

USB controllers (``xhci_hcd``, often built into the kernel), the USB-C controller (``i2c_nvidia_gpu``) and audio
(``snd_hda_intel``) claim their function as soon as they see it. An entry in ``ids=`` comes too late for a built-in
driver; ``driver_override`` or an unbind at boot helps. Proxmox VE changes the driver by itself when the VM starts.
"""

from __future__ import annotations

import re

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.binding import held, wanted_by, wanted_ids
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Devices
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.members import on_vfio, proxmox
from pvekit.passthrough.outcome import Outcome, failed, noted, passed

TITLE = "A driver grabbed another function of the card"
LAYER = Layer.BINDING
SOURCES = (
    "Linux drivers/vfio/pci/vfio_pci.c, vfio_pci_fill_ids()",
    "Linux Documentation/ABI/testing/sysfs-bus-pci, driver_override",
)
FOLLOWS = ("DB-02", "DB-03", "DB-08")
_REMEDY = Remedy("driver_override=vfio-pci for the function's address, or a softdep of its driver on vfio-pci.")


def check(
    target: Target | Missing, devices: Devices | Missing, modprobe: Modprobe | Missing, cmdline: Cmdline | Missing,
    kernel: Kernel | Missing, vms: VmConfigs | Missing, start: StartLog | Missing,
) -> Outcome | None:  # fmt: skip
    """Look for configured siblings with native drivers."""
    if isinstance(target, Missing) or isinstance(devices, Missing):
        return None
    card = target.card
    if card is None:
        return None
    ids = wanted_ids(modprobe, cmdline)
    siblings = [item for item in devices.slot_of(card.bdf) if item.bdf != card.bdf and not item.bridge]
    wanted = [(item, line) for item in siblings if (line := wanted_by(item, ids)) is not None]
    grabbed = [(item, line) for item, line in wanted if held(item)]
    if grabbed:
        item, line = grabbed[0]
        text = f"{item.driver} holds {item.bdf}, although it was given to vfio-pci"
        stuck = None if isinstance(start, Missing) else start.first(rf"Cannot bind {re.escape(str(item.bdf))} to vfio")
        if stuck is None and proxmox(kernel, vms, start):
            return noted(f"{text}; Proxmox VE changes that when the VM starts", item.driver_line, line)
        lines = [item.driver_line, line] if stuck is None else [item.driver_line, line, stuck[1]]
        # Where the card itself has a native driver too, more is wrong than one function.
        rest = Confidence.LOW if held(card) else Confidence.MEDIUM
        sure = Confidence.HIGH if stuck is not None else rest
        return failed(text, *lines, remedy=_REMEDY, confidence=sure)
    if wanted and all(on_vfio(item) for item, _ in wanted):
        return passed("the other functions of the card are on vfio-pci", *[item.driver_line for item, _ in wanted])
    return None
