"""A diagnosis as text and as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import click

from pvekit.model.bundle import Line
from pvekit.model.finding import Diagnosis, Finding, Overall, Remedy, RootCause, Verdict

_WIDTH = 100
_EVIDENCE = 4
"""Lines of evidence that are shown of one finding; JSON has them all."""
_COLOURS = {Overall.HEALTHY: "green", Overall.BROKEN: "red", Overall.UNKNOWN: "yellow"}


def diagnosis_json(found: Diagnosis, unread: Iterable[str] = ()) -> str:
    """Return it as JSON with stable keys."""
    value = {
        "verdict": found.verdict.name.lower(),
        "root_cause": _cause(found.root_cause) if found.root_cause else None,
        "alternatives": [_cause(cause) for cause in found.alternatives],
        "findings": [_finding(finding) for finding in found.findings],
        "missing": list(found.missing),
        "questions": list(found.notes),
        "unread": sorted(unread),
    }
    return json.dumps(value, indent=2)


def _cause(cause: RootCause) -> dict[str, Any]:
    return {
        "id": cause.id,
        "title": cause.title,
        "layer": cause.layer.value,
        "confidence": cause.confidence.value,
        "why": cause.why,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "verdict": finding.verdict.value,
        "message": finding.message,
        "confidence": finding.confidence.value,
        "evidence": [{"file": line.file, "line": line.number, "text": line.text} for line in finding.evidence],
        "consequence_of": finding.consequence_of,
        "remedy": _remedy(finding.remedy) if finding.remedy else None,
        "missing": list(finding.missing),
    }


def _remedy(remedy: Remedy) -> dict[str, str]:
    return {"text": remedy.text, "risk": remedy.risk, "change": remedy.change}


def diagnosis_text(found: Diagnosis, unread: Sequence[str] = (), *, every: bool = False) -> str:
    """Return it for a person to read. ``every`` shows what is in order and what could not be judged as well."""
    by_id = {finding.id: finding for finding in found.findings}
    lines = [click.style(headline(found), fg=_COLOURS[found.verdict], bold=True)]
    if found.root_cause is not None:
        lines += _cause_lines(found.root_cause, by_id[found.root_cause.id])
    for question in found.notes:
        lines += ["", *_wrapped(f"open: {question}")]
    if found.alternatives:
        title = "also broken or possible:" if found.root_cause else "possible causes, not proven:"
        lines += ["", title, *(f"  {cause.id:6} {cause.title}" for cause in found.alternatives)]
    follows = [finding for finding in found.findings if finding.consequence_of]
    if follows:
        lines += ["", "consequences:"]
        lines += [f"  {f.id:6} {f.message} (because of {f.consequence_of})" for f in follows]
    lines += _section("worth knowing:", found.findings, Verdict.NOTE)
    if every:
        lines += _section("in order:", found.findings, Verdict.PASS)
        lines += _section("could not be judged:", found.findings, Verdict.UNKNOWN)
    if found.missing and found.verdict is not Overall.HEALTHY:
        lines += ["", *_wrapped(f"would tell more: {', '.join(found.missing)}")]
    if unread:
        lines += ["", *_wrapped(f"not understood: {', '.join(unread)}")]
    return "\n".join(lines)


def headline(found: Diagnosis) -> str:
    """Return the verdict as one line."""
    if found.root_cause is not None:
        return f"broken: {found.root_cause.title} ({found.root_cause.id}, {found.root_cause.layer.value})"
    if found.verdict is Overall.HEALTHY:
        return "healthy: every layer that passthrough needs is proven"
    return "not enough evidence to name a cause"


def _cause_lines(cause: RootCause, finding: Finding) -> list[str]:
    lines = _wrapped(finding.message)
    lines += _evidence(finding.evidence)
    if finding.remedy is not None:
        lines += ["", *_wrapped(f"next: {finding.remedy.text}")]
        lines += _wrapped(f"risk: {finding.remedy.risk}") if finding.remedy.risk else []
    lines += [f"more: pvekit passthrough explain {cause.id}"]
    return lines


def _section(title: str, findings: Iterable[Finding], verdict: Verdict) -> list[str]:
    chosen = [finding for finding in findings if finding.verdict is verdict]
    if not chosen:
        return []
    lines = ["", title]
    for finding in chosen:
        lines += textwrap.wrap(f"{finding.id:6} {finding.message}", _WIDTH - 2, initial_indent="  ",
                               subsequent_indent=" " * 9)  # fmt: skip
    return lines


def _evidence(lines: Sequence[Line]) -> list[str]:
    shown = [f"  {line}" for line in lines[:_EVIDENCE]]
    more = len(lines) - len(shown)
    return [*shown, f"  and {more} more"] if more > 0 else shown


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH) or [""]
