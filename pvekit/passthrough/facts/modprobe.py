"""How modules are configured: /etc/modprobe.d, /etc/modules, /etc/modules-load.d."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough import logs
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Setting:
    """One line: ``kind`` is options, blacklist, softdep, install, alias, remove or load; module with underscores.

    ``words`` are the rest: ``("ids=10de:1c07", "disable_vga=1")``. ``ignored``: in a file that modprobe does not read.
    """

    kind: str
    module: str
    words: tuple[str, ...]
    line: Line
    ignored: bool = False


@dataclass(frozen=True)
class Modprobe:
    """All settings, comments left out; ``broken`` are lines that modprobe does not understand."""

    settings: tuple[Setting, ...]
    broken: tuple[Line, ...] = ()

    def options(self, module: str) -> Mapping[str, tuple[str, Line]]:
        """Return a module's options by name, the last one winning, as modprobe does."""
        return {
            word.partition("=")[0]: (word.partition("=")[2], item.line)
            for item in self.settings
            if item.kind == "options" and item.module == module and not item.ignored
            for word in item.words
        }


_COMMANDS = frozenset({"options", "blacklist", "softdep", "weakdep", "install", "alias", "remove"})
_ALONE = frozenset({"blacklist"})
"""Commands that need no more than a module's name."""
_FILE = r"/?(?:[\w.@+-]+/)*[\w.@+-]+"
_HEADING = Pattern(
    rf"(?:==>\s*({_FILE})\s*<==|(?:#|---+|===+|\+\+\+|:+)\s*({_FILE}(?:\.conf|/\S+|\.bak|\.old|~))\s*[-=:#]*"
    rf"|(/etc/{_FILE}|[\w@+-][\w.@+-]*\.(?:conf|bak|old)):?|(?:\S*[#$]\s+)?(?:sudo )?(?:cat|more|less) (/\S+))"
)
_FOLDER = Pattern(r"(?:modprobe|modules-load)\.d/")
_OLD = Pattern(r"\.conf[.~_-]|\.(?:bak|old|orig|save|disabled)$|~$")
_ANY = Pattern(r"(?!.*: (?:No such file or directory|Permission denied|Is a directory)$)")
_ALIKE = Pattern(
    r"(?:options?|blacklist(?:ed)?|softdeps?|weakdeps?|alias|install|remove|[\w-]*(?:vfio|kvm|nvidia|nouveau)[\w-]*)(?:\s|$)"
)
"""What in a collection of several files is meant as a line of modprobe's, and not words of the person."""
_GREPPED = Pattern(r"(/?(?:[\w.@+-]+/)*(?:(?:modprobe|modules-load)\.d/[\w.@+-]+|etc/modules)):(.*)")
_LOADED = Pattern(r"[A-Za-z0-9][\w-]*")


def read(sources: Sources) -> Modprobe | Missing:
    """Read modprobe.d/ or modprobe.d.txt, modules.txt and modules-load.d/."""
    present = [r for r in ("modprobe.d/", "modprobe.d.txt", "modules.txt", "modules-load.d/") if r in sources.roles]
    if not present:
        return Missing("modprobe.d.txt", "not in the bundle")
    settings: list[Setting] = []
    broken: list[Line] = []
    for role in present:
        for line, text, file in _texts(sources.roles[role]):
            if not text.strip():
                continue
            if _lists_modules(file, role):
                settings += _loaded(text, line, _ignored(file))
            elif found := _setting(text, line, _ignored(file)):
                settings.append(found)
            elif not _ignored(file) and (_ANY if _FOLDER.search(line.file) else _ALIKE).match(text):
                broken.append(line)
    return Modprobe(tuple(settings), tuple(broken))


def _texts(lines: Iterable[Line]) -> Iterator[tuple[Line, str, str]]:
    """Yield what is no comment: where it begins, the text (continued lines joined), and the file that it stands in."""
    first: Line | None = None
    begun, source = "", ""
    for line, text, file in _placed(lines):
        if first is not None and first.file != line.file:
            yield first, begun, source
            first, begun = None, ""
        if first is None and (not text or text[0] in "#;" or logs.prompt(text) is not None):
            continue
        first, source = first or line, file
        begun += text.removesuffix("\\")
        if not text.endswith("\\"):
            yield first, begun, source
            first, begun = None, ""
    if first is not None:
        yield first, begun, source


def _placed(lines: Iterable[Line]) -> Iterator[tuple[Line, str, str]]:
    """Yield each line without the headings, its text and the file that the last heading, or grep, names for it."""
    file, heading = "", ""
    for line in lines:
        if line.file != file:
            file, heading = line.file, ""
        text = line.text.strip()
        named = None if _FOLDER.search(file) or len(text) > 200 else _HEADING.fullmatch(text)
        if named is not None:
            heading = next(part for part in named.groups() if part)
            heading = heading if "/" in heading else f"modprobe.d/{heading}"
        elif grepped := _GREPPED.fullmatch(text):
            yield line, grepped.group(2).strip(), grepped.group(1)
        else:
            yield line, text, heading or file


def _ignored(file: str) -> bool:
    """Tell whether modprobe leaves out a file for its name; a file of the bundle's own naming is not meant."""
    return not file.endswith((".conf", "*")) and (_FOLDER.search(file) or _OLD.search(file)) is not None


def _lists_modules(file: str, role: str) -> bool:
    """Tell whether the lines of a file are names of modules to load."""
    named = re.search(r"(modprobe\.d)|(modules-load\.d|etc/modules$)", file)
    return role.startswith("modules") if named is None else named.group(2) is not None


def _setting(text: str, line: Line, ignored: bool) -> Setting | None:
    kind, *rest = text.split()
    if kind not in _COMMANDS or not rest or (len(rest) < 2 and kind not in _ALONE):
        return None
    return Setting(kind, rest[0].replace("-", "_"), tuple(rest[1:]), line, ignored)


def _loaded(text: str, line: Line, ignored: bool) -> list[Setting]:
    """Return the module that a line names; with more words than ``name option=value`` it is no such line."""
    name, *rest = text.split()
    if not _LOADED.fullmatch(name) or any("=" not in word for word in rest):
        return []
    return [Setting("load", name.replace("-", "_"), tuple(rest), line, ignored)]
