"""What a guest says about its PCI devices: ``/proc/bus/pci/devices``, ``resource`` files in /sys, Windows' list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_BARS = 6
_IO, _MEMORY, _PREFETCH, _UNSET = 0x100, 0x200, 0x2000, 0x20000000
"""Flags of a resource: include/linux/ioport.h."""
_FIELDS = 17
_HEX = re.compile(r"0x[0-9a-fA-F]{1,16}")
_WINDOWS = re.compile(r"PCI\\VEN_([0-9A-F]{4})&DEV_([0-9A-F]{4})[^|]*\|([^|]*)\|([^|]*)\|([^|]*)", re.IGNORECASE)
_NO_DRIVER = "CM_PROB_FAILED_INSTALL"


@dataclass(frozen=True, slots=True)
class Bar:
    """A region of a card as /sys tells it, ``size`` in bytes. ``start`` 0: it has no address."""

    number: int
    start: int
    size: int
    ports: bool = False
    prefetchable: bool = False


@dataclass(frozen=True, slots=True)
class GuestDevice:
    """A device as the guest sees it; ``id`` is vendor and device, ``driver`` empty when it has none.

    ``address`` is that in the guest; Windows tells a name instead, and not which driver. ``wrong`` is what Windows says
    is wrong with it: not that it has no driver, which may come later.
    """

    id: str
    address: str = ""
    driver: str = ""
    klass: str = ""
    bars: tuple[Bar, ...] = ()
    wrong: str = ""


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


def windows_command(card: str = "") -> list[str]:
    """Return what makes Windows list its devices, or those with one id (``10de:1c07``), for ``windows_devices``."""
    ids = "&DEV_".join(f"{int(part, 16):04X}" for part in card.split(":")) if card else ""
    wanted = f"PCI\\VEN_{ids}*" if ids else "PCI\\*"
    script = (
        f"Get-PnpDevice -PresentOnly | Where-Object InstanceId -like '{wanted}' | "
        "ForEach-Object { '{0}|{1}|{2}|{3}' -f $_.InstanceId, $_.Status, $_.Problem, $_.FriendlyName }"
    )
    return ["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script]


def windows_devices(text: str) -> tuple[GuestDevice, ...]:
    """Return the devices of lines ``instance|status|problem|name``; others are passed over."""
    found = []
    for match in filter(None, map(_WINDOWS.search, text.splitlines())):
        status, problem, name = (match[place].strip() for place in (3, 4, 5))
        works, bare = status == "OK", problem == _NO_DRIVER
        found.append(
            GuestDevice(
                f"{match[1]}:{match[2]}".lower(),
                name or "PCI device",
                driver="" if bare else "a driver",
                wrong="" if works or bare else f"{status} {problem}".strip(),
            )
        )
    return tuple(found)


def read_bars(lines: Iterable[str]) -> tuple[Bar, ...]:
    """Return the address ranges of a device, from its ``resource`` file; ROM and bridge windows do not count."""
    return tuple(_bars(lines))


def _bars(lines: Iterable[str]) -> Iterator[Bar]:
    for number, line in zip(range(_BARS), lines, strict=False):
        words = line.split()
        if len(words) != 3 or not all(_HEX.fullmatch(word) for word in words):
            continue
        start, end, flags = (int(word, 16) for word in words)
        if flags & (_MEMORY | _IO):
            size = end - start + 1 if end else 0
            yield Bar(number, 0 if flags & _UNSET else start, size, bool(flags & _IO), bool(flags & _PREFETCH))
