"""The machine's maker, model and slots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough import logs
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot of dmidecode type 9."""

    name: str
    kind: str
    in_use: bool | None
    bdf: Bdf | None
    line: Line


@dataclass(frozen=True)
class Dmi:
    """``values`` by key such as sys_vendor, product_name, bios_version, bios_date, board_name."""

    values: Mapping[str, str]
    slots: tuple[Slot, ...]
    lines: Mapping[str, Line]


_SECTIONS = {
    "BIOS Information": {"Vendor": "bios_vendor", "Version": "bios_version", "Release Date": "bios_date"},
    "System Information": {
        "Manufacturer": "sys_vendor",
        "Product Name": "product_name",
        "Version": "product_version",
        "SKU Number": "product_sku",
        "Family": "product_family",
    },
    "Base Board Information": {
        "Manufacturer": "board_vendor",
        "Product Name": "board_name",
        "Version": "board_version",
    },
    "Chassis Information": {"Manufacturer": "chassis_vendor", "Type": "chassis_type"},
}
_SLOT = Pattern(r"System Slot Information\s*")
_FIELD = Pattern(r"\s+([A-Z][\w /()-]*?):\s*(.*?)\s*")
_PAIR = Pattern(
    r"\s*(?:/sys/(?:class|devices/virtual)/dmi/id/)?((?:bios|sys|product|board|chassis)_[a-z]+)\s*[=:]\s*(.*?)\s*"
)
_LOGGED = Pattern(r"^DMI: (.+), BIOS (.*?)(?: (\d\d/\d\d/\d{4}))?\s*$")
_MAKERS = Pattern(
    r"(?:Hewlett-Packard|HPE?|Dell(?: Inc\.)?|LENOVO|QEMU|Supermicro|FUJITSU|Acer|Apple Inc\.|Cisco Systems Inc"
    r"|Intel(?: Corporation|\(R\) Client Systems)?|(?i:ASUSTeK COMPUTER INC\.)|ASUS|ASRockRack|ASRock|BIOSTAR Group"
    r"|Gigabyte Technology Co\., Ltd\.|GIGABYTE|Micro-Star International Co\., ?Ltd\.?|MSI"
    r"|(?i:to be filled by o\.e\.m\.|system manufacturer|default string)|\S+)(?= |$)"
)


def read(sources: Sources) -> Dmi | Missing:
    """Read dmi.txt (dmidecode or ``key=value`` of /sys/class/dmi/id), or the kernel log's ``DMI:`` line."""
    lines = sources.of("dmi.txt")
    if not isinstance(lines, Missing):
        found = _decoded(lines)
        if found is not None:
            return found
    logged = _logged((*sources.roles.get("dmi.txt", ()), *sources.roles.get("dmesg.txt", ())))
    if logged is not None:
        return logged
    return lines if isinstance(lines, Missing) else Missing("dmi.txt", "names neither a machine nor its firmware")


def _decoded(lines: Iterable[Line]) -> Dmi | None:
    values: dict[str, str] = {}
    places: dict[str, Line] = {}
    slots: list[Slot] = []
    keys: Mapping[str, str] = {}
    slot: tuple[Line, dict[str, str]] | None = None
    for line in lines:
        pair = _PAIR.fullmatch(line.text)
        if pair is not None:
            values.setdefault(pair.group(1), pair.group(2))
            places.setdefault(pair.group(1), line)
        elif field := _FIELD.fullmatch(line.text):
            if slot is not None:
                slot[1].setdefault(field.group(1), field.group(2))
            elif field.group(1) in keys:
                values.setdefault(keys[field.group(1)], field.group(2))
                places.setdefault(keys[field.group(1)], line)
        elif line.text[:1].strip():
            slots += [_slot(*slot)] if slot else []
            slot = (line, {}) if _SLOT.fullmatch(line.text) else None
            keys = _SECTIONS.get(line.text.strip(), {})
    slots += [_slot(*slot)] if slot else []
    return Dmi(values, tuple(slots), places) if values or slots else None


def _slot(line: Line, fields: Mapping[str, str]) -> Slot:
    try:
        bdf = Bdf.parse(fields.get("Bus Address", ""))
    except ValueError:
        bdf = None
    usage = {"In Use": True, "Available": False}.get(fields.get("Current Usage", ""))
    return Slot(fields.get("Designation", ""), fields.get("Type", ""), usage, bdf, line)


def _logged(lines: Iterable[Line]) -> Dmi | None:
    """Return what the kernel prints of the firmware's tables: maker, product, board, firmware version and its date."""
    for line in lines:
        if "DMI: " not in line.text or logs.prompt(line.text) is not None:
            continue
        found = _LOGGED.match(logs.strip(line.text)[0])
        if found is None:
            continue
        name, _, board = found.group(1).rpartition("/")
        name = name or board
        maker = _MAKERS.match(name)
        values = {
            "sys_vendor": maker.group() if maker else "",
            "product_name": name[maker.end() :].strip() if maker else name,
            "board_name": board if name != board else "",
            "bios_version": found.group(2).strip(),
            "bios_date": found.group(3) or "",
        }
        values = {key: value for key, value in values.items() if value}
        return Dmi(values, (), dict.fromkeys(values, line))
    return None
