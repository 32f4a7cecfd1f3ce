"""The baseline in the bundle: how the host was when somebody said that it works."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough.baseline import FILE, Baseline, from_json
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True)
class Recorded:
    """The baseline of before. Its ``lines`` are those of baseline.json."""

    found: Baseline


_KEY = Pattern(r'^ "(\w+)": ')
_DEVICE = Pattern(r'^  \{"bdf": "([0-9a-f:.]+)", "id"')
_AREAS = {"bios_vendor": "firmware", "bios_version": "firmware", "bios_date": "firmware"}


def read(sources: Sources) -> Recorded | Missing:
    """Read baseline.json."""
    lines = sources.of(FILE)
    if isinstance(lines, Missing):
        return lines
    try:
        before = from_json("\n".join(line.text for line in lines))
    except ValueError as error:
        return Missing(FILE, f"cannot be read: {error}")
    return Recorded(replace(before, lines=_lines(lines)))


def _lines(lines: Iterable[Line]) -> dict[str, tuple[Line, ...]]:
    found: dict[str, tuple[Line, ...]] = {}
    for line in lines:
        device, key = _DEVICE.match(line.text), _KEY.match(line.text)
        if device is not None:
            found[f"device {device[1]}"] = (line,)
        elif key is not None:
            area = _AREAS.get(key[1], key[1])
            found[area] = (*found.get(area, ()), line)
    return found
