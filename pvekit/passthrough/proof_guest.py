"""What a VM said about its devices, made into a look: a bundle of a Linux guest, or lines of a Windows one. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from pvekit.model.bundle import Bundle, Line
from pvekit.model.guestpci import GuestDevice, read_bars, windows_devices
from pvekit.model.missing import Missing
from pvekit.model.proof import Compute, GuestLook
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.facts.guestlog import GuestLog

DEVICES, TOOLS = "guest/devices.txt", "guest/tools.txt"
_WRONG = re.compile(
    r"NVRM:.*(?:RmInitAdapter failed|rm_init_adapter failed|fallen off the bus|BAR\d is 0M @ 0x0|API mismatch"
    r"|probe routine (?:failed|was not called)|None of the NVIDIA devices|No NVIDIA (?:GPU|graphics adapter|devices)"
    r"|necessary power cables|Can't find an IRQ|request_mem_region failed|already (?:bound to|in use)|GPU is lost"
    r"|installed in this system is(?:\s|NVRM:)*(?:not\s+supported|supported through))"
    r"|amdgpu.*(?:Fatal error during GPU init|hw_init of IP block .*failed|probe of .* failed with error"
    r"|atombios stuck|PSP .*failed|ring \S+ test failed)"
)
"""Messages after which the driver does not work the card; an application can cause the others (Xid) as well."""


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
    regions: list[str] = []
    for line in said.lines(DEVICES) if DEVICES in said.files else ():
        kind, _, rest = line.text.partition(" ")
        words = rest.split()
        if kind == "bar":
            regions.append(rest)
        elif kind == "device" and len(words) == 5:
            if device is not None:
                yield replace(device, bars=read_bars(regions))
            regions = []
            vendor, number, klass = (word.removeprefix("0x") for word in words[1:4])
            device = GuestDevice(f"{vendor}:{number}", words[0], "" if words[4] == "-" else words[4], klass)
    if device is not None:
        yield replace(device, bars=read_bars(regions))


def windows_look(number: int, text: str) -> GuestLook:
    """Return what Windows shows: the answer to ``guestpci.windows_command``."""
    return GuestLook(number, windows_devices(text), complete=False)


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
