"""lspci's listing, with as much as its options showed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.lspcitext import Head, head, plain
from pvekit.passthrough.pattern import Pattern

ROM_BAR = 6
"""The number under which the kernel and ``Bar`` count the expansion ROM."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One region. ``start`` None: unassigned; ``state`` holds words in brackets (disabled, ignored, virtual)."""

    number: int
    start: int | None
    size: int | None
    bits: int
    prefetchable: bool
    state: str
    line: Line
    io: bool = False

    @property
    def end(self) -> int | None:
        """Return the last address; None when it is unassigned or its size is not known."""
        return None if self.start is None or not self.size else self.start + self.size - 1


@dataclass(frozen=True)
class PciEntry:
    """One device. ``vendor`` and ``device`` are four hex digits, "" where lspci ran without -n.

    ``klass`` is four hex digits such as 0300, else "" (then ``class_name`` tells). ``driver`` is None when the listing
    shows no drivers at all and "" when it shows them and this device has none. ``lines`` are all lines of the device;
    ``text`` joins them. ``broken``: ``rev ff`` or ``Unknown header type 7f``. ``subsystem`` is ``10de:11c1``, or the
    name where there are no numbers. ``rom`` is the expansion ROM, which is not among the ``bars``. ``verbose``: shown
    with -vv and as root, so that a capability that is not there is not in the device.
    """

    bdf: Bdf
    klass: str
    class_name: str
    name: str
    vendor: str
    device: str
    subsystem: str
    driver: str | None
    modules: tuple[str, ...]
    bars: tuple[Bar, ...]
    group: int | None
    slot: str
    lines: tuple[Line, ...]
    broken: bool = False
    rom: Bar | None = None
    verbose: bool = False

    @property
    def line(self) -> Line:
        """Return the line that names the device."""
        return self.lines[0]

    @property
    def text(self) -> str:
        """Return all lines of the device."""
        return "\n".join(line.text for line in self.lines)

    def showing(self, word: str) -> Line:
        """Return the first line that holds a word, such as ``Kernel driver in use``; else the one with the name."""
        return next((line for line in self.lines if word in line.text), self.line)

    def capability(self, name: str) -> tuple[Line, ...]:
        """Return the lines of a capability of ``lspci -vv``: the one that names it and those further in below it."""
        found: list[Line] = []
        for line in self.lines:
            body = plain(line.text).lstrip()
            starts = body.startswith(("Capabilities:", "Kernel "))
            if found and (starts or 0 < _indent(line) <= _indent(found[0])):
                break
            if found or (body.startswith("Capabilities:") and name in body):
                found.append(line)
        return tuple(found)


def _indent(line: Line) -> int:
    body = plain(line.text).expandtabs(8)
    return len(body) - len(body.lstrip())


@dataclass(frozen=True)
class PciListing:
    """Devices by address. ``verbose``: ``-vv``, so that a capability that is not there was not shown by the device.

    ``whole``: the listing seems to be of the whole host (a host bridge is in it), not of a chosen device.
    """

    devices: Mapping[Bdf, PciEntry]
    verbose: bool = False
    whole: bool = False
    notes: tuple[Line, ...] = field(default=())


@dataclass
class _Part:
    """One run of lspci: devices in rising order, with nothing else in between."""

    blocks: list[tuple[Head, list[Line]]] = field(default_factory=list)
    cut: bool = False

    @property
    def whole(self) -> bool:
        names = {part.klass or part.class_name.lower() for part, _ in self.blocks}
        return not self.cut and len(self.blocks) > 4 and bool(names & {"0600", "host bridge"})


_PROMPT = Pattern(r"[#$%❯➜]\s*(?:sudo\s+)?[a-z]|^\s*lspci\b|^\s*(?:```|~~~)")
_DETAIL = Pattern(r"^(?:\s|[A-Z!][\w /!-]*:|(?:Memory|I/O ports|Expansion ROM|Bus|Capabilities)\b|!!!|\[[a-z]+\] )")
_SIZE = Pattern(r"\[size=(\d+)([KMGTP]?)\]")
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40, "P": 50}
_REGION = Pattern(
    r"^\s*(?:Region (?P<number>\d): )?(?P<before>(?:\[\w+\] )*)(?P<kind>Memory|I/O ports) at "
    r"(?P<at><[\w-]+>|[0-9a-fA-F]+)(?P<rest>.*)$"
)
_ROM = Pattern(r"^\s*(?P<before>(?:\[\w+\] )*)Expansion ROM at (?P<at><[\w-]+>|[0-9a-fA-F]+)(?P<rest>.*)$")
_WORDS = Pattern(r"[\[<]((?!size=)[a-z][\w-]*)[\]>]")
_BROKEN = Pattern(r"\(rev ff\)|Unknown header type 7f", re.I)
_GROUP = Pattern(r"\bIOMMU group:? ([0-9]{1,6})\b")
_IDS = Pattern(r"\[?\b([0-9a-fA-F]{4}:[0-9a-fA-F]{4})\b\]?\s*$")


