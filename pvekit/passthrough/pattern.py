"""Regular expressions that cost nothing until they are needed: most look for messages that no healthy host prints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

_FUNCTIONS = ("search", "match", "fullmatch", "finditer", "findall", "sub")


class Pattern:
    """A regular expression, used as what ``re.compile`` returns. It is compiled when it is first used."""

    search: Callable[..., re.Match[str] | None]
    match: Callable[..., re.Match[str] | None]
    fullmatch: Callable[..., re.Match[str] | None]
    finditer: Callable[..., Iterator[re.Match[str]]]
    findall: Callable[..., list[Any]]
    sub: Callable[..., str]

    def __init__(self, pattern: str, flags: int = 0) -> None:
        """Keep the expression."""
        self.pattern = pattern
        self.flags = flags

    def __getattr__(self, name: str) -> Any:
        """Compile it. From then on its functions are found without coming here."""
        if name not in _FUNCTIONS:
            raise AttributeError(name)
        compiled = re.compile(self.pattern, self.flags)
        self.__dict__.update((function, getattr(compiled, function)) for function in _FUNCTIONS)
        return self.__dict__[name]

    def possible(self, text: str) -> bool:
        """Return False where a text shows at once that it does not match."""
        if not self.needs:
            return True
        for need in self.needs:  # noqa: SIM110 - a third of the time that any() takes
            if need in text:
                return True
        return False

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """Return texts of which at least one is in every text that matches; none when that is not known."""
        return needs(self.pattern) if not self.flags & (re.IGNORECASE | re.VERBOSE) else ()


def needs(pattern: str) -> tuple[str, ...]:
    """Return texts of which at least one is in whatever a regular expression finds; none when that is not known."""
    reader = _Reader(pattern)
    try:
        found = reader.choices()
    except (_Unknown, IndexError):
        return ()
    return tuple(dict.fromkeys(found)) if reader.at == len(pattern) else ()


class _Unknown(Exception):
    """Something that is not read here."""


_Needs = tuple[str, ...]
_LITERAL = re.compile(r"[^\\.^$*+?{\[|()]+")
_TIMES = re.compile(r"(?:(?P<none>[*?]|\{0*,[0-9]*\}|\{0+\}|\{0+,[0-9]*\})|\+|\{[0-9]+(?:,[0-9]*)?\})[?+]?")
_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]", re.DOTALL)
_GROUP = re.compile(r"\((?:\?(?:(?P<kept>:|P<\w+>)|[=!]|<[=!]|[aimsu-]+:))?")
_ESCAPE = re.compile(r"\\(?:[wWdDsSbBAZtnrfva]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|(?P<sign>[^0-9A-Za-z]))")
_SHORTEST = 3
"""Shorter texts are in too many lines to be worth looking for."""


class _Reader:
    """Reads an expression from left to right. Every function reads one part and returns what that part needs."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def choices(self) -> _Needs:
        """Read parts with ``|`` between them, up to the end or a closing bracket."""
        found = [self._sequence()]
        while self.text[self.at : self.at + 1] == "|":
            self.at += 1
            found.append(self._sequence())
        return tuple(need for part in found for need in part) if all(found) else ()

    def _sequence(self) -> _Needs:
        best: _Needs = ()
        literal = ""
        while self.text[self.at : self.at + 1] not in ("", "|", ")"):
            piece, inner = self._piece()
            times = _TIMES.match(self.text, self.at)
            if times is not None:
                self.at = times.end()
                # Only the last sign of a literal is what is repeated.
                literal, piece = literal + piece[:-1], piece[-1:]
            never = times is not None and times["none"] is not None
            if piece and not never:
                literal += piece
            if not piece or times is not None:
                best = _better(best, (literal,), () if never else inner)
                literal = ""
        return _better(best, (literal,))

    def _piece(self) -> tuple[str, _Needs]:
        """Read literal signs, a group, or one of the signs with a meaning. Return the literal and a group's needs."""
        if found := _LITERAL.match(self.text, self.at):
            self.at = found.end()
            return found.group(), ()
        sign = self.text[self.at]
        if sign in ".^$":
            self.at += 1
            return "", ()
        if sign == "(":
            return "", self._group()
        found = (_CLASS if sign == "[" else _ESCAPE).match(self.text, self.at)
        if found is None:
            raise _Unknown
        self.at = found.end()
        return (found["sign"] or "" if sign == "\\" else ""), ()

    def _group(self) -> _Needs:
        found = _GROUP.match(self.text, self.at)
        if found is None or self.text.startswith("?", found.end()):
            raise _Unknown
        self.at = found.end()
        inner = self.choices()
        if self.text[self.at] != ")":
            raise _Unknown
        self.at += 1
        return inner if found.group() == "(" or found["kept"] else ()


def _better(*choices: _Needs) -> _Needs:
    """Return the needs whose shortest text is the longest."""
    return max(choices, key=lambda needs: min(map(len, needs), default=0) if _telling(needs) else 0)


def _telling(needs: _Needs) -> bool:
    return bool(needs) and all(len(need) >= _SHORTEST for need in needs)
