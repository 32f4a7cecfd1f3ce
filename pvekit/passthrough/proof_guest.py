"""What a VM said about its devices, made into a look: a bundle of a Linux guest, or lines of a Windows one. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from pvekit.model.bundle import Bundle, Line
from pvekit.model.missing import Missing
from pvekit.model.proof import Bar, Compute, GuestDevice, GuestLook
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.facts.guestlog import GuestLog

DEVICES, TOOLS = "guest/devices.txt", "guest/tools.txt"
_MEMORY, _PORTS, _PREFETCH = 0x200, 0x100, 0x2000
_HEX = re.compile(r"0x[0-9a-fA-F]{1,16}")
_WRONG = re.compile(
    r"NVRM:.*(?:RmInitAdapter failed|rm_init_adapter failed|fallen off the bus|BAR\d is 0M @ 0x0|API mismatch"
    r"|probe routine (?:failed|was not called)|None of the NVIDIA devices|No NVIDIA (?:GPU|graphics adapter|devices)"
    r"|necessary power cables|Can't find an IRQ|request_mem_region failed|already (?:bound to|in use)|GPU is lost"
    r"|installed in this system is(?:\s|NVRM:)*(?:not\s+supported|supported through))"
    r"|amdgpu.*(?:Fatal error during GPU init|hw_init of IP block .*failed|probe of .* failed with error"
    r"|atombios stuck|PSP .*failed|ring \S+ test failed)"
)
"""Messages after which the driver does not work the card; an application can cause the others (Xid) as well."""
_WINDOWS = re.compile(r"PCI\\VEN_([0-9A-F]{4})&DEV_([0-9A-F]{4})[^|]*\|([^|]*)\|([^|]*)\|([^|]*)", re.IGNORECASE)


def look_of(number: int, said: Bundle) -> GuestLook:
    """Return what a Linux guest shows."""
    log = Facts(Bundle(said.name, {name: text for name, text in said.files.items() if name == "guest/dmesg.txt"})).get(
        GuestLog
    )
    entries = () if isinstance(log, Missing) else log.entries
    # A message that NVIDIA's driver wraps is one.
    found = [replace(entry.line, text=entry.text) for entry in entries if _WRONG.search(entry.text)]
    tools = tuple(said.files.get(TOOLS, "").split())
    return GuestLook(number, tuple(_devices(said)), tuple(found), tools)


def _devices(said: Bundle) -> Iterator[GuestDevice]:
    device: GuestDevice | None = None
    lines = said.lines(DEVICES) if DEVICES in said.files else ()
    place = 0
    for line in lines:
        words = line.text.split()
        if words[:1] == ["device"] and len(words) == 6:
            if device is not None:
                yield device
            vendor, number, klass = (word.removeprefix("0x") for word in words[2:5])
            driver = "" if words[5] == "-" else words[5]
            device, place = GuestDevice(words[1], f"{vendor}:{number}", klass, driver), 0
        elif words[:1] == ["bar"] and device is not None:
            bar = _bar(place, words[1:])
            device = device if bar is None else replace(device, bars=(*device.bars, bar))
            place += 1
    if device is not None:
        yield device


def _bar(number: int, words: Sequence[str]) -> Bar | None:
    if len(words) != 3 or not all(_HEX.fullmatch(word) for word in words):
        return None
    start, end, flags = (int(word, 16) for word in words)
    if not flags & (_MEMORY | _PORTS):
        return None
    return Bar(number, start, end - start + 1 if end else 0, bool(flags & _PORTS), bool(flags & _PREFETCH))


def windows_look(number: int, text: str) -> GuestLook:
    """Return what Windows shows: present PCI devices as ``instance|status|problem|name``, one a line."""
    found = []
    for line in text.splitlines():
        match = _WINDOWS.search(line)
        if match is not None:
            status, problem = match[3].strip(), match[4].strip()
            wrong = "" if status == "OK" else f"{status} {problem}".strip()
            name = match[5].strip() or "PCI device"
            found.append(GuestDevice(name, f"{match[1]}:{match[2]}".lower(), "", "", status=wrong))
    return GuestLook(number, tuple(found), complete=False)


def compute_of(text: str, devices: Iterable[GuestDevice]) -> Compute:
    """Read the answer of templates/host/passthrough-compute.py about some devices."""
    wanted = {device.address.lower() for device in devices}
    try:
        answer: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
        cards = list(answer["cards"])
        if answer.get("missing"):
            return Compute(None, "no compute job: the guest has no libcuda.so.1")
        if answer["error"]:
            return Compute(False, str(answer["error"]))
        failed = [card for card in cards if card["error"]]
        done = [card for card in cards if not card["error"] and str(card["address"]).lower() in wanted]
        if done:
            size = int(done[0]["bytes"]) >> 20
            return Compute(True, f"{done[0]['name']} filled {size} MiB and gave them back unchanged")
        if failed:
            return Compute(False, f"{failed[0]['name']}: {failed[0]['error']}")
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return Compute(None, "no compute job: its answer cannot be read")
    return Compute(False, "CUDA does not list the card")


def evidence_of(said: Bundle) -> dict[str, str]:
    """Return the files that the checks can read, to be added to those of the host."""
    return {name: text for name, text in said.files.items() if name not in (DEVICES, TOOLS)}


def shown(lines: Iterable[Line], most: int = 2) -> str:
    """Return the first few lines as one text."""
    return "; ".join(f"{line.text.strip()}" for line in list(lines)[:most])
