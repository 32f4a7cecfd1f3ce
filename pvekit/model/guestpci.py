"""What a guest says about its PCI devices: ``/proc/bus/pci/devices``, ``resource`` files in /sys, Windows' list."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_BARS = 6
_IO, _MEMORY, _UNSET = 0x100, 0x200, 0x20000000
"""Flags of a resource: include/linux/ioport.h."""
_FIELDS = 17
_WINDOWS = re.compile(r"(?P<status>\w+) PCI\\VEN_(?P<vendor>[0-9A-F]{4})&DEV_(?P<device>[0-9A-F]{4})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class GuestDevice:
    """A device as the guest sees it; ``id`` is vendor and device, ``driver`` empty when it has none.

    ``address`` is empty where the guest's system does not tell it (Windows), ``status`` empty where it tells none.
    """

    id: str
    address: str = ""
    driver: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class Bars:
    """The address ranges of a device: sizes of those that have an address in bytes, and how many have none."""

    memory: tuple[int, ...] = ()
    ports: int = 0
    unassigned: int = 0


def linux_devices(text: str) -> tuple[GuestDevice, ...]:
    """Return the devices of ``/proc/bus/pci/devices``; lines that are something else are passed over."""
    found = []
    for line in text.splitlines():
        words = line.rstrip("\n").split("\t")
        if (
            len(words) < _FIELDS
            or not re.fullmatch("[0-9a-f]{4}", words[0])
            or not re.fullmatch("[0-9a-f]{8}", words[1])
        ):
            continue
        bus, place = int(words[0][:2], 16), int(words[0][2:], 16)
        address = f"0000:{bus:02x}:{place >> 3:02x}.{place & 7}"
        driver = words[_FIELDS].strip() if len(words) > _FIELDS else ""
        found.append(GuestDevice(f"{words[1][:4]}:{words[1][4:]}", address, driver))
    return tuple(found)


def windows_devices(lines: Iterable[str]) -> tuple[GuestDevice, ...]:
    r"""Return the devices of lines such as ``OK PCI\VEN_10DE&DEV_1C07&SUBSYS_...``; others are passed over."""
    matches = (found for line in lines if (found := _WINDOWS.match(line.strip())))
    return tuple(
        GuestDevice(f"{found['vendor']}:{found['device']}".lower(), status=found["status"]) for found in matches
    )


def bars(text: str) -> Bars:
    """Return the address ranges of a device, from its ``resource`` file; ROM and bridge windows do not count."""
    memory: list[int] = []
    ports = unassigned = 0
    for line in text.splitlines()[:_BARS]:
        words = line.split()
        if len(words) != 3 or not all(re.fullmatch("0x[0-9a-fA-F]+", word) for word in words):
            continue
        start, end, flags = (int(word, 16) for word in words)
        if not flags & (_MEMORY | _IO):
            continue
        if flags & _UNSET or start == 0:
            unassigned += 1
        elif flags & _MEMORY:
            memory.append(end - start + 1)
        else:
            ports += 1
    return Bars(tuple(memory), ports, unassigned)
