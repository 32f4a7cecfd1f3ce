"""The device to be passed through, and how it was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.asked import Asked
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.vmconf import HostPci, VmConfig, VmConfigs
from pvekit.passthrough.lspcitext import ADDRESS, address
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True)
class Target:
    """What goes to the guest. ``functions`` are the devices (the first is the card itself), ``vmid`` the VM or None.

    ``why`` says how they were found: asked, VM configuration, messages about a device, vfio ids, the only GPU that is
    not the console. ``chosen`` is False where it was only concluded from the cards that there are. ``bdfs`` are
    addresses that the evidence names, also of devices that no listing shows.
    """

    bdfs: tuple[Bdf, ...]
    functions: tuple[Device, ...]
    vmid: int | None
    why: str
    chosen: bool = True

    @property
    def card(self) -> Device | None:
        """Return the main function; None when no listing shows it."""
        return next((device for device in self.functions if device.gpu), next(iter(self.functions), None))


_FAILING = (
    rf"(?<!warning: )\bvfio (?:error: )?({ADDRESS}): (?!Failed to mmap|[Ww]arning|Could not enable error recovery)",
    rf"-device '?(?:\{{\"driver\":\")?vfio-pci[^ ]*?host\"?[=:]\"?({ADDRESS})[^ ]*: ",
    rf"(?:no pci device info for device|PCI group to VFIO|PCI device|for device) '?({ADDRESS})",
    rf"\b[Dd]evice '?({ADDRESS})'? (?:is|not|in use|already)",
)
_BENIGN = Pattern(r"failed to reset PCI device")
_STARTED = Pattern(r"(?:/usr/bin/kvm|\bkvm)\b.*? -id ([1-9]\d{2,8})\b|:qmstart:([1-9]\d{2,8}):")
_CONSOLES = frozenset({"1a03", "102b", "1234", "1af4", "1b36", "15ad", "1013", "1414", "80ee", "18ca"})
"""Vendors of display devices that nobody passes through: server management and what hypervisors make up."""

_COMPANIONS = ("04", "0c")
_APU = Pattern(
    r"Renoir|Cezanne|Raphael|Picasso|Raven|Lucienne|Barcelo|Rembrandt|Phoenix|Hawk ?Point|Strix|Granite Ridge|Mendocino"
    r"|Kaveri|Carrizo|Bristol|Kabini|Mullins|Van ?Gogh|Wrestler|Trinity|Richland|Dragon Range|Radeon Graphics"
)


def read(
    asked: Asked, devices: Devices | Missing, vms: VmConfigs | Missing, start: StartLog | Missing,
    modprobe: Modprobe | Missing, cmdline: Cmdline | Missing,
) -> Target | Missing:  # fmt: skip
    """Find it. Missing when nothing points to one device: several GPUs and no hint."""
    known = Devices({}) if isinstance(devices, Missing) else devices
    configs = _configs(asked, vms, start)
    failing = list(_failing(start))
    if asked.device is not None:
        return _of([asked.device], known, configs, asked, "asked for")
    given = [bdf for vm in _with_cards(configs, known) for entry in vm.hostpci for bdf in _addresses(entry, known)]
    if failing:
        same = [bdf for bdf in given if bdf.slot == failing[0].slot]
        return _of(same or failing[:1], known, configs, asked, "named where the start failed")
    if given:
        gpus = [bdf for bdf in given if (item := known.by_bdf.get(bdf)) is not None and item.gpu]
        return _of(_first(gpus, given), known, configs, asked, "in the VM's configuration")
    return _concluded(known, configs, asked, modprobe, cmdline)


def _configs(asked: Asked, vms: VmConfigs | Missing, start: StartLog | Missing) -> list[VmConfig]:
    """Return the VMs to look at: the one that was asked for or started, else those that get devices."""
    if isinstance(vms, Missing):
        return []
    vmid = asked.vmid
    if vmid is None and not isinstance(start, Missing) and (found := start.first(_STARTED)):
        vmid = int(found[0][1] or found[0][2])
    if (named := vms.of(vmid)) is not None:
        return [named]
    return [] if asked.vmid is not None else [vm for vm in vms.vms if vm.hostpci]


def _with_cards(configs: list[VmConfig], devices: Devices) -> list[VmConfig]:
    """Leave out VMs that get other devices only, if one gets a GPU."""
    found = [
        vm for vm in configs
        if any(device.gpu and entry.covers(device.bdf) for entry in vm.hostpci for device in devices)
    ]  # fmt: skip
    return found or configs


def _failing(start: StartLog | Missing) -> Iterator[Bdf]:
    """Yield the devices that messages of a failed start name."""
    if isinstance(start, Missing) or start.started:
        return
    for pattern in _FAILING:
        for found, _ in start.find(pattern):
            bdf = address(found[1])
            if bdf is not None and not _BENIGN.search(found.string):
                yield bdf


def _addresses(entry: HostPci, devices: Devices) -> Iterable[Bdf]:
    """Return the devices of an entry; all functions where it names a slot."""
    for text, bdf in zip(entry.addresses, entry.bdfs, strict=False):
        if address(text) is None and (found := devices.slot_of(bdf)):
            yield from (device.bdf for device in found)
        else:
            yield bdf


def _first(gpus: list[Bdf], given: list[Bdf]) -> list[Bdf]:
    return [*gpus, *(bdf for bdf in given if bdf not in gpus)]


def _of(
    bdfs: list[Bdf], devices: Devices, configs: list[VmConfig], asked: Asked, why: str, chosen: bool = True
) -> Target:  # fmt: skip
    """Return the target with the functions that belong to its cards."""
    found = [device for bdf in bdfs if (device := devices.by_bdf.get(bdf)) is not None]
    if len(found) == 1 and not found[0].gpu:
        # The sound of a card is named where the card is meant.
        found = [other for other in devices.slot_of(found[0].bdf) if other.gpu and _belongs(found[0], other)] + found
    for device in tuple(found):
        found += [other for other in devices.slot_of(device.bdf) if other not in found and _belongs(other, device)]
    holder = next((vm for vm in configs if any(entry.covers(bdf) for entry in vm.hostpci for bdf in bdfs)), None)
    vmid = asked.vmid if asked.vmid is not None else holder.vmid if holder else None
    if vmid is None and len(configs) == 1:
        vmid = configs[0].vmid
    return Target(tuple(dict.fromkeys(bdfs)), tuple(found), vmid, why, chosen)


def _belongs(other: Device, card: Device) -> bool:
    """Return whether a function of the same slot is part of a graphics card: audio, USB-C and its controller."""
    if not card.gpu or (other.klass and not other.klass.startswith(_COMPANIONS)):
        return False
    return card.group is None or other.group is None or other.group == card.group


def _concluded(
    devices: Devices, configs: list[VmConfig], asked: Asked, modprobe: Modprobe | Missing, cmdline: Cmdline | Missing
) -> Target | Missing:  # fmt: skip
    """Find the card that is set aside, or that remains when the console's is left out."""
    gpus = [device for device in devices if device.gpu and device.vendor not in _CONSOLES]
    cards = [gpu for gpu in gpus if not integrated(gpu, devices)]
    ids = _ids(modprobe, cmdline)
    ways: tuple[tuple[list[Device], str], ...] = (
        ([gpu for gpu in gpus if gpu.id in ids], "its id is set aside for vfio-pci"),
        ([gpu for gpu in gpus if gpu.driver == "vfio-pci"], "bound to vfio-pci"),
        (_not_console(cards), "the only GPU that is not the console"),
        (cards if len(cards) < len(gpus) else [], "the only GPU besides an integrated one"),
        (gpus, "the only GPU"),
    )
    for found, why in ways:
        if len({device.bdf.slot for device in found}) == 1:
            chosen = why.startswith(("its", "bound"))
            return _of([device.bdf for device in found], devices, configs, asked, why, chosen)
    if not gpus:
        return Missing("lspci.txt", "no listing shows a GPU" if devices.by_bdf else "nothing lists the PCI devices")
    named = ", ".join(f"{gpu.bdf} ({gpu.name})" if gpu.name else str(gpu.bdf) for gpu in gpus)
    return Missing("vm.conf", f"several GPUs and no hint which one is meant: {named}")


