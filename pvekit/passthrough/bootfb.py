"""Which boot framebuffer keeps a BAR of the target from vfio-pci. Pure.

``BAR 1: can't reserve`` is the same text whoever holds the memory. ``/proc/iomem`` names the holder; without it the
kernel log and the kernel's version do, as far as they can.
"""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.finding import Confidence, Remedy
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough import barmap
from pvekit.passthrough.aimed import ADDRESS, Said, is_target, said_of_target
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.iomem import Iomem
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.knowledge import SIMPLEDRM_PVE, kernel_key
from pvekit.passthrough.outcome import Outcome, failed, noted, passed, unknown
from pvekit.passthrough.pattern import Pattern

_REFUSED = Pattern(
    rf"vfio[-_]pci {ADDRESS}: BAR (?P<bar>\d)(?=.*can't reserve)[^\[]*"
    r"\[mem 0x(?P<start>[0-9a-f]{1,16})-0x(?P<end>[0-9a-f]{1,16})"
)
BUSY = Pattern(
    rf"(?:vfio_region_(?:write|read)\(|Failed to mmap ){ADDRESS}"
    r"(?::region(?P<region>\d)\+.*failed: Device or resource busy| BAR (?P<bar>\d)\. Performance may be slow)"
)
"""What QEMU says about a BAR that vfio-pci does not have for itself."""
_ASSIGNED = Pattern(rf"{ADDRESS}: BAR \d: assigned to efifb")
_BOOT_VGA = Pattern(rf"{ADDRESS}: vgaarb: setting as boot (?:VGA )?device")
_EFIFB = Pattern(r"efifb: framebuffer at 0x(?P<at>[0-9a-f]+)")
_VESAFB = Pattern(r"vesafb: framebuffer at 0x(?P<at>[0-9a-f]+)")
_SIMPLEFB = Pattern(r"simple-framebuffer simple-framebuffer\.0: framebuffer at 0x(?P<at>[0-9a-f]+)")
_SIMPLE = Pattern(
    r"Initialized simpledrm |simpledrmdrmfb frame buffer device|simple-framebuffer simple-framebuffer\.0: "
)
_PICTURE = 1 << 20
_UNIFIED = (5, 14)
"""Before, only distributions that had chosen so had one on x86."""


@dataclass(frozen=True)
class Holder:
    """Who holds it: ``kind`` as in barmap, "" when that is open, None when it is no boot framebuffer.

    ``refused``: vfio-pci could not have the BAR. ``read``: /proc/iomem names the holder. ``bound``: vfio-pci has the
    device now; None when nothing tells.
    """

    kind: str | None
    refused: bool
    read: bool
    bound: bool | None
    evidence: tuple[Line, ...]
    device: str

    @property
    def holds(self) -> bool:
        """Return whether this breaks something, rather than being what every boot screen looks like."""
        return self.refused or (self.read and self.bound is True)


def holder(
    log: KernelLog | Missing, iomem: Iomem | Missing, target: Target | Missing, kernel: Kernel | Missing,
    cmdline: Cmdline | Missing, devices: Devices | Missing, start: StartLog | Missing,
) -> Holder | None:  # fmt: skip
    """Return who holds a BAR of the target; None when nothing says that somebody does."""
    refused = [item for item in said_of_target(log, _REFUSED, target) if _display(item, devices)]
    if refused:
        return _refused(refused, log, iomem, kernel, cmdline)
    said = said_of_target(start, BUSY, target)[:1]
    busy = tuple(item.line for item in said)
    if isinstance(iomem, Missing):
        return Holder("", True, False, True, busy, str(said[0].bdf)) if said else None
    for device in _functions(target, devices):
        for claim in barmap.claims(iomem, device.bdf, barmap.bars(device, iomem)):
            unsure = device.driver is None and not isinstance(target, Missing) and target.chosen
            bound = None if unsure else device.driver == "vfio-pci"
            if bound is False and device.driver:
                return None
            kind = _named(claim.kind, kernel)
            return Holder(kind, bool(busy), True, bound, (*busy, claim.range.line), str(device.bdf))
    return None


def free(iomem: Iomem | Missing, target: Target | Missing, devices: Devices | Missing) -> tuple[Line, ...]:
    """Return the lines of /proc/iomem that show the target's BARs with no boot framebuffer inside."""
    if isinstance(iomem, Missing):
        return ()
    found: list[Line] = []
    for device in _functions(target, devices):
        places = [item for item in barmap.bars(device, iomem) if item.start is not None and item.end is not None]
        if barmap.claims(iomem, device.bdf, places):
            return ()
        found += [item.line for item in barmap.owned(iomem, device.bdf)]
    return tuple(found)


