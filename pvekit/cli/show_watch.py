"""What drifted, as text and as JSON."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import click

from pvekit.model.missing import Missing
from pvekit.passthrough.drift import AREAS, Drift, Severity
from pvekit.workflows.watch import Watched

_WIDTH = 100
_COLOURS = {Severity.BREAKS: "red", Severity.LOOK: "yellow", Severity.HARMLESS: "green"}
_WORDS = {Severity.BREAKS: "breaks", Severity.LOOK: "look", Severity.HARMLESS: "harmless"}
_LINES = 3
"""Lines of evidence that are shown of one drift; JSON has them all."""
_LONGEST = 300


def watch_text(found: Watched, name: str) -> str:
    """Return it for a person to read: one line where nothing drifted."""
    if found.before is None:
        return _first(found, name)
    since = f" since {found.before.taken}" if found.before.taken else ""
    gaps = f" (not comparable: {'; '.join(map(str, found.gaps))})" if found.gaps else ""
    if not found.drifts:
        kept = f"; new baseline kept, the old one is {found.old}" if found.accepted else ""
        return f"{name}: nothing drifted{since}{gaps}{kept}"
    count = len(found.drifts)
    lines = [click.style(f"{name}: {count} thing{'s' if count > 1 else ''} drifted{since}", bold=True)]
    for item in found.drifts:
        lines += ["", *_drift(item)]
    if found.gaps:
        lines += ["", "not comparable:", *(line for gap in found.gaps for line in _wrapped(str(gap), "  - ", "    "))]
    if found.accepted:
        lines += ["", f"accepted: this is the baseline now; the old one is {found.old}"]
    elif found.path is not None:
        lines += ["", "If all of this is as it should be: pvekit passthrough watch with --accept."]
    return "\n".join(lines)


def _first(found: Watched, name: str) -> str:
    unknown = [area for key, area in AREAS.items() if isinstance(getattr(found.now, key), Missing)]
    lines = [f"{name}: baseline kept in {found.path}"]
    if found.old is not None:
        lines.append(f"The one before it could not be read; it is {found.old}.")
    if unknown:
        lines += _wrapped(f"not known, so not watched: {', '.join(unknown)}", "  ", "    ")
    return "\n".join(lines)


def _drift(item: Drift) -> list[str]:
    head = f"{_WORDS[item.severity]}: {item.what}"
    lines = [click.style(head, fg=_COLOURS[item.severity], bold=item.severity is Severity.BREAKS)]
    lines += _wrapped(f"before: {_cut(item.before)}", "  ", "          ")
    lines += _wrapped(f"now:    {_cut(item.now)}", "  ", "          ")
    lines += _wrapped(item.meaning, "  ", "  ")
    if item.next:
        lines += _wrapped(f"next: {item.next}", "  ", "    ")
    return lines + [f"    {line}" for line in item.evidence[:_LINES]]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False,
                         break_on_hyphens=False) or [""]  # fmt: skip


def watch_json(found: Watched) -> str:
    """Return the same as JSON with stable keys."""
    value: dict[str, Any] = {
        "first": found.before is None,
        "baseline": None if found.path is None else str(found.path),
        "taken": None if found.before is None else found.before.taken,
        "drifted": bool(found.drifts),
        "drifts": [
            {
                "kind": item.kind, "what": item.what, "before": item.before, "now": item.now,
                "meaning": item.meaning, "severity": item.severity.value, "next": item.next,
                "evidence": [{"file": line.file, "line": line.number, "text": line.text} for line in item.evidence],
            }
            for item in found.drifts
        ],
        "not_comparable": [{"area": gap.area, "when": gap.when, "why": gap.why} for gap in found.gaps],
        "accepted": found.accepted,
        "old_baseline": None if found.old is None else str(found.old),
    }  # fmt: skip
    return json.dumps(value, indent=2)
