"""Writes values as YAML text that reads back the same, here and in any other YAML reader."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pvekit.model.stack.text import plain

_SAFE = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_./+@-]*")
# What other readers (YAML 1.1) take for something else than text: yes, 010, 1_000, 1e3, .5, 2001-01-01 ...
_RISKY = re.compile(r"(?i)y|n|yes|no|on|off|null|true|false|[-+.]?[0-9].*[0-9_.e-]*")
_ADDRESS = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,2})?")
_SIZE = re.compile(r"[0-9]+([KMGT]iB|ms|s|m|h|d)")
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def scalar(value: str | float | bool | None) -> str:
    """Return one value as YAML."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if _ADDRESS.fullmatch(value) or _SIZE.fullmatch(value):
        return value
    if _SAFE.fullmatch(value) and not _RISKY.fullmatch(value) and plain(value) == value:
        return value
    return '"' + "".join(_escaped(char) for char in value) + '"'


def _escaped(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def flow(value: object) -> str:
    """Return a value on one line: ``{size: 20GiB, ssd: true}``, ``[a, b]``."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(str(key))}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str) or not isinstance(value, Sequence):
        assert value is None or isinstance(value, (str, int, float, bool))  # noqa: S101 -- nothing else is given
        return scalar(value)
    return "[" + ", ".join(flow(item) for item in value) + "]"


def block(fields: Mapping[str, object], indent: int) -> str:
    """Return ``key: value`` lines; a list of mappings becomes one item a line, everything else stays on its line."""
    pad = " " * indent
    lines = []
    for key, value in fields.items():
        name = scalar(key)
        if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            lines.append(f"{pad}{name}:")
            lines.extend(f"{pad}  - {flow(item)}" for item in value)
        else:
            lines.append(f"{pad}{name}: {flow(value)}")
    return "".join(f"{line}\n" for line in lines)
