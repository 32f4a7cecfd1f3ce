"""How a check says what it found. None instead of an outcome: the question does not arise on this host."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.finding import Confidence, Layer, Remedy, Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found; the runner makes a Finding of it.

    ``until`` is the layer up to which passthrough may be seen to work without refuting a failure; None: the check's
    own. A fault that shows only after the VM's start goes further than its layer, what the host loses to the end.
    """

    verdict: Verdict
    message: str
    evidence: tuple[Line, ...] = ()
    remedy: Remedy | None = None
    confidence: Confidence = Confidence.HIGH
    missing: tuple[str, ...] = ()
    until: Layer | None = None


def passed(message: str, *evidence: Line) -> Outcome:
    """Return that this layer holds, with the evidence that proves it."""
    return Outcome(Verdict.PASS, message, evidence)


def failed(
    message: str, *evidence: Line, remedy: Remedy | None = None, confidence: Confidence = Confidence.HIGH,
    until: Layer | None = None,
) -> Outcome:  # fmt: skip
    """Return that this is broken. HIGH: the state was read; MEDIUM: a message says it; LOW: only signs."""
    return Outcome(Verdict.FAIL, message, evidence, remedy, confidence, until=until)


def noted(message: str, *evidence: Line, remedy: Remedy | None = None) -> Outcome:
    """Return what is worth knowing and breaks nothing by itself."""
    return Outcome(Verdict.NOTE, message, evidence, remedy)


def unknown(message: str, *evidence: Line, missing: tuple[str, ...] = ()) -> Outcome:
    """Return that the question is open. ``missing`` names the bundle files that would answer it."""
    return Outcome(Verdict.UNKNOWN, message, evidence, missing=missing)
