"""Numbers and sizes as programs and people write them."""

from __future__ import annotations

import re

_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SIZE = re.compile(r"(\d{1,15}(?:[.,]\d{1,6})?)\s?([kmgt]?)(i?)b?\b", re.IGNORECASE)


def number(text: str) -> float:
    """Return a number with a point or a comma. ``1,234`` with three digits behind is a thousand."""
    text = text.strip().replace("_", "")
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", text):
        return float(text.replace(",", ""))
    return float(text.replace(",", "."))


def size(text: str, *, binary: bool | None = None) -> int | None:
    """Return bytes of ``7.8 GiB``, ``809.84 MiB``, ``64GB``; GB counts as GiB unless ``binary`` is False."""
    match = _SIZE.search(text)
    if match is None:
        return None
    base = 1024 if match.group(3) or binary is not False else 1000
    scale: int = base ** _UNITS[match.group(2).lower()]
    return round(number(match.group(1)) * scale)


def maybe(text: str) -> float | None:
    """Return the number, or None when it is none."""
    try:
        return number(text)
    except ValueError:
        return None


def whole(text: str) -> int | None:
    """Return the whole number, or None when it is none or absurdly long."""
    return int(text) if re.fullmatch(r"-?\d{1,15}", text.strip()) else None


_WORDS = {
    "one": 1, "single": 1, "two": 2, "dual": 2, "both": 2, "three": 3, "triple": 3, "four": 4, "quad": 4, "six": 6,
    "hexa": 6, "eight": 8, "octa": 8, "ten": 10, "twelve": 12, "sixteen": 16, "a": 1,
}  # fmt: skip


def word(text: str) -> int | None:
    """Return a count written as a word or in digits."""
    return _WORDS.get(text.lower(), whole(text))
