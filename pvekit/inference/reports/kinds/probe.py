"""The file that ``pvekit llm probe -o`` writes."""

from __future__ import annotations

import dataclasses

from pvekit.inference.probed import read as read_probe
from pvekit.inference.reports import dotted, names
from pvekit.inference.reports.found import Found
from pvekit.inference.reports.lines import Text


def read(text: Text, found: Found) -> None:
    """Read the whole file; one that cannot be read is of another kind."""
    if not any('"pvekit-probe"' in line.text for line in text.lines[:5]):
        return
    try:
        probed = read_probe(text.whole)
    except (ValueError, RecursionError):
        return
    found.take(*text.lines)
    at = text.lines[0]
    for side, part in (("guest", probed.guest), ("host", probed.host)):
        for one in dataclasses.fields(part):
            name = f"{side}.{one.name}"
            found.say(name, dotted.fitting(name, getattr(part, one.name)), at)
    found.machine = probed.hardware
    model = names.one(f"{probed.model} {probed.quant or ''}", at.seen(), printed=True) if probed.model else None
    for run in probed.runs:
        found.run(dataclasses.replace(run, model=None, seen=at.seen()), model)
    for contradiction in probed.contradictions:
        found.note(contradiction.text)
