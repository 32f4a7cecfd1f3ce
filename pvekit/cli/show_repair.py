"""A repair of a host as text and as JSON: the diff with its risks, and how far a change set got."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

import click

from pvekit.cli.show_diagnosis import headline
from pvekit.model.hostchange import ChangeSet, FileChange, Stage
from pvekit.model.hostlook import JournalState

if TYPE_CHECKING:
    from pvekit.workflows.repair import Repair

_WIDTH = 100
_PHASES = {
    "applying": "interrupted: run apply again to go on, or rollback to go back",
    "applied": "applied",
    "trial": "waiting for the trial boot",
    "confirming": "interrupted while it was confirmed: run confirm again, or rollback",
    "rolling-back": "interrupted on the way back: run rollback again",
    "rolled-back": "taken back: every file is as it was",
}


def plan_text(repair: Repair) -> str:
    """Return what would change, for a person to read."""
    changes = repair.changes
    lines = [headline(repair.diagnosis), f"this host starts with {repair.look.loader} ({repair.look.loader_why})"]
    if changes.refused:
        lines += ["", "nothing is changed: the host would lose what it needs"]
    elif changes.empty:
        lines += ["", "nothing to change on this host"]
    for change in changes.files:
        lines += ["", *_file(change)]
    if changes.steps:
        lines += ["", "then:"]
        for step in changes.steps:
            mark = _stage(step.stage, changes)
            lines += _wrapped(f"{' '.join(step.argv)}{mark}   ({step.why})", "  ", "      ")
    for title, texts in (("risks:", changes.risks), ("only by hand:", changes.left)):
        if texts:
            lines += ["", title, *(line for text in texts for line in _wrapped(text, "  ", "    "))]
    if changes.needs_reboot:
        lines += ["", "it takes effect with the next start of the host; pvekit restarts it only with --reboot"]
    if changes.trial is not None:
        minutes = changes.trial.confirm_seconds // 60
        lines += _wrapped(
            "trial: the next start uses the changes once. Without a network, or without pvekit passthrough confirm "
            f"within {minutes} minutes, the host puts everything back and starts again."
        )
    return "\n".join(lines)


def _file(change: FileChange) -> list[str]:
    word = "new file" if change.before is None else "changed"
    lines = [click.style(f"{change.path} ({word})", bold=True), *_wrapped(f"why: {change.why}", "  ", "    ")]
    if change.risk:
        lines += _wrapped(f"risk: {change.risk}", "  ", "    ")
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in change.diff().splitlines():
        lines.append(click.style(line, fg=colours.get(line[:1])) if line[:1] in colours else line)
    return lines


def _stage(stage: Stage, changes: ChangeSet) -> str:
    return "  [after the trial is confirmed]" if changes.trial is not None and stage is Stage.LATE else ""


def _wrapped(text: str, first: str = "", rest: str = "") -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False,
                         break_on_hyphens=False) or [""]  # fmt: skip


def plan_json(repair: Repair) -> str:
    """Return it as JSON with stable keys."""
    changes = repair.changes
    cause = repair.diagnosis.root_cause
    value: dict[str, Any] = {
        "verdict": repair.diagnosis.verdict.name.lower(),
        "root_cause": None if cause is None else cause.id,
        "loader": repair.look.loader,
        "files": [
            {"path": item.path, "new": item.before is None, "why": item.why, "risk": item.risk, "diff": item.diff()}
            for item in changes.files
        ],
        "steps": [{"argv": list(step.argv), "why": step.why, "stage": step.stage.value} for step in changes.steps],
        "risks": list(changes.risks),
        "left": list(changes.left),
        "needs_reboot": changes.needs_reboot,
        "trial": changes.trial is not None,
    }
    return json.dumps(value, indent=2)


def status_text(state: JournalState | None) -> str:
    """Return how far a change set got."""
    if state is None:
        return "pvekit has not changed this host"
    lines = [f"{state.name}: {_PHASES.get(state.phase, state.phase)}"]
    if state.trial and state.phase == "trial":
        lines.append("this boot is the trial: confirm it with pvekit passthrough confirm" if state.booted
                     else "the host has not been started with it yet")  # fmt: skip
    if state.phase in ("applying", "confirming", "rolling-back"):
        lines += [f"  {_mark(how):8} {what}" for what, how in state.steps]
    lines += [f"  {note}" for note in state.notes]
    lines += [f"  skipped, not on this host: {name}" for name in state.skipped]
    return "\n".join(lines)


def _mark(state: str) -> str:
    return {"done": "done", "begun": "cut off", "undone": "undone"}.get(state, "open")


def status_json(state: JournalState | None) -> str:
    """Return it as JSON."""
    if state is None:
        return "null"
    value = {
        "name": state.name, "phase": state.phase, "open": state.open, "trial": state.trial, "booted": state.booted,
        "steps": [{"what": what, "state": how} for what, how in state.steps], "notes": list(state.notes),
        "skipped": list(state.skipped),
    }  # fmt: skip
    return json.dumps(value, indent=2)
