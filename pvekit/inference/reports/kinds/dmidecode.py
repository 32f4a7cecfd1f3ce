"""dmidecode -t memory (type 17): which channels have a module, and the speed it runs at."""

from __future__ import annotations

import re

from pvekit.inference.reports import numbers
from pvekit.inference.reports.found import Found
from pvekit.inference.reports.lines import Line, Text

_FIELD = re.compile(
    r"^\s+(Size|Locator|Bank Locator|Speed|Configured (?:Memory|Clock) Speed|Manufacturer|Type"
    r"|Form Factor|Part Number):\s*(.{0,80}?)\s*$"
)
_OTHER = re.compile(
    r"^\s+[A-Z][\w ()/-]{2,50}:\s?.*$|^Handle 0x|^# dmidecode|^Memory Device$"
    r"|^Physical Memory Array$|^SMBIOS |^Getting SMBIOS"
)
_SIZE_ONLY = re.compile(r"^\s*Size: (No Module Installed|\d{1,6} [MG]i?B)\s*$")
_MT = re.compile(r"(\d{3,5}) (?:MT/s|MHz)")
_CHANNEL = re.compile(r"channel[ _-]?([a-p]|\d{1,2})(?![a-z0-9])", re.IGNORECASE)
_LETTER = re.compile(r"(?:dimm|mm|slot|^|[_ -])[ _-]?([a-p])[ _-]?\d?$", re.IGNORECASE)
_SOCKET = re.compile(r"(?:^|[^a-z0-9])(?:p|cpu|proc|node|socket|mcu)[ _-]?(\d)(?![0-9])|_?node(\d)", re.IGNORECASE)


def read(text: Text, found: Found) -> None:
    """Read all memory devices of the file. A virtual machine's own table says nothing of channels."""
    devices: list[tuple[Line, dict[str, str]]] = []
    inside = False
    for line in text.lines:
        stripped = line.text.strip()
        if stripped == "Memory Device":
            devices.append((line, {}))
            inside = True
            found.take(line)
        elif not stripped or line.text.startswith("Handle "):
            inside = inside and not line.text.startswith("Handle ")
        elif inside and (match := _FIELD.match(line.text)):
            devices[-1][1].setdefault(match.group(1), match.group(2))
        if devices and _OTHER.match(line.text):
            found.take(line)
    if not devices:
        devices = _sizes(text, found)
    devices = [
        one
        for one in devices
        if one[1].get("Manufacturer") not in {"QEMU", "Bochs", "Red Hat", "VMware", "VMware Virtual RAM"}
    ]
    if devices:
        _count(devices, found)


def _sizes(text: Text, found: Found) -> list[tuple[Line, dict[str, str]]]:
    """Return the devices of a list that was cut down to its sizes, slot by slot; a single size is no list."""
    lines = [(line, match) for line in text.lines if (match := _SIZE_ONLY.match(line.text))]
    if len(lines) < 2 or not any(match.group(1).startswith("No ") for _, match in lines):
        return []
    found.take(*(line for line, _ in lines))
    return [(line, {"Size": match.group(1)}) for line, match in lines]


def _count(devices: list[tuple[Line, dict[str, str]]], found: Found) -> None:
    populated = [(line, fields) for line, fields in devices if numbers.size(fields.get("Size", "")) is not None]
    if not populated:
        return
    at = populated[0][0]
    found.say("memory.modules", len(populated), at)
    found.say("host.memory", sum(numbers.size(fields["Size"]) or 0 for _, fields in populated), at)
    if kind := populated[0][1].get("Type"):
        found.say("memory.kind", kind, at)
    speeds = {speed for _, fields in populated if (speed := _speed(fields)) is not None}
    if speeds:
        found.say("host.megatransfers", min(speeds), at)
    keys = [_channel(fields) for _, fields in devices]
    if all(keys):
        full = {key for key, (_, fields) in zip(keys, devices, strict=True) if numbers.size(fields.get("Size", ""))}
        found.say("host.populated_channels", len(full), at)
        if len(devices) > len(populated) or len(set(keys)) > 1:
            found.say("host.channels", len(set(keys)), at)
    elif len(populated) == 1:
        found.say("host.populated_channels", 1, at)


def _speed(fields: dict[str, str]) -> int | None:
    for name in ("Configured Memory Speed", "Configured Clock Speed", "Speed"):
        match = _MT.search(fields.get(name, ""))
        if match is not None:
            return int(match.group(1))
    return None


def _channel(fields: dict[str, str]) -> str:
    """Return socket and channel as the board's maker names them; empty where the names do not say."""
    bank, locator = fields.get("Bank Locator", ""), fields.get("Locator", "")
    socket = _SOCKET.search(bank) or _SOCKET.search(locator)
    where = next((one for one in socket.groups() if one), "") if socket else ""
    for text in (bank, locator):
        if match := _CHANNEL.search(text):
            return f"{where}/{match.group(1).lower()}"
    match = _LETTER.search(locator.strip())
    return f"{where}/{match.group(1).lower()}" if match else ""