def listing(lines: Iterable[Line]) -> PciListing:
    """Read one or several listings that follow each other."""
    notes: list[Line] = []
    parts = _parts(lines, notes)
    devices: dict[Bdf, PciEntry] = {}
    for part in parts:
        drivers = any("Kernel driver in use" in line.text or "Kernel modules" in line.text
                      for _, block in part.blocks for line in block)  # fmt: skip
        for first, block in part.blocks:
            entry = _entry(first, tuple(block), drivers and not part.cut)
            before = devices.get(entry.bdf)
            devices[entry.bdf] = entry if before is None else _merged(before, entry)
    verbose = bool(devices) and any(entry.verbose for entry in devices.values())
    return PciListing(devices, verbose, any(part.whole for part in parts), tuple(notes))


def _parts(lines: Iterable[Line], notes: list[Line]) -> list[_Part]:
    parts = [_Part()]
    block: list[Line] | None = None
    file = None
    for line in lines:
        text = plain(line.text)
        first = head(line.text)
        if line.file != file or (first is None and _PROMPT.search(text)):
            block, file = None, line.file
            if parts[-1].blocks:
                parts.append(_Part())
        if first is not None:
            if parts[-1].blocks and first.bdf <= parts[-1].blocks[-1][0].bdf:
                parts.append(_Part())
            block = [line]
            parts[-1].blocks.append((first, block))
        elif text.strip() in ("--", "..."):
            block, parts[-1].cut = None, True
        elif block is not None and text.strip() and _DETAIL.match(text):
            block.append(line)
        elif text.strip():
            notes.append(line)
    return parts


def _entry(first: Head, lines: tuple[Line, ...], drivers: bool) -> PciEntry:
    values: dict[str, str] = {}
    for line in lines[1:]:
        key, colon, value = plain(line.text).strip().partition(":")
        if colon and key not in values:
            values[key] = value.strip()
    driver = values.get("Kernel driver in use")
    if driver is None and (drivers or "Kernel modules" in values):
        driver = ""
    text = "\n".join(line.text for line in lines)
    subsystem = values.get("Subsystem", "")
    numbers = _IDS.search(subsystem)
    group = _GROUP.search(text)
    bars, rom = _bars(lines[1:])
    return PciEntry(
        first.bdf, first.klass, first.class_name, first.name, first.vendor, first.device,
        numbers[1].lower() if numbers else subsystem,
        driver,
        tuple(word for word in re.split(r"[,\s]+", values.get("Kernel modules", "")) if word),
        bars,
        int(group[1]) if group else None,
        values.get("Physical Slot", ""),
        lines,
        bool(_BROKEN.search(text)),
        rom,
        "Control" in values and "Capabilities: <access denied>" not in text,
    )  # fmt: skip


def _bars(lines: Iterable[Line]) -> tuple[tuple[Bar, ...], Bar | None]:
    """Return the regions and the ROM. Without -vv regions carry no numbers: a 64-bit one takes two."""
    bars: list[Bar] = []
    rom = None
    following = 0
    for line in lines:
        text = plain(line.text)
        if found := _ROM.match(text):
            rom = rom or _bar(ROM_BAR, found, line)
        elif found := _REGION.match(text):
            bar = _bar(int(found["number"] or following), found, line)
            following = bar.number + (2 if bar.bits == 64 else 1)
            if bar.number not in {known.number for known in bars}:
                bars.append(bar)
    return tuple(bars), rom


def _bar(number: int, found: re.Match[str], line: Line) -> Bar:
    rest = found["rest"]
    at = found["at"]
    size = _SIZE.search(rest)
    words = _WORDS.findall(f"{found['before']} {at} {rest}")
    return Bar(
        number,
        None if at.startswith("<") else int(at, 16),
        int(size[1]) << _UNITS[size[2]] if size else None,
        64 if "64-bit" in rest else 32,
        "prefetchable" in rest and "non-prefetchable" not in rest,
        " ".join(dict.fromkeys(words)),
        line,
        found.groupdict().get("kind") == "I/O ports",
    )


def _merged(one: PciEntry, two: PciEntry) -> PciEntry:
    """Return what two listings say about a device: the richer one, its gaps filled from the other."""
    rich, poor = (two, one) if len(two.lines) > len(one.lines) else (one, two)
    if any(bar.size for bar in poor.bars) and not any(bar.size for bar in rich.bars):
        rich = replace(rich, bars=poor.bars)
    return replace(
        rich,
        klass=rich.klass or poor.klass,
        class_name=rich.class_name or poor.class_name,
        name=rich.name or poor.name,
        vendor=rich.vendor or poor.vendor,
        device=rich.device or poor.device,
        subsystem=rich.subsystem if ":" in rich.subsystem[4:5] or not poor.subsystem else poor.subsystem,
        driver=poor.driver if rich.driver is None else rich.driver,
        modules=rich.modules or poor.modules,
        bars=rich.bars or poor.bars,
        group=poor.group if rich.group is None else rich.group,
        slot=rich.slot or poor.slot,
        lines=rich.lines + poor.lines,
        broken=rich.broken or poor.broken,
        rom=rich.rom or poor.rom,
        verbose=rich.verbose or poor.verbose,
    )


def read(sources: Sources) -> PciListing | Missing:
    """Read lspci.txt (-nn, -nnk, -nnvv, -nnvvk, -vvv, several or one device)."""
    lines = sources.of("lspci.txt")
    if isinstance(lines, Missing):
        return lines
    found = listing(lines)
    if not found.devices and any(line.text.strip() for line in lines):
        return Missing("lspci.txt", "holds no listing of lspci")
    return found
