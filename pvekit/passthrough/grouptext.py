"""Lists of IOMMU groups, as the usual shell loops, find, ls, pvesh and this tool print them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pvekit.model.bundle import Line
from pvekit.model.pci import Bdf
from pvekit.passthrough.lspcitext import ADDRESS, Head, address, described, plain
from pvekit.passthrough.pattern import Pattern

_PATH = Pattern(rf"iommu_groups/(\d{{1,6}})/devices/({ADDRESS})")
_PATH_BACK = Pattern(rf"({ADDRESS})/iommu_group\s*(?:->|:)\s*\S*?(\d{{1,6}})/?$")
_FOLDER = Pattern(r"iommu_groups/(\d{1,6})(?:/devices)?/?:?(?:\s|$)")
_GROUP = Pattern(r"(?i)\bgroup\b[\s:#=_-]{0,12}(\d{1,6}|\*)(?![\w.]|:[0-9a-f]{2})[\s:.,|=-]*(.*)$")
_OURS = Pattern(rf"^\s*(\d{{1,6}})(?:\s*\|\s*|:?\s+)({ADDRESS})\b(.*)$")
_LOG = Pattern(rf"({ADDRESS}): Adding to iommu group (\d{{1,6}})|Adding device ({ADDRESS}) to group (\d{{1,6}})")
_IN_GROUP = Pattern(rf"^[\W_]*(?:\[([0-9a-fA-F]{{4}}):([0-9a-fA-F]{{4}})\]\s+)?(?:\[R\]\s+)?({ADDRESS})(?![\w.])(.*)$")
_BARE = Pattern(rf"(?<![\w:.]){ADDRESS}(?![\w.])")
_LS = Pattern(rf"^l[rwx-]{{9}}.*\s({ADDRESS}) -> ")
_CUT = Pattern(r"^\W*(?:\.{2,}|…|-{2,}$|\W*(?:snip|snipped|cut|truncated|etc)\W*$)", re.I)
_PROMPT = Pattern(r"^\S*[@~]\S*[#$]\s|^[#$]\s")
_NOTHING = Pattern(
    r"No such file or directory|^total 0$|^\s*(?:\d+\s+)?d[rwx-]{9}.*\s\.{1,2}$|^[/\w]*iommu_groups/?:?$"
)
_XML_GROUP = Pattern(r"<iommuGroup number=['\"](\d{1,6})['\"]")
_XML_ADDRESS = Pattern(
    r"<address domain=['\"]0x([0-9a-fA-F]{4,8})['\"] bus=['\"]0x([0-9a-fA-F]{2})['\"]"
    r" slot=['\"]0x([01][0-9a-fA-F])['\"] function=['\"]0x([0-7])['\"]"
)


@dataclass
class GroupText:
    """What a text says. ``none``: it says that there are no groups.

    ``partial``: groups may be left out; ``single``: it tells of single devices, so that members may be left out.
    """

    group: dict[Bdf, int] = field(default_factory=dict)
    line: dict[Bdf, Line] = field(default_factory=dict)
    named: dict[Bdf, Head] = field(default_factory=dict)
    none: bool = False
    partial: bool = False
    single: bool = False

    @property
    def whole(self) -> bool:
        """Return whether all groups of a host seem to be there.

        Their numbers go from the first on without large gaps, devices behind a bridge are among them, nothing was cut.
        """
        numbers = set(self.group.values())
        if not numbers:
            return True
        dense = min(numbers) <= 1 and len(numbers) >= 3 and len(numbers) * 5 >= max(numbers) * 4
        return dense and not self.partial and any(bdf.bus for bdf in self.group)

    def add(self, bdf: Bdf | None, group: int, line: Line, text: str = "", ids: tuple[str, str] = ("", "")) -> None:
        """Keep a member; the first group that a list names for a device counts."""
        if bdf is None:
            return
        if self.group.setdefault(bdf, group) != group:
            return
        self.line.setdefault(bdf, line)
        found = described(bdf, text) if text.strip() else None
        if ids[0]:
            found = found or Head(bdf, name=text.strip())
            found = replace(found, vendor=ids[0].lower(), device=ids[1].lower())
        if found is not None and (bdf not in self.named or not self.named[bdf].vendor):
            if not self.named.get(bdf):
                self.line[bdf] = line
            self.named[bdf] = found


def groups(lines: Sequence[Line]) -> GroupText:
    """Read them all."""
    found = GroupText()
    if not any(line.text.strip() for line in lines):
        found.none = True
        return found
    if _json(lines, found) or _table(lines, found):
        return found
    current: int | None = None
    file = None
    for line in lines:
        text = plain(line.text)
        if line.file != file or _PROMPT.search(text):
            current, file = None, line.file
        current = _line(found, line, text, current)
    if not found.group:
        found.none = found.none or all(not line.text.strip() or _NOTHING.search(plain(line.text)) for line in lines)
    return found


def _line(found: GroupText, line: Line, text: str, current: int | None) -> int | None:
    """Read one line; return the group that the lines below it belong to."""
    if paths := _PATH.findall(text):
        for number, bdf in paths:
            found.add(address(bdf), int(number), line)
        return int(paths[-1][0])
    if single := _PATH_BACK.search(text) or _LOG.search(text):
        found.partial = found.single = True
        bdf, number = (part for part in single.groups() if part is not None)
        found.add(address(bdf), int(number), line)
        return None
    if _CUT.match(text):
        found.partial = True
        return None
    if folder := _FOLDER.search(text):
        return int(folder[1])
    if group := _GROUP.search(text):
        return _named_group(found, line, group)
    if xml := _XML_GROUP.search(text):
        found.partial = True
        return int(xml[1])
    if ours := _OURS.match(text):
        found.add(address(ours[2]), int(ours[1]), line, ours[3])
        return int(ours[1])
    if current is not None:
        _member(found, line, text, current)
    return current


def _named_group(found: GroupText, line: Line, group: re.Match[str]) -> int | None:
    if group[1] == "*":
        # A shell loop over no groups leaves its pattern as it is.
        found.none = True
        return None
    _member(found, line, group[2], int(group[1]))
    return int(group[1])


def _member(found: GroupText, line: Line, text: str, current: int) -> None:
    if xml := _XML_ADDRESS.search(text):
        found.add(address(f"{xml[1]}:{xml[2]}:{xml[3]}.{xml[4]}"), current, line)
    elif link := _LS.match(text):
        found.add(address(link[1]), current, line)
    elif member := _IN_GROUP.match(text):
        others = _BARE.findall(member[4])
        found.add(address(member[3]), current, line, "" if others else member[4], (member[1] or "", member[2] or ""))
        for other in others:
            found.add(address(other), current, line)


def _json(lines: Sequence[Line], found: GroupText) -> bool:
    """Read ``pvesh get .../hardware/pci --output-format json``."""
    text = "\n".join(plain(line.text) for line in lines)
    if '"iommugroup"' not in text:
        return False
    try:
        rows = json.loads(text[text.index("[") : text.rindex("]") + 1])
    except (ValueError, RecursionError):
        return False
    if not isinstance(rows, list):
        return False
    for row in rows:
        if isinstance(row, dict):
            cells = {str(key): str(value) for key, value in row.items()}
            line = next((line for line in lines if cells.get("id", "?") in line.text), lines[0])
            _row(found, cells, line)
    return True


def _table(lines: Sequence[Line], found: GroupText) -> bool:
    """Read the table of ``pvesh get .../hardware/pci``."""
    heads: list[str] = []
    done = False
    cells: list[str] = []
    last = lines[0]

    def flush() -> None:
        if heads and cells:
            _row(found, dict(zip(heads, cells, strict=False)), last)

    for line in lines:
        parts = [part.strip() for part in re.split(r"[│┃|]", plain(line.text).strip())]
        if len(parts) < 4:
            continue
        parts = parts[1:-1] if not parts[0] and not parts[-1] else parts
        if "iommugroup" in parts:
            heads, done = parts, True
        elif heads and len(parts) == len(heads):
            identity = heads.index("id") if "id" in heads else 0
            if address(parts[identity]) is None and cells:
                cells = [f"{old}{new}" if new else old for old, new in zip(cells, parts, strict=True)]
            else:
                flush()
                cells, last = parts, line
    flush()
    return done


def _row(found: GroupText, cells: dict[str, str], line: Line) -> None:
    """Keep one row of pvesh. Its list leaves out bridges and memory controllers, so that it is never whole."""
    found.partial = True
    bdf = address(cells.get("id", ""))
    if bdf is None:
        return
    number = cells.get("iommugroup", "")
    vendor, device, klass = (_hex(cells.get(key, "")) for key in ("vendor", "device", "class"))
    name = " ".join(filter(None, (cells.get("vendor_name", ""), cells.get("device_name", ""))))
    if re.fullmatch(r"\d{1,6}", number):
        found.add(bdf, int(number), line)
    elif number == "-1":
        found.none = True
    found.named[bdf] = Head(bdf, klass, "", name, vendor, device, name)
    found.line.setdefault(bdf, line)


def _hex(text: str) -> str:
    match = re.fullmatch(r"(?:0x)?([0-9a-fA-F]{4})(?:[0-9a-fA-F]{2})?", text.strip())
    return match[1].lower() if match else ""
