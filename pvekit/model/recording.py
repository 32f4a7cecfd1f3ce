"""A recording of a cluster: PVE's answers to the questions that a plan asks, without what identifies machines. Pure.

The file is JSON: ``pvekit_recording`` (its version), ``about``, ``stack``, ``taken`` (day), ``answers`` by question
(path and parameters) and ``refused`` (status and message by question).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pvekit.model.errors import PvekitError

VERSION = 1


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that was an error."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class Recording:
    """The answers by question. ``about`` says where they come from, ``taken`` the day (``2026-11-25``)."""

    stack: str
    taken: str
    answers: Mapping[str, Any]
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    about: str = ""


def question(path: str, params: Mapping[str, Any] | None = None) -> str:
    """Return a question as the file names it: ``/nodes/pve/network?type=any_bridge``."""
    given = {key: value for key, value in (params or {}).items() if value is not None}
    return path + ("?" + "&".join(f"{key}={given[key]}" for key in sorted(given)) if given else "")


def to_json(recording: Recording) -> str:
    """Return the file's text."""
    document = {
        "pvekit_recording": VERSION,
        "about": recording.about,
        "stack": recording.stack,
        "taken": recording.taken,
        "answers": recording.answers,
        "refused": {key: {"status": r.status, "message": r.message} for key, r in recording.refused.items()},
    }
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def from_json(text: str, where: str) -> Recording:
    """Read the file's text. Raises PvekitError for anything that is no recording; ``where`` names the file."""
    hint = "Make one with: pvekit record STACK -o FILE"
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PvekitError(f"this is no JSON: {error}", where=where, hint=hint) from error
    if not isinstance(found, dict) or "pvekit_recording" not in found:
        raise PvekitError("this is no recording of pvekit", where=where, hint=hint)
    if found["pvekit_recording"] != VERSION:
        raise PvekitError(
            f"version {found['pvekit_recording']} of recordings is not known to this pvekit, which reads {VERSION}",
            where=where,
            hint=hint,
        )
    try:
        refused = {
            str(key): Refusal(int(value["status"]), str(value["message"])) for key, value in found["refused"].items()
        }
        return Recording(
            str(found["stack"]), str(found["taken"]), dict(found["answers"]), refused, str(found.get("about", ""))
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PvekitError(f"the recording is damaged ({error!r})", where=where, hint=hint) from error
