"""Time zones: from IANA's names to Windows' own, by CLDR's table (kept by the library tzlocal)."""

from __future__ import annotations

import difflib
from functools import cache

from pvekit.model.errors import PreflightRefused


def windows_zone(name: str) -> str:
    """Return Windows' name of a time zone (``Europe/Berlin`` -> ``W. Europe Standard Time``).

    Raises PreflightRefused, with the nearest known name, when Windows has none for it.
    """
    from tzlocal.windows_tz import tz_win

    found = tz_win.get(name)
    if found:
        return str(found)
    close = difflib.get_close_matches(name, tz_win, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]}?" if close else "Write a name such as Europe/Berlin, or UTC."
    raise PreflightRefused([f"Windows knows no time zone for {name}"], hint=hint)


@cache
def known_zones() -> frozenset[str]:
    """Return every name that Windows has for a time zone."""
    from tzlocal.windows_tz import win_tz

    return frozenset(win_tz)
