"""How an explanation looks."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pvekit.inference.explanation import Explanation, Judgement, Overall, Stance
from pvekit.inference.factnames import within

_SHOWN = 4
_LEAST = 0.03


def text(explanation: Explanation) -> str:
    """Return it for a terminal."""
    lines = [explanation.summary, ""]
    for one in explanation.ranked[:_SHOWN]:
        if one.probability < _LEAST and one is not explanation.ranked[0]:
            break
        lines += [*_judgement(one), ""]
    refuted = [one for one in explanation.ranked if one.stance is Stance.REFUTED]
    for one in refuted:
        why = one.evidence[-1].text if one.evidence else ""
        lines.append(f"not it: {one.title} ({why})" if why else f"not it: {one.title}")
    if refuted:
        lines.append("")
    for note in explanation.notes:
        lines.append(f"note: {note}")
    if explanation.notes:
        lines.append("")
    lines += _experiment(explanation)
    return "\n".join(lines).rstrip()


def _judgement(one: Judgement) -> list[str]:
    factor = f"; without it about {one.factor:.1f} times as fast" if one.factor and one.factor > 1.05 else ""
    lines = [f"{one.probability * 100:3.0f} %  {one.title} ({one.stance}{factor})"]
    for each in one.evidence:
        sign = "+" if each.weight > 0 else "-" if each.weight < 0 else " "
        place = ""
        if each.seen is not None and each.seen.file:
            place = f"  [{each.seen.file}:{each.seen.line}]" if each.seen.line else f"  [{each.seen.file}]"
        lines.append(f"     {sign} {each.text}{place}")
    if one.lacking and one.stance is not Stance.CONFIRMED:
        lines.append(f"       not known: {', '.join(map(within, one.lacking))}")
    if one.stance in (Stance.CONFIRMED, Stance.LIKELY):
        lines.append(f"       {one.remedy}")
    return lines


def _experiment(explanation: Explanation) -> list[str]:
    found = explanation.experiment
    if found is None:
        return []
    run = "; pvekit does it itself with --run" if found.runnable else ""
    lines = [f"what decides: {found.title} (about {found.minutes:g} minutes{run})"]
    lines += [f"    $ {command}" for command in found.commands]
    lines += [f"    {outcome}" for outcome in found.outcomes]
    return lines


def document(explanation: Explanation) -> dict[str, Any]:
    """Return it for programs."""
    return asdict(explanation)


def code(explanation: Explanation) -> int:
    """Return the exit code: 0 explained or at its limit, 1 undecided, 2 not enough evidence."""
    return {Overall.UNDECIDED: 1, Overall.UNKNOWN: 2}.get(explanation.overall, 0)
