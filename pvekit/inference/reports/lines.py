"""Lines of reports: what a log collector or a forum put before them taken off, and their place kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pvekit.inference.observed import Seen

LONGEST = 2000
"""Characters of a line that are read; what is longer is cut. A log line of ollama with its environment has 1500."""
MOST = 40_000
"""Lines of one file that are read: so many, half of them from its start and half from its end."""

_PREFIXES = re.compile(
    r"^(?:>+ ?)*"  # quoted in a mail or an issue
    r"(?:[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d \S{1,80} [\w.@-]{1,60}(?:\[\d+\])?: "  # journald
    r"|\d{1,2}月 +\d{1,2} \d\d:\d\d:\d\d \S{1,80} [\w.@-]{1,60}(?:\[\d+\])?: "
    r"|(?:ollama|llama[-_.]?(?:server|cpp)|llm[-_]\d|kobold)[\w.-]{0,40} {1,20}\| (?=\S)"  # docker compose
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[\d.:+Z-]* (?=[a-z]))?"
    r"(?:\d{1,4}\.\d\d\.\d{3}\.\d{3} [IWED] )?"  # llama.cpp with --log-timestamps --log-prefix
)
_SIDES = (
    ("guest", re.compile(r"(?:^|[/_.-])(?:guest|vm|lxc|container)(?:[/_.-]|$)")),
    ("host", re.compile(r"(?:^|[/_.-])(?:host|node|pve|proxmox|hypervisor)(?:[/_.-]|$)")),
)
_PROMPT = re.compile(r"^[\w.-]{1,40}@(pve|proxmox|node)[\w-]{0,20}[:\s][^#$]{0,80}[#$]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Line:
    """One line. ``number`` counts from 1; ``text`` is without prefixes."""

    file: str
    number: int
    text: str

    def seen(self) -> Seen:
        """Return the place."""
        return Seen(self.file, self.number, self.text.strip()[:300])


@dataclass(frozen=True, slots=True)
class Text:
    """One file. ``side`` is ``host`` or ``guest`` where its name says so, else empty."""

    file: str
    lines: tuple[Line, ...]
    side: str
    records: tuple[Line, ...] = ()
    """Lines that begin as an object of JSON does, not cut: a record is longer than any line of a log."""

    @property
    def whole(self) -> str:
        """Return all lines as one text."""
        return "\n".join(line.text for line in self.lines)


def texts(files: Mapping[str, str]) -> tuple[Text, ...]:
    """Return the files in the order of their names."""
    return tuple(_text(name, files[name]) for name in sorted(files))


def _text(name: str, content: str) -> Text:
    # A progress bar goes back to the start of its line; readers of tables take that for the end of one.
    rows = content.replace("\r\n", "\n").replace("\r", " ").split("\n")
    numbered = [(number, raw) for number, raw in enumerate(rows, 1) if raw.strip() or number < MOST // 4]
    if len(numbered) > MOST:
        numbered = [*numbered[: MOST // 2], *numbered[-MOST // 2 :]]
    lines = tuple(Line(name, number, _PREFIXES.sub("", raw[:LONGEST], count=1)) for number, raw in numbered)
    side = next((side for side, pattern in _SIDES if pattern.search(name.lower())), "")
    if not side and any(_PROMPT.match(line.text) for line in lines[:40]):
        side = "host"
    records = tuple(Line(name, number, raw) for number, raw in numbered if raw.startswith("{"))
    return Text(name, lines, side, records)
