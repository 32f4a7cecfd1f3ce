"""Logs as entries: time stamps taken off, each entry with the line it came from."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from html import unescape
from itertools import accumulate

from pvekit.model.bundle import Line
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Entry:
    """One message. ``seconds`` since boot where the log tells them; ``text`` is without time stamp and host name.

    ``joined`` are the further lines of a wrapped message, each with the place in ``text`` where it begins.
    """

    text: str
    line: Line
    seconds: float | None = None
    joined: tuple[tuple[int, Line], ...] = ()

    def at(self, position: int) -> Line:
        """Return the line that holds this position of the text."""
        found = self.line
        for start, line in self.joined:
            if start <= position:
                found = line
        return found


@dataclass(frozen=True)
class Log:
    """Messages in their order. ``whole``: begins with the start, so that a line that is not there was not said."""

    entries: tuple[Entry, ...]
    whole: bool = False

    def find(self, pattern: str | Pattern) -> Iterator[tuple[re.Match[str], Line]]:
        """Yield every match of a regular expression with its line."""
        wanted = Pattern(pattern) if isinstance(pattern, str) else pattern
        for _, entry in self.having(wanted):
            found = wanted.search(entry.text)
            if found is not None:
                yield found, entry.at(found.start())

    def first(self, pattern: str | Pattern) -> tuple[re.Match[str], Line] | None:
        """Return the first match with its line; None when there is none."""
        return next(self.find(pattern), None)

    def having(self, *patterns: Pattern) -> Iterable[tuple[int, Entry]]:
        """Return the entries in which one of these expressions can be found at all, each with its place.

        Most logs have none of the texts that an expression needs, which one look at the whole log tells.
        """
        if not all(pattern.needs for pattern in patterns):
            return enumerate(self.entries)
        needs = {need for pattern in patterns for need in pattern.needs}
        places = {place for need in needs for place in self._places(need)}
        return [(place, self.entries[place]) for place in sorted(places)]

    def _places(self, text: str) -> Iterator[int]:
        """Yield the places of the entries that hold a text."""
        at = self._joined.find(text)
        while at >= 0:
            place = bisect_right(self._starts, at) - 1
            yield place
            if place + 1 == len(self._starts):
                return
            at = self._joined.find(text, self._starts[place + 1])

    @cached_property
    def _joined(self) -> str:
        return "\n".join(entry.text for entry in self.entries)

    @cached_property
    def _starts(self) -> list[int]:
        """Return where each entry begins in all of them joined."""
        return list(accumulate((len(entry.text) + 1 for entry in self.entries), initial=0))[: len(self.entries)]


_COLOUR = Pattern(r"\x1b\[[0-9;]*[A-Za-z]")
_PROMPT = Pattern(r"(?:(?:\[\w\] )?\[?[\w.-]+@[\w.-]+[ :][^#$%]{0,80}[#$%]|[#$]+(?= |$)|[➜❯](?= ))\s*(.*)")
_COMMAND = Pattern(
    r"(?:sudo )?(?:(?:dmesg|journalctl|lspci|lsmod|uname|pveversion|efibootmgr|mokutil)(?: [-|>].*)?|e?grep -.*"
    r"|(?:cat|ls|find|head|tail) [-/].*|(?:qm|virsh) (?:start|config|showcmd)\b.*|proxmox-boot-tool [a-z ]+)"
)
_LEVEL = "emerg|alert|crit|err|warn|notice|info|debug"
_FACILITY = "kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local[0-7]"
_CLOCK = r"\d{1,2}:\d\d:\d\d(?:[.,]\d+)?"
_NOISE = Pattern(
    rf"<\d{{1,3}}>|(?:{_FACILITY})\s*:(?:{_LEVEL})\s*:\s?|\[\s*[TC]\d+\]"
    r"|> |\d{1,6}[:-](?=\[)|(?:/[\w.-]+)+/(?:kern\.log|syslog|messages|dmesg)[\w.]{0,8}:"
)
_SECONDS = Pattern(r"\[\s*(\d{1,9}\.\d{1,9})(?:\s+<\s*[\d.]+>)?\]")
_RAW = Pattern(r"\d{1,4},\d{1,12},(\d{1,15}),[^;\s]{0,40};")
_WALL = Pattern(
    rf"\[(?:[^\[\]]{{0,24}}{_CLOCK}[^\[\]]{{0,12}}|\s*\+\d+\.\d+|<\s*[\d.]+>"
    r"|\w{3,4}\.?\s{0,2}\d{1,2} \d\d:\d\d)\]"
)
_ISO = Pattern(rf"\d{{4}}-\d\d-\d\d[T ]{_CLOCK}(?:Z|[+-]\d\d:?\d\d)?(?::(?= ))?(?=\s|$)")
_SYSLOG = Pattern(
    rf"(?:(?:\w{{3,4}}\.?|\d月) {{1,2}}\d{{1,2}}(?: \d{{4}})?|\d{{1,2}}\.? \w{{3,4}}\.?) {_CLOCK}(?=\s|$)"
    rf"|\w{{2,4}}\.? \d{{4}}-\d\d-\d\d {_CLOCK} [A-Z][\w+:-]{{1,8}}(?=\s)"
)
_HOST = Pattern(r"\S+\s+(?=[^\s:\[\]]+(?:\[\d+\])?:(?:\s|$))")
_SURE_HOST = Pattern(r"[^\s:\[\]]+\s+(?=kernel:(?:\s|$)|[^\s:\[\]]+\[\d+\]:(?:\s|$))")
_KERNEL = Pattern(r"kernel:\s?")
_STAMP = Pattern(rf"[<\[>/\d]|(?:{_FACILITY})\s*:|kernel:|\w{{2,4}}\.? {{1,2}}\d")
"""How everything begins that is taken off the front of a message."""
_JOURNAL = Pattern(r"-- (?:Logs begin|Journal begins|Boot|Reboot|No entries)\b.*")
_CUT = Pattern(
    r"--+|[<\[(]?\s*(?:\.{2,}|…|(?:-|=|\.)*\s*(?:snip|snipped|cut|truncated)\s*(?:-|=|\.)*)\s*[>\])]?"
    r"|.*/dev/kmsg buffer overrun.*",
    re.IGNORECASE,
)


def prompt(text: str) -> str | None:
    """Return the command typed at a shell prompt; None when the line is no prompt. A comment counts as one."""
    text = text.strip()
    if found := _PROMPT.fullmatch(text):
        return found.group(1)
    return text if _COMMAND.fullmatch(text) else None


_CURLY = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u00a0": " "})


def typed(text: str) -> str:
    """Return a line of a log as the program typed it: web pages change quotes and write some signs as entities."""
    if not text.isascii():
        text = text.translate(_CURLY)
    return unescape(text) if "&" in text else text


def strip(text: str) -> tuple[str, str, float | None]:
    """Take apart a line of a log: the message, its time stamp as written ("" without one), the seconds since boot."""
    rest = typed(_COLOUR.sub("", text) if "\x1b" in text else text).strip()
    stamp, seconds = "", None
    for _ in range(8):
        if not _STAMP.match(rest):
            break
        if found := _NOISE.match(rest):
            pass
        elif found := _SECONDS.match(rest):
            stamp, seconds = stamp + found.group(), float(found.group(1))
            found = _host(rest, found, _SURE_HOST)
        elif found := _RAW.match(rest):
            stamp, seconds = stamp + found.group(), int(found.group(1)) / 1e6
        elif found := (_WALL.match(rest) or _ISO.match(rest)):
            stamp += found.group()
            found = _host(rest, found, _SURE_HOST)
        elif found := _SYSLOG.match(rest):
            stamp += found.group()
            found = _host(rest, found, _HOST)
        elif not (found := _KERNEL.match(rest)):
            break
        rest = rest[found.end() :].lstrip()
    return rest, stamp, seconds


def _host(rest: str, stamp: re.Match[str], pattern: Pattern) -> re.Match[str]:
    """Return the match of the host name behind a time stamp, or else that of the stamp."""
    place = stamp.end()
    while place < len(rest) and rest[place] == " ":
        place += 1
    return pattern.match(rest, place) or stamp


def entries(lines: Iterable[Line]) -> tuple[Entry, ...]:
    """Return the messages of a log. Blank lines, shell prompts and comments are left out, wrapped NVRM lines joined."""
    found: list[Entry] = []
    before: tuple[str, float | None] = ("", None)
    for line in lines:
        if not line.text.strip() or prompt(line.text) is not None:
            continue
        text, stamp, seconds = strip(line.text)
        if not text or _JOURNAL.fullmatch(text):
            continue
        if found and _goes_on(found[-1].text, before, text, (stamp, seconds)):
            last = found[-1]
            before = (stamp or before[0], seconds or before[1])
            place = len(last.text) + 1
            whole = f"{last.text} {text.removeprefix('NVRM:').strip()}"
            found[-1] = Entry(whole, last.line, last.seconds, (*last.joined, (place, line)))
            continue
        found.append(Entry(text, line, seconds))
        before = (stamp, seconds)
    return tuple(found)


_OWN = Pattern(
    r"GPU (?:at|\d|[0-9a-f]{4}:|PCI)|Xid|API |BAR\d|No |None |RmInit|The NVIDIA|This PCI|loading |failed |"
    r"\S*[a-z]\S*[A-Z_:]"
)


def _goes_on(last: str, before: tuple[str, float | None], text: str, now: tuple[str, float | None]) -> bool:
    """Tell whether a line continues a message of NVIDIA's driver, which repeats ``NVRM:`` on each of its lines.

    The kernel writes such a message at once: its lines share one time stamp, or only the first has one. Old ones give
    each line its own, some microseconds later. Where the stamps leave it open, a sentence that has not ended goes on.
    """
    if not (last.startswith("NVRM:") and text.startswith("NVRM:")):
        return False
    if before[0] and not now[0]:
        return True
    if before[1] is not None and now[1] is not None:
        if before[1] == now[1]:
            return True
        if not 0 <= now[1] - before[1] < 0.0005:
            return False
    elif before[0] != now[0]:
        return False
    rest = text.removeprefix("NVRM:").strip()
    if not rest or _OWN.match(rest):
        return False
    return rest[0].islower() or last[-1].isalpha() or last[-1] in ",'/(:"


_LANDMARKS = tuple(
    Pattern(pattern)
    for pattern in (
        r"Command line: ",
        r"e820|efi: mem",
        r"Zone ranges:",
        r"Memory: \d+[kK]/\d+[kK]",
        r"PCI host bridge to bus|pci_bus [0-9a-f]{4}:[0-9a-f]{2}: root bus resource",
        r"Freeing (?:unused|initrd)|Run /\S+ as init process|systemd\[1\]: ",
    )
)


def whole(found: tuple[Entry, ...]) -> bool:
    """Tell whether this is the whole log of a boot, not an excerpt: it has what every boot says, from the first line.

    A ``grep`` may keep the first line too; no one pattern keeps memory zones, the firmware's map and the set-up of PCI.
    """
    if len(found) < 100 or any(_CUT.fullmatch(entry.text) for entry in found):
        return False
    if not any(entry.text.startswith("Linux version ") for entry in found[:10]):
        return False
    return all(any(mark.search(entry.text) for entry in found) for mark in _LANDMARKS)


def last_boot(found: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Return the messages since the last start when the log holds them whole; otherwise all."""
    starts = [number for number, entry in enumerate(found) if entry.text.startswith("Linux version ")]
    if len(starts) > 1:
        since = found[starts[-1] :]
        if whole(since):
            return since
    return found
