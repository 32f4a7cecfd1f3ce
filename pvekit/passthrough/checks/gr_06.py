"""Other functions of the card (audio, USB-C) are still held by drivers of the host.

All functions of a card share one group, and QEMU wants each of them on vfio-pci or without a driver: ``group N is not
viable``. Proxmox VE binds the whole group by itself when the VM starts, so there a native driver on the audio
function is normal as long as no VM has failed to start because of it.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.members import NOT_VIABLE, blocks, members, names, on_vfio, proxmox, transparent
from pvekit.passthrough.outcome import Outcome, failed, noted, passed

TITLE = "Other functions of the card are not on vfio-pci"
LAYER = Layer.GROUPS
SOURCES = ("QEMU hw/vfio/container.c, vfio_group_get()", "Linux Documentation/driver-api/vfio.rst")
FOLLOWS = ("GR-01", "GR-02", "DB-06")
_REMEDY = Remedy(
    "Pass the whole card (Proxmox VE: 01:00 without the .0) and bind every function to vfio-pci, by its "
    "id or per address "
    "with driver_override."
)


def check(
    target: Target | Missing, devices: Devices | Missing, start: StartLog | Missing, kernel: Kernel | Missing,
    vms: VmConfigs | Missing,
) -> Outcome | None:  # fmt: skip
    """Look for functions of the target's slot with native drivers."""
    if isinstance(target, Missing) or isinstance(devices, Missing):
        return None
    refused = {} if isinstance(start, Missing) else {int(match[1]): line for match, line in start.find(NOT_VIABLE)}
    card = target.card
    if card is None:
        return None
    for group in members(target, devices, start):
        siblings = [device for device in group.own if device.bdf != card.bdf and device.bdf.slot == card.bdf.slot]
        native = [device for device in siblings if blocks(device)]
        if not siblings:
            continue
        lines = [device.driver_line for device in native]
        texts = ", ".join(f"{device.bdf} is on {device.driver}" for device in native)
        if native and group.group in refused:
            return failed(
                f"functions of the card are not on vfio-pci: {texts}", refused[group.group], *lines, remedy=_REMEDY
            )
        if native and on_vfio(card) and not proxmox(kernel, vms, start):
            return failed(f"the card is on vfio-pci, but {texts}", *lines, remedy=_REMEDY, confidence=Confidence.LOW)
        if native:
            return noted(f"{texts}; Proxmox VE changes that when the VM starts", *lines) if proxmox(
                kernel, vms, start
            ) else None  # fmt: skip
        if all(blocks(device) is False for device in siblings):
            return passed("every function of the card is free for the VM", *[device.line for device in siblings])
    return _unlisted(target, card, devices, start)


def _unlisted(target: Target, card: Device, devices: Devices, start: StartLog | Missing) -> Outcome | None:
    """Judge by what QEMU says of the card where no list tells the groups: functions of a GPU share one."""
    said = [] if isinstance(start, Missing) else [line for _, line in start.find(NOT_VIABLE) if names(line, target)]
    if not said or card.group is not None or not on_vfio(card):
        return None
    native = [
        device for device in devices
        if device.bdf.slot == card.bdf.slot and device.group is None and not transparent(device) and blocks(device)
    ]  # fmt: skip
    if not native:
        return None
    texts = ", ".join(f"{device.bdf} is on {device.driver}" for device in native)
    return failed(
        f"functions of the card are not on vfio-pci: {texts}", said[0], *(device.driver_line for device in native),
        remedy=_REMEDY, confidence=Confidence.MEDIUM,
    )  # fmt: skip
