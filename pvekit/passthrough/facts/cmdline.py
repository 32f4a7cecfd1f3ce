"""The kernel command line that is in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough import logs
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Token:
    """One option: ``name=value``; value None for a bare word."""

    name: str
    value: str | None
    line: Line

    def __str__(self) -> str:
        """Return it as written."""
        return self.name if self.value is None else f"{self.name}={self.value}"


@dataclass(frozen=True)
class Cmdline:
    """The options in order, from cmdline.txt or else from the kernel log's ``Command line:``."""

    tokens: tuple[Token, ...]
    line: Line

    def all(self, name: str) -> tuple[Token, ...]:
        """Return every token of that name."""
        return tuple(token for token in self.tokens if token.name == name)

    def words(self, name: str) -> frozenset[str]:
        """Return the comma-separated words of all values of an option: ``intel_iommu=on,sm_on`` gives on and sm_on."""
        return frozenset(word for token in self.all(name) for word in (token.value or "").split(",") if word)


_WORD = Pattern(r'(?:[^\s"]|"[^"]*(?:"|$))+')
_LOGGED = Pattern(r"(?:^|\s)(?:Kernel c|C)ommand line: (.*)")
_ERROR = Pattern(r": (?:No such file or directory|Permission denied|command not found)\s*$")
_START = Pattern(r"(?:^|\s)(?:BOOT_IMAGE|initrd|root)=")


def tokens_of(text: str, line: Line) -> tuple[Token, ...]:
    """Return the options in a text, split as the kernel does: at blanks that are not inside double quotes."""
    found = []
    for match in _WORD.finditer(text):
        word = match.group()
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if name.startswith('"') and (inner := word.strip('"')):
            name, equals, value = inner.partition("=")
        found.append(Token(name, _unquoted(value) if equals else None, line))
    return tuple(found)


def _unquoted(value: str) -> str:
    return value[1:].removesuffix('"') if value.startswith('"') else value


def read(sources: Sources) -> Cmdline | Missing:
    """Read it."""
    lines = sources.of("cmdline.txt")
    found = _written([] if isinstance(lines, Missing) else lines) or _logged(sources)
    if found is None:
        return lines if isinstance(lines, Missing) else Missing("cmdline.txt", "holds no command line")
    return found


def _written(lines: Sequence[Line]) -> Cmdline | None:
    """Return what stands in cmdline.txt; a terminal may have wrapped it over several lines."""
    rest = [line for line in lines if logs.prompt(line.text) is None and not _ERROR.search(line.text)]
    filled = [number for number, line in enumerate(rest) if line.text.strip()]
    start = next((number for number in filled if _START.search(rest[number].text)), next(iter(filled), 0))
    tokens: list[Token] = []
    for line in rest[start:]:
        if not line.text.strip():
            break
        text = logs.strip(line.text)[0]
        logged = _LOGGED.search(text)
        tokens += tokens_of(logged.group(1) if logged else text, line)
    return Cmdline(tuple(tokens), rest[start]) if tokens else None


def _logged(sources: Sources) -> Cmdline | None:
    """Return what the kernel wrote into its log at its last start."""
    lines = sources.of("dmesg.txt")
    found = None
    for line in () if isinstance(lines, Missing) else lines:
        if "ommand line: " in line.text and logs.prompt(line.text) is None:
            match = _LOGGED.search(line.text)
            if match is not None:
                found = Cmdline(tokens_of(match.group(1), line), line)
    return found if found is None or found.tokens else None
