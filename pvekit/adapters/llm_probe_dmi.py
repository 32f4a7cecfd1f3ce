"""Memory modules as `dmidecode -t 17` prints them: how many channels, how many of them filled, how fast."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_CHANNEL = re.compile(r"(?P<before>.*?)channel[ _-]*(?P<name>[A-Z]|\d+)(?![A-Za-z])", re.IGNORECASE)
_LETTER = re.compile(r"(?P<before>.*?(?:DIMM|_|^)[ _-]?)(?P<name>[A-L])(?P<slot>\d{1,2})$")
_NUMBERED = re.compile(r"(?P<before>.*?)(?P<slot>\d{1,2})$")
_PROCESSOR = re.compile(r"(?:CPU|NODE|PROC|SOCKET|P)[ _]?(\d)", re.IGNORECASE)
_AMOUNT = re.compile(r"(\d+)\s*([kMGT])B")
_UNIT = {"k": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SLOTS_OF_A_CHANNEL = 3
"""More slots than this behind one letter: the letter names a processor, as on Dell's servers, not a channel."""


@dataclass(frozen=True, slots=True)
class Modules:
    """What is in the slots. ``channels`` and ``populated`` are None where the slots' names do not tell channels.

    ``places`` are then processor and number of the filled slots, where the names have numbers. ``megatransfers`` is
    that of the slowest module: all run at its speed.
    """

    slots: int
    modules: int
    capacity: int
    channels: int | None
    populated: int | None
    megatransfers: int | None
    width_bits: int | None
    places: tuple[tuple[str, int], ...] = ()
    lettered: bool = False
    """The numbers follow a processor's letter: slots 1, 2, 3 ... then lie on different channels."""


def parse(text: str) -> Modules | None:
    """Return the modules; None when there is no memory device in the text at all."""
    devices = [device for device in _devices(text) if not _other(device)]
    if not devices:
        return None
    filled = [bool(_amount(device.get("Size", ""))) for device in devices]
    present = [device for device, full in zip(devices, filled, strict=True) if full]
    speeds = [speed for device in present if (speed := _speed(device))]
    widths = {width for device in present if (width := _number(device.get("Data Width", "")))}
    keys = _keys(devices)
    places, lettered = _places(devices)
    return Modules(
        slots=len(devices),
        modules=len(present),
        capacity=sum(_amount(device["Size"]) for device in present),
        channels=len(set(keys)) if keys else None,
        populated=len({key for key, full in zip(keys, filled, strict=True) if full}) if keys else None,
        megatransfers=min(speeds) if speeds else None,
        width_bits=widths.pop() if len(widths) == 1 else None,
        places=tuple(place for place, full in zip(places, filled, strict=True) if full) if places else (),
        lettered=lettered,
    )


def populated(modules: Modules, channels: int) -> int:
    """Return how many of ``channels`` have a module, on a board whose slots have numbers only.

    Neighbours are taken to share a channel, as the slots of HP's Z440 do (1, 3, 6 and 8 are its four); behind a
    processor's letter the numbers go round the channels. Without numbers it is the most that the modules can fill.
    """
    most = min(modules.modules, channels)
    if not modules.places or modules.slots % channels:
        return most
    each = modules.slots // channels
    processors = len({processor for processor, _ in modules.places}) or 1
    per = max(1, channels // processors)
    found = {
        (processor, (number - 1) % per if modules.lettered else (number - 1) // each)
        for processor, number in modules.places
    }
    return min(most, len(found))


def _devices(text: str) -> Iterator[Mapping[str, str]]:
    for block in re.split(r"(?m)^(?=Handle 0x)", text):
        lines = block.splitlines()
        if len(lines) < 2 or lines[1].strip() != "Memory Device":
            continue
        fields = (line.strip().partition(":") for line in lines[2:])
        yield {name: value.strip() for name, sign, value in fields if sign}


def _other(device: Mapping[str, str]) -> bool:
    """Tell flash of the firmware from main memory."""
    return device.get("Type", "") in ("Flash", "ROM", "EEPROM") or "SYSTEM ROM" in device.get("Locator", "").upper()


def _keys(devices: Sequence[Mapping[str, str]]) -> list[tuple[str, str]]:
    """Return the channel of each slot, or nothing where that cannot be told of all."""
    # A processor that only the bank names counts as well.
    beside = [_processor(device.get("Bank Locator", "")) for device in devices]
    for form, field in ((_CHANNEL, "Bank Locator"), (_CHANNEL, "Locator"), (_LETTER, "Locator")):
        matches = [match for device in devices if (match := form.match(device.get(field, "")))]
        if len(matches) != len(devices):
            continue
        keys = [(match["before"].upper() + extra, match["name"].upper())
                for match, extra in zip(matches, beside, strict=True)]  # fmt: skip
        if form is _LETTER and max(keys.count(key) for key in set(keys)) > _SLOTS_OF_A_CHANNEL:
            continue
        return keys
    return []


def _places(devices: Sequence[Mapping[str, str]]) -> tuple[list[tuple[str, int]], bool]:
    for form, lettered in ((_LETTER, True), (_NUMBERED, False)):
        matches = [match for device in devices if (match := form.match(device.get("Locator", "")))]
        if len(matches) == len(devices):
            return [(match["before"] + (match["name"] if lettered else ""), int(match["slot"]))
                    for match in matches], lettered  # fmt: skip
    return [], False


def _processor(text: str) -> str:
    found = _PROCESSOR.search(text)
    return found[1] if found else ""


def _speed(device: Mapping[str, str]) -> int:
    names = ("Configured Memory Speed", "Configured Clock Speed", "Speed")
    return next((speed for name in names if (speed := _number(device.get(name, "")))), 0)


def _amount(text: str) -> int:
    found = _AMOUNT.fullmatch(text)
    return int(found[1]) * _UNIT[found[2]] if found else 0


def _number(text: str) -> int:
    found = re.match(r"\d+", text)
    return int(found[0]) if found else 0
