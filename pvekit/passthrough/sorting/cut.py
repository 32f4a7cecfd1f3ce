"""Cutting a text that holds several things into runs of lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pvekit.model.bundle import Line
from pvekit.passthrough import logs
from pvekit.passthrough.pattern import Pattern
from pvekit.passthrough.sorting import commands, looks


@dataclass
class Run:
    """Lines that belong together.

    ``side`` is host, guest or "" (not told). ``announced``: a prompt or a heading names it; ``head`` counts the lines
    of that, and ``sure`` those that show by themselves what they are.
    """

    role: str
    side: str = ""
    announced: bool = False
    lines: list[Line] = field(default_factory=list)
    sure: int = 0
    head: int = 0

    @property
    def kept(self) -> bool:
        """Tell whether there is enough to believe that it is what it looks like."""
        if self.announced:
            return len(self.lines) > self.head
        return self.sure >= looks.least(self.role)


START_LOGS = frozenset({"task.log", "qemu.log", "libvirt.log"})
_EMPTY_TELLS = frozenset({"sys_class_iommu.txt", "iommu_groups.txt"})
_WITH_BLANKS = frozenset({"vm.conf", "iommu_groups.txt", "dmi.txt", "pci-mapping.cfg"})
_KEEPS_ALL = frozenset({"iommu_groups.txt", "vm.conf", "dmi.txt", "default-grub.txt"})
_KEEPS = frozenset({("lspci.txt", "iommu_groups.txt"), ("boot.txt", "uname.txt"), ("modules-load.d/", "modules.txt")})
"""Lines that would be something else by themselves stay in such a run."""
_FENCE = Pattern(r"^\s*(?:>\s*)?(?:```|~~~)\s*(\w*)")
_OPEN = Pattern(r"^(?:\s|<[^<>]*>)*\[(?:code|icode)[^\]]*\]", re.IGNORECASE)
_CLOSE = Pattern(r"\[/(?:code|icode)\](?:\s|<[^<>]*>)*$", re.IGNORECASE)
_PROMPT_HOST = Pattern(r"^\s*\[?[\w.-]+@([\w.-]+)[ :]")
_PVE_NAME = Pattern(r"pve|prox|^host|hyper|node", re.IGNORECASE)
_GUEST_NAME = Pattern(r"vm|guest|ubuntu|debian|fedora", re.IGNORECASE)
_IN_GUEST = Pattern(
    r"\bguests?\b|\b(?:inside|in|from|on|within)\s+(?:the\s+|my\s+)?(?:[\w-]+\s+)?(?:vm|virtual machine)\b",
    re.IGNORECASE,
)
_ON_HOST = Pattern(r"\b(?:host|hypervisor|proxmox|pve|bare[- ]metal)\b", re.IGNORECASE)


def cut(lines: Sequence[Line], side: str = "") -> list[Run]:
    """Return the runs in a text. ``side`` is that of the whole text where it is known."""
    cutter = _Cutter(lines, side)
    for line in lines:
        cutter.take(line)
    cutter.finish()
    return cutter.runs


def holds(lines: Sequence[Line], side: str, role: str) -> bool:
    """Tell whether one of the runs in a text has this role, on whichever side. The first one tells it."""
    cutter = _Cutter(lines, side)
    for line in lines:
        cutter.take(line)
        if any(run.role.removeprefix("guest/") == role for run in cutter.found()):
            return True
    cutter.finish()
    return any(run.role.removeprefix("guest/") == role for run in cutter.runs)


def announces(line: Line) -> bool:
    """Tell whether a line could name what stands below it: a prompt with a command, or a heading."""
    text = looks.clean(line.text)
    return logs.prompt(text) is not None or commands.of_heading(text) is not None


class _Cutter:
    """Takes line after line; ``run`` is the run that goes on, ``free`` the lines above that nothing has claimed."""

    def __init__(self, lines: Iterable[Line], side: str) -> None:
        self.runs: list[Run] = []
        self._hosts = _pve_hosts(lines)
        self._given = side
        self._section = self._next = ""
        self._run: Run | None = None
        self._free: list[Line] = []
        self._blank: list[Line] = []
        self._fenced = False
        self._loose = False
        self._command = ""

    def found(self) -> list[Run]:
        """Return the runs so far, the one that goes on among them when it has enough by now."""
        return [*self.runs, self._run] if self._run is not None and self._run.kept else self.runs

    def take(self, line: Line) -> None:
        """Put one line where it belongs."""
        if self._marks(line.text):
            return
        self._place(line)
        if _CLOSE.search(line.text):
            self.finish()
            self._fenced, self._next = False, ""

    def _place(self, line: Line) -> None:
        text = looks.clean(line.text)
        if self._prompt(line, text):
            return
        if not text.strip():
            self._blank.append(line)
            self._free.clear()
            return
        role = looks.sure(text)
        if role is None and self._heading(line, text):
            return
        if self._run is not None and self._goes_on(self._run, role, text):
            self._add(line, role)
            return
        above = self._free[:]
        self.finish()
        if role is None:
            self._free = [*above, line]
            self._turn(text)
            return
        self._begin(Run(role, self._side(), lines=_belonging(role, above)))
        self._add(line, role)

    def finish(self) -> None:
        """End the run that goes on."""
        if self._run is not None and self._run.kept:
            self.runs.append(self._run)
        self._run, self._loose, self._command = None, False, ""
        self._blank.clear()
        self._free.clear()

    def _begin(self, run: Run, *, loose: bool = False) -> None:
        self._run, self._loose = run, loose

    def _side(self) -> str:
        return self._given or self._next or self._section

    def _marks(self, text: str) -> bool:
        """Read the marks around code. What a heading announced may stand inside them."""
        if _FENCE.match(text):
            waiting = self._run is not None and self._run.announced and len(self._run.lines) == self._run.head
            if self._fenced or not waiting:
                self.finish()
            if self._fenced:
                self._next = ""
            self._fenced = not self._fenced
            self._loose = self._fenced and self._run is not None
            self._blank.clear()
            return True
        if _OPEN.match(text):
            self._fenced, self._loose = True, self._run is not None
        if _CLOSE.search(text) and not _CLOSE.sub("", _OPEN.sub("", text)).strip():
            self._fenced, self._next = False, ""
            self.finish()
            return True
        return bool(_OPEN.match(text)) and not _OPEN.sub("", text).strip()

    def _prompt(self, line: Line, text: str) -> bool:
        command = logs.prompt(text)
        if command is None:
            return False
        named = _PROMPT_HOST.match(text)
        role = commands.of_command(command)
        if named is None and role is None:
            return False
        self._empty()
        self.finish()
        if role is not None:
            run = Run(role, self._given or self._of_host(named[1] if named else "") or self._side(), announced=True)
            run.lines, run.head = [line], 1
            self._begin(run, loose=True)
            self._command = command
        return True

    def _empty(self) -> None:
        """Keep a listing that printed nothing at all, where that tells something."""
        run = self._run
        if run is None or not self._command or len(run.lines) != run.head or run.role not in _EMPTY_TELLS:
            return
        if not commands.filtered(self._command):
            self.runs.append(Run(run.role, run.side, announced=True))

    def _of_host(self, name: str) -> str:
        if name in self._hosts or (name and _PVE_NAME.search(name)):
            return "host"
        return "guest" if self._hosts and _GUEST_NAME.search(name) else ""

    def _heading(self, line: Line, text: str) -> bool:
        """Read a heading; a comment inside a file that goes on is none."""
        if self._run is not None and (looks.near(self._run.role, text) or self._loose) and not self._blank:
            return False
        role = commands.of_heading(text)
        if role is None:
            return False
        self.finish()
        side = _told(text) or self._side()
        self._next = ""
        run = Run(role, self._given or side, announced=True)
        if commands.names_file(text):
            run.lines, run.head = [line], 1
        self._begin(run, loose=self._fenced)
        return True

    def _goes_on(self, run: Run, role: str | None, text: str) -> bool:
        if role == run.role or (role in START_LOGS and run.role in START_LOGS):
            return True
        if looks.near(run.role, text) and (not self._blank or run.role in _WITH_BLANKS or self._fenced):
            return role is None or run.role in _KEEPS_ALL or (run.role, role) in _KEEPS
        return role is None and self._loose and (self._fenced or not self._blank)

    def _add(self, line: Line, role: str | None) -> None:
        run = self._run
        if run is None:
            return
        run.lines += [*self._blank, line]
        self._blank.clear()
        self._free.clear()
        run.sure += role is not None

    def _turn(self, text: str) -> None:
        """Note where a text turns to the other side: a title until the next title, a sentence for what it announces."""
        title = text.lstrip().startswith(("#", "=="))
        announces = len(text) < 100 and (title or text.rstrip(" *_").endswith((":", "**")))
        told = _told(text) if announces else ""
        if title:
            self._section = told
        self._next = told


def _belonging(role: str, above: list[Line]) -> list[Line]:
    """Return the lines right above a run that belong to it, though they do not show it by themselves."""
    start = len(above)
    while start and looks.near(role, looks.clean(above[start - 1].text)):
        start -= 1
    return above[start:]


def _told(text: str) -> str:
    guest, host = _IN_GUEST.search(text) is not None, _ON_HOST.search(text) is not None
    return "" if guest == host else "guest" if guest else "host"


def _pve_hosts(lines: Iterable[Line]) -> frozenset[str]:
    """Return the names in prompts at which somebody ran what only a Proxmox VE host has."""
    found = set()
    for line in lines:
        named = _PROMPT_HOST.match(line.text[:200])
        command = logs.prompt(line.text[:2000]) if named else None
        if named and command and (commands.only_pve(command) or _PVE_NAME.search(named[1])):
            found.add(named[1])
    return frozenset(found)
