"""How lspci, and the lists that people make with it, write one device: address, class, name and numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pvekit.model.pci import Bdf
from pvekit.passthrough.pattern import Pattern

ADDRESS = r"(?:[0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[01][0-9a-fA-F]\.[0-7]"
"""A regular expression for an address as ``Bdf.parse`` reads it."""

LONGEST = 8000
"""Of a longer line only so much is read: nothing that is looked for here comes later, and no line takes long."""

_NAMES = {
    "00": {
        "00": "non-vga unclassified device", "01": "vga compatible unclassified device", "ff": "unclassified device",
    },
    "01": {
        "00": "scsi storage controller", "01": "ide interface", "02": "floppy disk controller",
        "04": "raid bus controller", "05": "ata controller", "06": "sata controller",
        "07": "serial attached scsi controller", "08": "non-volatile memory controller",
        "80": "mass storage controller",
    },
    "02": {
        "00": "ethernet controller", "07": "infiniband controller", "08": "fabric controller",
        "80": "network controller",
    },
    "03": {
        "00": "vga compatible controller", "01": "xga compatible controller", "02": "3d controller",
        "80": "display controller",
    },
    "04": {
        "00": "multimedia video controller", "01": "multimedia audio controller", "02": "computer telephony device",
        "03": "audio device", "80": "multimedia controller",
    },
    "05": {"00": "ram memory", "01": "flash memory", "02": "cxl", "80": "memory controller"},
    "06": {
        "00": "host bridge", "01": "isa bridge", "02": "eisa bridge", "04": "pci bridge", "05": "pcmcia bridge",
        "07": "cardbus bridge", "09": "semi-transparent pci-to-pci bridge", "0a": "infiniband to pci host bridge",
        "80": "bridge",
    },
    "07": {
        "00": "serial controller", "01": "parallel controller", "02": "multiport serial controller", "03": "modem",
        "80": "communication controller",
    },
    "08": {
        "00": "pic", "01": "dma controller", "02": "timer", "03": "rtc", "04": "pci hot-plug controller",
        "05": "sd host controller", "06": "iommu", "80": "system peripheral", "99": "timing card",
    },
    "09": {"00": "keyboard controller", "02": "mouse controller", "80": "input device controller"},
    "0b": {"40": "co-processor"},
    "0c": {
        "00": "firewire (ieee 1394)", "03": "usb controller", "04": "fibre channel", "05": "smbus", "06": "infiniband",
        "07": "ipmi interface", "09": "canbus", "80": "serial bus controller",
    },
    "0d": {"11": "bluetooth", "80": "wireless controller"},
    "10": {"00": "network and computing encryption device", "80": "encryption controller"},
    "11": {"00": "dpio module", "01": "performance counters", "80": "signal processing controller"},
    "12": {"00": "processing accelerators"},
    "13": {"00": "non-essential instrumentation"},
}  # fmt: skip
CLASSES = {name: base + sub for base, subs in _NAMES.items() for sub, name in subs.items()}
"""Class numbers by the names that lspci without -n prints, in lower case (the names are those of pci.ids)."""

_QUOTE = Pattern(r"^[ \t]{0,3}(?:>[ ]?)+")
_NUMBERS = Pattern(r"\[([0-9a-fA-F]{4}):([0-9a-fA-F]{4})\]")
_WITH_CLASS = Pattern(r"^(?P<name>[^\[\]\":]*?)\s*\[(?P<klass>[0-9a-fA-F]{4})\]:?\s*(?P<rest>.*)$")
_ONLY_NUMBERS = Pattern(
    r"^(?:Class )?(?P<klass>[0-9a-fA-F]{4}):\s+(?P<vendor>[0-9a-fA-F]{4}):(?P<device>[0-9a-fA-F]{4})\b(?P<rest>.*)$"
)
_PLAIN = Pattern(r"^(?P<name>[A-Za-z0-9][^:\[\]\"]{1,60}):\s+(?P<rest>\S.*)$")
_OURS = Pattern(r"^\[?(?P<vendor>[0-9a-fA-F]{4}):(?P<device>[0-9a-fA-F]{4})\]?\s*(?:\[[^\]]*\]\s*)?(?P<rest>.*)$")
_BARE_CLASS = Pattern(
    r"^(?:class[ =:]*)?(?:0x([0-9a-fA-F]{4})(?:[0-9a-fA-F]{2})?\b|\[([0-9a-fA-F]{4})\]|([0-9a-fA-F]{4})\b):?\s*", re.I
)
_QUOTED = Pattern(r'"([^"]*)"')
_ENDS_IN_NUMBER = Pattern(r"^(.*?)\s*\[([0-9a-fA-F]{4})\]$")
_TAIL = Pattern(r"\s*(?:\((?:rev|prog-if)[^)]*\)|Driver: \S+|--\s.*)\s*$")
_DRIVER = Pattern(r"\bDriver: ([\w-]+)")


@dataclass(frozen=True, slots=True)
class Head:
    """What one line says about a device. Texts are "" where it does not tell; ``rest`` is all after the class.

    ``driver`` is that of lists with ``Driver: vfio-pci`` at the end.
    """

    bdf: Bdf
    klass: str = ""
    class_name: str = ""
    name: str = ""
    vendor: str = ""
    device: str = ""
    rest: str = ""
    driver: str = ""


def plain(text: str) -> str:
    """Return a line as the program printed it: without the marks of a quotation, odd blanks and line ends."""
    text = text[:LONGEST].replace("\xa0", " ").replace("\r", "")
    return (_QUOTE.sub("", text) if ">" in text else text).replace("`", "").rstrip()


def address(text: str) -> Bdf | None:
    """Return the address; None when the text is none."""
    try:
        return Bdf.parse(text)
    except ValueError:
        return None


def class_of(name: str) -> str:
    """Return the class number of a class name; "" when it is not known."""
    return CLASSES.get(name.strip().lower(), "")


def described(bdf: Bdf, text: str) -> Head | None:
    """Read what follows an address; None when this is no description of a device."""
    body = text.strip()
    driver = found[1] if (found := _DRIVER.search(body)) else ""
    if body.startswith('"'):
        return _machine_readable(bdf, body)
    if found := _ONLY_NUMBERS.match(body):
        klass, vendor, device = (found[key].lower() for key in ("klass", "vendor", "device"))
        return Head(bdf, klass, "", "", vendor, device, found["rest"], driver)
    if (found := _OURS.match(body)) is not None:
        return _numbers_first(bdf, found, driver)
    if found := _WITH_CLASS.match(body):
        vendor, device, name = _name(found["rest"])
        return Head(bdf, found["klass"].lower(), found["name"].strip(), name, vendor, device, found["rest"], driver)
    if found := _PLAIN.match(body):
        vendor, device, name = _name(found["rest"])
        klass, kind = class_of(found["name"]), found["name"].strip()
        if klass or vendor:
            return Head(bdf, klass, kind, name, vendor, device, found["rest"], driver)
    return _class_without_colon(bdf, body, driver)


def _machine_readable(bdf: Bdf, body: str) -> Head | None:
    """Read ``lspci -m``: every field in quotes."""
    fields = _QUOTED.findall(body)
    if len(fields) < 3:
        return None
    numbers, texts = [], []
    for item in fields[:3]:
        found = _ENDS_IN_NUMBER.match(item)
        bare = re.fullmatch(r"[0-9a-fA-F]{4}", item)
        numbers.append((found[2] if found else item if bare else "").lower())
        texts.append(found[1] if found else "" if bare else item)
    klass, vendor, device = numbers
    return Head(bdf, klass or class_of(texts[0]), texts[0], " ".join(texts[1:]).strip(), vendor, device, body)


def _numbers_first(bdf: Bdf, found: re.Match[str], driver: str) -> Head:
    rest = found["rest"].strip()
    klass = name = class_name = ""
    if bare := _BARE_CLASS.match(rest):
        klass, name = (bare[1] or bare[2] or bare[3]).lower(), rest[bare.end() :].strip()
    else:
        inner = described(bdf, rest) if not _OURS.match(rest) else None
        klass, class_name, name = (inner.klass, inner.class_name, inner.name) if inner else ("", "", rest)
    return Head(bdf, klass, class_name, name, found["vendor"].lower(), found["device"].lower(), rest, driver)


def _class_without_colon(bdf: Bdf, body: str, driver: str) -> Head | None:
    """Read ``VGA compatible controller GP106 [10de:1c03]``, as some scripts print it."""
    low = body.lower()
    known = max((name for name in CLASSES if low.startswith(name)), key=len, default="")
    if not known or (len(low) > len(known) and low[len(known)].isalnum()):
        return None
    rest = body[len(known) :].strip(" :-")
    vendor, device, name = _name(rest)
    return Head(bdf, CLASSES[known], body[: len(known)], name, vendor, device, rest, driver)


def _name(rest: str) -> tuple[str, str, str]:
    """Return vendor, device and name from the text after the class."""
    numbers = _NUMBERS.findall(rest)
    vendor, device = (part.lower() for part in numbers[-1]) if numbers else ("", "")
    name = rest.strip()
    while (cut := _TAIL.sub("", name)) != name:
        name = cut
    return vendor, device, _NUMBERS.sub("", name).strip() if numbers else name


_HEAD = Pattern(rf"^[\s*|•├└─-]*({ADDRESS})(?:\s*:?\s+)(\S.*)$")


def head(text: str) -> Head | None:
    """Read a line that begins with an address and describes the device; None when it is no such line."""
    found = _HEAD.match(plain(text))
    bdf = address(found[1]) if found else None
    return described(bdf, found[2]) if found and bdf else None