def judged(found: Holder | None, clear: tuple[Line, ...], kind: str, word: str, remedy: Remedy) -> Outcome | None:
    """Return what the holder means for the check of one kind of framebuffer. ``clear`` as ``free`` tells it."""
    if found is None:
        return passed("no boot framebuffer lies in the card's BARs", *clear) if clear else None
    if found.kind == "":
        return unknown(
            f"something holds a BAR of {found.device}, mostly the boot framebuffer; by which driver is open",
            *found.evidence,
            missing=("iomem.txt", "uname.txt"),
        )
    if found.kind is None:
        return None
    if found.kind != kind:
        return passed(f"{found.kind} holds the BAR of {found.device}, not {word}", *found.evidence)
    message = f"the host's boot framebuffer ({word}) holds a BAR of {found.device}, vfio-pci cannot have it"
    if found.holds and found.read:
        return failed(message, *found.evidence, remedy=remedy)
    if found.holds or found.bound is None:
        return failed(message, *found.evidence, remedy=remedy, confidence=Confidence.MEDIUM)
    return noted(f"the host's console ({word}) is on {found.device} as long as no VM runs", *found.evidence)


def _display(item: Said, devices: Devices | Missing) -> bool:
    """Return whether a framebuffer can lie in a BAR: of a display device, and large enough for a picture."""
    known = None if isinstance(devices, Missing) else devices.by_bdf.get(item.bdf)
    if known is not None and known.klass and not known.gpu:
        return False
    return int(item.match["end"], 16) - int(item.match["start"], 16) + 1 >= _PICTURE


def _functions(target: Target | Missing, devices: Devices | Missing) -> tuple[Device, ...]:
    if isinstance(target, Missing):
        return ()
    if target.functions or isinstance(devices, Missing):
        return target.functions
    return tuple(device for device in devices if is_target(device.bdf, target))


def _refused(
    refused: list[Said], log: KernelLog | Missing, iomem: Iomem | Missing, kernel: Kernel | Missing,
    cmdline: Cmdline | Missing,
) -> Holder:  # fmt: skip
    first = refused[0]
    start, end = int(first.match["start"], 16), int(first.match["end"], 16)
    evidence = (first.line,)
    device = str(first.bdf)
    if not isinstance(iomem, Missing):
        inside = [item for item in iomem.inside(start, end) if start <= item.start and item.end <= end]
        for item in sorted(inside, key=lambda item: -item.depth):
            if kind := barmap.framebuffer(item):
                return Holder(_named(kind, kernel), True, True, True, (*evidence, item.line), device)
        others = [item for item in inside if item.owner not in (device, "vfio-pci")]
        if others:
            return Holder(None, True, True, True, (*evidence, others[0].line), device)
    other = _elsewhere(log, first.bdf)
    if other is not None:
        return Holder(None, True, False, True, (*evidence, other), device)
    kind, why = _told(log, start, end)
    if kind:
        return Holder(kind, True, False, True, (*evidence, *why), device)
    by_version = "" if isinstance(kernel, Missing) else _by_version(kernel)
    off = [] if isinstance(cmdline, Missing) else [t for t in cmdline.all("video") if "efifb:off" in str(t)]
    if off:
        named = "" if by_version == barmap.EFIFB else barmap.SIMPLE
        return Holder(named, True, False, True, (*evidence, off[0].line), device)
    if not isinstance(kernel, Missing):
        return Holder(by_version, True, False, True, (*evidence, kernel.line), device)
    return Holder("", True, False, True, evidence, device)


def _elsewhere(log: KernelLog | Missing, bdf: Bdf) -> Line | None:
    """Return the line that says that the firmware's boot screen is on another device."""
    if isinstance(log, Missing):
        return None
    places = [(Bdf.parse(match["bdf"]), line) for match, line in log.find(_ASSIGNED)]
    places = places or [(Bdf.parse(match["bdf"]), line) for match, line in log.find(_BOOT_VGA)][-1:]
    return places[-1][1] if places and all(place.slot != bdf.slot for place, _ in places) else None


def _told(log: KernelLog | Missing, start: int, end: int) -> tuple[str, tuple[Line, ...]]:
    """Return what the kernel log says about the framebuffer that lies in this range.

    ``BAR 1: assigned to efifb`` is no proof of efifb: the quirk says so whichever driver gets the framebuffer.
    """
    if isinstance(log, Missing):
        return "", ()
    for kind, pattern in ((barmap.EFIFB, _EFIFB), (barmap.VESA, _VESAFB), (barmap.SIMPLE, _SIMPLEFB)):
        for match, line in log.find(pattern):
            if start <= int(match["at"], 16) <= end:
                return kind, (line,)
    found = log.first(_SIMPLE)
    return (barmap.SIMPLE, (found[1],)) if found else ("", ())


def _by_version(kernel: Kernel) -> str:
    if kernel.pve:
        return barmap.SIMPLE if kernel_key(kernel) >= SIMPLEDRM_PVE else barmap.EFIFB
    return barmap.EFIFB if kernel.version[:2] < _UNIFIED else ""


def _named(kind: str, kernel: Kernel | Missing) -> str:
    """Return who BOOTFB is: the resource of the simple-framebuffer device, whose driver need not have claimed it."""
    if kind != barmap.BOOT:
        return kind
    if isinstance(kernel, Missing) or kernel.version[:2] >= _UNIFIED:
        return barmap.SIMPLE
    return ""
