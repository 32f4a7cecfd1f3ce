"""The GPU driver inside the guest: nvidia-smi and modinfo."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True)
class GuestDriver:
    """``version`` such as (580, 65, 6), empty when unknown; ``licence`` as modinfo tells it ("" unknown).

    ``works`` is True when nvidia-smi lists a GPU, False when it says that it cannot, None when it was not run.
    """

    version: tuple[int, ...]
    licence: str
    works: bool | None
    cuda: str
    evidence: tuple[Line, ...]


_BANNER = Pattern(r"NVIDIA UNIX (Open )?(?:\S+ )?Kernel Module(?: for \S+)?\s+(\d{1,5}(?:\.\d{1,5}){1,3})")
_SMI = Pattern(r"Driver Version\s*:\s*(\d{1,5}(?:\.\d{1,5}){1,3})")
_CUDA = Pattern(r"CUDA Version\s*:\s*(\d{1,3}\.\d{1,3})")
_VERSION = Pattern(r"\s*version:\s*(\d{1,5}(?:\.\d{1,5}){1,3})\s*")
_LICENCE = Pattern(r"\s*(?:license:\s*)?(NVIDIA|Dual MIT/GPL)\s*")
_LISTS = Pattern(
    r"\|\s+\d{1,3}\s+\S.{0,99}\|\s*[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.\d\s"
    r"|GPU \d{1,3}: \S.{0,99}\(UUID: |Attached GPUs\s*:\s*[1-9]"
)
_CANNOT = Pattern(
    r"No devices were found|NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver"
    r"|Failed to initialize NVML|Unable to determine the device handle|GPU is lost"
)


def read(sources: Sources, log: GuestLog | Missing) -> GuestDriver | Missing:
    """Read guest/nvidia-smi.txt, guest/modinfo.txt, and the driver's banner in the guest's log.

    The log tells which module was loaded, modinfo which one is installed: the loaded one counts.
    """
    smi, modinfo = sources.roles.get("guest/nvidia-smi.txt"), sources.roles.get("guest/modinfo.txt")
    banner = _last(_BANNER, *(part or () for part in (smi, modinfo)))
    if banner is None and not isinstance(log, Missing):
        banner = next(reversed(list(log.find(_BANNER))), None)
    run, listed = _last(_SMI, smi or ()), _last(_VERSION, modinfo or ())
    cuda, licence = _last(_CUDA, smi or ()), _last(_LICENCE, modinfo or ())
    cannot, lists = _last(_CANNOT, smi or ()), _last(_LISTS, smi or ())
    hits = [hit for hit in (run, cannot or lists, cuda, banner, listed, licence) if hit is not None]
    if not hits:
        return Missing("guest/nvidia-smi.txt", "not in the bundle" if smi is None else "tells nothing about a driver")
    text = run[0].group(1) if run else banner[0].group(2) if banner else listed[0].group(1) if listed else ""
    name = licence[0].group(1) if licence else ""
    if banner is not None:
        name = "Dual MIT/GPL" if banner[0].group(1) else "NVIDIA"
    return GuestDriver(
        version=tuple(int(part) for part in text.split(".") if part),
        licence=name,
        works=False if cannot else True if lists else None,
        cuda=cuda[0].group(1) if cuda else "",
        evidence=tuple(dict.fromkeys(hit[1] for hit in hits)),
    )


def _last(pattern: Pattern, *parts: Sequence[Line]) -> tuple[re.Match[str], Line] | None:
    """Return the last match; modinfo's and nvidia-smi's fields begin their lines or stand in a table."""
    found = None
    for line in (line for part in parts for line in part):
        exact = pattern in (_VERSION, _LICENCE)
        match = pattern.fullmatch(line.text) if exact else pattern.search(line.text)
        if match is not None:
            found = (match, line)
    return found
