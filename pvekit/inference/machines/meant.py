"""What a person means who writes less than a processor's or card's whole name, and what is near a name nobody knows."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from pvekit.inference.machines import tables
from pvekit.inference.machines.names import plain

_COUNT = re.compile(r"(?:(\d{1,2}) ?[x\u00d7] +|(dual|two) +)(.+)", re.IGNORECASE)


def counted(name: str) -> tuple[int, str]:
    """Return how many of a thing a name asks for: ``2x RTX 3090`` is two."""
    found = _COUNT.fullmatch(name.strip())
    return (int(found[1] or 2), found[3]) if found else (1, name)


def whole(name: str) -> str | None:
    """Return the one known name that has all the words given, such as ``Ryzen 9 5950X`` for ``5950x``.

    Of several the one with the fewest words more; None where two have as few, or no word has a number.
    """
    words = set(plain(name).split())
    if not any(re.search(r"\d", word) and (len(word) >= 3 or len(words) > 1) for word in words):
        return None
    found: dict[int, list[str]] = {}
    for each in (*tables.cpu_names(), *tables.gpus()):
        listed = plain(each).split()
        if words <= set(listed):
            found.setdefault(len(listed), []).append(each)
    fewest = found.get(min(found)) if found else None
    return fewest[0] if fewest and len(fewest) == 1 else None


def near(name: str, machines: Iterable[str], most: int = 4) -> list[str]:
    """Return known names that look like ``name``, the likest first."""
    listed = {plain(each): each for each in (*machines, *tables.cpu_names(), *tables.gpus())}
    asked = plain(name)
    numbers = [word for word in re.findall(r"[a-z-]*\d+[a-z0-9]*", asked) if len(word) >= 3]
    alike = difflib.get_close_matches(asked, listed, n=most, cutoff=0.6)
    if " " not in asked:
        # Whole names are long beside a number alone, and a slip in it (5950Y) hides among them.
        last = {each.rpartition(" ")[2]: each for each in listed}
        alike = [last[each] for each in difflib.get_close_matches(asked, last, n=most, cutoff=0.75)] + alike
    alike += [each for each in listed if any(word in each for word in numbers)]
    return [listed[each] for each in dict.fromkeys(alike)][:most]
