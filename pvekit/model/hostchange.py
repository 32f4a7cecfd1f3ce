"""What would be changed on a host, as values: files, commands, and what the person has to know."""

from __future__ import annotations

import base64
import difflib
import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import Any

VERSION = 1
"""The form of a change set that templates/host/passthrough.py takes."""


class Stage(Enum):
    """When a change is made. With a trial boot, LATE waits for the confirmation and TRIAL is undone by it."""

    NOW = "now"
    LATE = "late"
    TRIAL = "trial"


def to_bytes(text: str) -> bytes:
    """Return a file's bytes; what is no UTF-8 comes through unchanged."""
    return text.encode("utf-8", "surrogateescape")


def to_text(content: bytes) -> str:
    """Return a file's text; what is no UTF-8 comes through unchanged."""
    return content.decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file. ``before`` None: it is not there. ``mode`` "" keeps the mode that it has.

    ``why`` names the finding or reason, ``risk`` what could go wrong ("": nothing).
    """

    path: str
    before: str | None
    after: str
    why: str
    risk: str = ""
    mode: str = ""
    stage: Stage = Stage.NOW

    @property
    def seen(self) -> str:
        """Return the digest of what the plan saw."""
        return "absent" if self.before is None else hashlib.sha256(to_bytes(self.before)).hexdigest()

    def diff(self) -> str:
        """Return the change as a unified diff."""
        lines = difflib.unified_diff(
            _lines(self.before or ""),
            _lines(self.after),
            "/dev/null" if self.before is None else f"a{self.path}",
            f"b{self.path}",
            lineterm="",
        )
        return "".join(f"{line}\n" for line in lines)

    def document(self) -> dict[str, Any]:
        """Return it in the form of the host's program."""
        content = base64.b64encode(to_bytes(self.after)).decode()
        facts = {"path": self.path, "after": content, "seen": self.seen, "mode": self.mode or None}
        return {"kind": "file", "stage": self.stage.value, **facts, "why": self.why}


def _lines(text: str) -> list[str]:
    """Return the lines, with diff's own remark where the last one is not ended."""
    lines = text.split("\n")
    if lines[-1]:
        return [*lines[:-1], f"{lines[-1]}\n\\ No newline at end of file"]
    return lines[:-1]


@dataclass(frozen=True, slots=True)
class Step:
    """One command. ``outputs`` are the files that it writes over: they are kept, and come back as they were.

    ``undo`` is run where that is not possible; None: the command itself, again, and (): nothing.
    """

    argv: tuple[str, ...]
    why: str
    outputs: tuple[str, ...] = ()
    undo: tuple[str, ...] | None = None
    stage: Stage = Stage.LATE

    def document(self) -> dict[str, Any]:
        """Return it in the form of the host's program."""
        undo = None if self.undo is None else list(self.undo)
        outputs = list(self.outputs)
        return {"kind": "step", "stage": self.stage.value, "argv": list(self.argv), "outputs": outputs, "undo": undo,
                "why": self.why}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trial:
    """A boot that undoes itself. Seconds to wait for the network and for ``confirm``; ``address`` has to answer."""

    marker: str
    network_seconds: int = 180
    confirm_seconds: int = 900
    address: str = ""


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Everything that would be done on a host.

    ``folder`` names the journal there; ``left`` is what only a person can change. ``refused`` is what the host would
    lose for good reason to stop: then nothing else is in it.
    """

    id: str
    folder: str
    files: tuple[FileChange, ...] = ()
    steps: tuple[Step, ...] = ()
    risks: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    trial: Trial | None = None
    refused: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Return whether there is nothing to do on the host."""
        return not self.files and not self.steps

    @property
    def needs_reboot(self) -> bool:
        """Return whether the host has to be started again."""
        return not self.empty

    def diff(self) -> str:
        """Return all files as one unified diff."""
        return "".join(change.diff() for change in self.files)

    def document(self, made: str) -> dict[str, Any]:
        """Return it in the form of the host's program. ``made`` is the time, as text."""
        trial = None
        if self.trial is not None:
            trial = {name: getattr(self.trial, name) for name in Trial.__slots__}
        ops = [change.document() for change in self.files] + [step.document() for step in self.steps]
        return {"version": VERSION, "id": self.id, "folder": self.folder, "made": made, "ops": ops, "trial": trial}
