"""PVE's property strings (``virtio=MAC,bridge=vmbr0,firewall=1``): one way to read and write them all.

A property is a frozen dataclass whose fields name their PVE key and codec. Keys that it does not know are kept in
``extra`` and written back, so nothing is lost. Commas cannot be escaped in PVE; lists inside a value use ``;``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self
from urllib.parse import quote, unquote

from pvekit.model.units import UnitError, format_pve_size, parse_pve_size


class PropertyInvalid(ValueError):
    """A property string cannot be read or written; the text says which part and why."""


@dataclass(frozen=True, slots=True)
class Codec:
    """How one value is read from and written to text. ``read`` raises ValueError for text that it refuses."""

    read: Callable[[str], Any]
    write: Callable[[Any], str]
    canonical: Callable[[str], str]


_TRUE = frozenset({"1", "on", "yes", "true"})
_FALSE = frozenset({"0", "off", "no", "false"})


def _read_bool(text: str) -> bool:
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise PropertyInvalid(f"{text!r} is not a boolean, PVE writes 0 or 1")


def _read_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise PropertyInvalid(f"{text!r} is not a whole number") from None


def _read_size(text: str) -> int:
    try:
        return parse_pve_size(text)
    except UnitError as error:
        raise PropertyInvalid(error.message) from None


def _same(text: str) -> str:
    return text


TEXT = Codec(_same, _same, _same)
LOWER = Codec(_same, _same, str.lower)
UPPER = Codec(_same, _same, str.upper)
BOOL = Codec(_read_bool, lambda value: "1" if value else "0", lambda text: "1" if _read_bool(text) else "0")
INT = Codec(_read_int, str, lambda text: str(_read_int(text)))
SIZE = Codec(_read_size, format_pve_size, lambda text: format_pve_size(_read_size(text)))
URL = Codec(unquote, lambda value: quote(value, safe=""), lambda text: quote(unquote(text), safe=""))
LIST = Codec(lambda text: tuple(text.split(";")), ";".join, _same)


def key(name: str, codec: Codec = TEXT, *, default: str | None = None) -> Any:
    """Return a dataclass field for the PVE key ``name``; ``default`` is what PVE assumes when it is absent."""
    return field(default=None, metadata={"key": name, "codec": codec, "default": default})


def split(text: str, default_key: str | None) -> dict[str, str]:
    """Return the keys and values of a property string in order. PropertyInvalid when it is malformed."""
    pairs: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not part.strip():
            continue
        if not equals:
            if default_key is None:
                raise PropertyInvalid(f"{part!r} has no key")
            name, value = default_key, part
        if not name or not value:
            raise PropertyInvalid(f"{part!r} is not key=value")
        if name in pairs:
            raise PropertyInvalid(f"{name} appears twice")
        pairs[name] = value
    return pairs


@dataclass(frozen=True, slots=True)
class Property:
    """Base of all property strings. Subclasses set ``DEFAULT_KEY`` and ``ALIASES`` and declare fields with ``key``."""

    DEFAULT_KEY: ClassVar[str | None] = None
    ALIASES: ClassVar[Mapping[str, str]] = {}

    extra: tuple[tuple[str, str], ...] = field(default=(), kw_only=True)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the value of a property string. PropertyInvalid says what is wrong with it."""
        known = {item.metadata["key"]: item for item in cls._keys()}
        values: dict[str, Any] = {}
        extra: list[tuple[str, str]] = []
        for name, value in cls.unfold(split(text, cls.DEFAULT_KEY)).items():
            if name not in known:
                extra.append((name, value))
                continue
            try:
                values[known[name].name] = known[name].metadata["codec"].read(value)
            except ValueError as error:
                raise PropertyInvalid(f"{name}={value}: {error}") from None
        return cls(**values, extra=tuple(sorted(extra)))

    @classmethod
    def unfold(cls, pairs: dict[str, str]) -> dict[str, str]:
        """Return the pairs under their main names; subclasses with a shorthand override it."""
        return {cls.ALIASES.get(name, name): value for name, value in pairs.items()}

    def __str__(self) -> str:
        """Return the property string; the default key comes first and bare."""
        parts = []
        for name, value in self.pairs().items():
            bare = name == self.DEFAULT_KEY and "=" not in value
            parts.append(value if bare else f"{name}={value}")
        return ",".join(parts)

    def pairs(self) -> dict[str, str]:
        """Return keys and values as written, the default key first."""
        result: dict[str, str] = {}
        for item in self._keys():
            value = getattr(self, item.name)
            if value is not None:
                result[item.metadata["key"]] = item.metadata["codec"].write(value)
        result.update(self.extra)
        for name, value in result.items():
            if not value or "," in value:
                raise PropertyInvalid(f"{name} cannot hold {value!r}: PVE has no way to write it")
        return result

    def canonical(self) -> dict[str, str]:
        """Return keys and values in one form, for comparing (sizes, booleans and case made equal)."""
        codecs = {item.metadata["key"]: item.metadata["codec"] for item in self._keys()}
        return {
            name: codecs[name].canonical(value) if name in codecs else value for name, value in self.pairs().items()
        }

    @classmethod
    def defaults(cls) -> dict[str, str]:
        """Return what PVE assumes for absent keys."""
        items = ((item.metadata["key"], item.metadata["default"]) for item in cls._keys())
        return {name: default for name, default in items if default is not None}

    @classmethod
    def _keys(cls) -> list[dataclasses.Field[Any]]:
        return [item for item in dataclasses.fields(cls) if "key" in item.metadata]