def _ids(modprobe: Modprobe | Missing, cmdline: Cmdline | Missing) -> frozenset[str]:
    words: list[str] = []
    if not isinstance(modprobe, Missing):
        words += [value for name, (value, _) in modprobe.options("vfio_pci").items() if name == "ids"]
    if not isinstance(cmdline, Missing):
        words += [token.value or "" for name in ("vfio-pci.ids", "vfio_pci.ids") for token in cmdline.all(name)]
    return frozenset(item.lower()[:9] for word in words for item in word.strip("\"'").split(","))


def _not_console(cards: list[Device]) -> list[Device]:
    """Return the cards that are not the console. It is of class 0300: where only one card is, it is not the others."""
    if any(card.boot_vga is not None for card in cards):
        return [card for card in cards if card.boot_vga is False or (card.boot_vga is None and card.klass != "0300")]
    others = [card for card in cards if card.klass != "0300"]
    return others if len(cards) - len(others) == 1 else []


def integrated(gpu: Device, devices: Devices) -> bool:
    """Return whether a GPU is part of the processor: Intel's place, AMD's name or its neighbours in the slot."""
    if gpu.vendor == "8086" or "Intel" in gpu.name:
        return gpu.bdf.slot == (0, 0, 2)
    near = (other for other in devices.slot_of(gpu.bdf) if other.bdf != gpu.bdf)
    if any(other.vendor == "1022" or other.klass == "1080" for other in near):
        return True
    return (gpu.vendor == "1002" or "AMD" in gpu.name) and bool(_APU.search(gpu.name))
