"""From findings to the one root cause. Pure.

The first broken layer is the cause, what follows from it its consequences. Signs alone (LOW) name nothing. Evidence
that a later layer worked (the guest has the card) refutes what was said against the layers before it, unless the check
says that this does not touch it (``Outcome.until``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pvekit.model.finding import Confidence, Diagnosis, Finding, Layer, Overall, RootCause, Verdict
from pvekit.model.missing import Missing
from pvekit.passthrough.checks import Check, all_checks
from pvekit.passthrough.facts import Facts, needs_of
from pvekit.passthrough.facts.vmconf import VmConfigs, restarted
from pvekit.passthrough.reached import NOTHING, Reached, reached
from pvekit.passthrough.symptoms import Open, open_questions

_GATES = frozenset({Layer.FIRMWARE, Layer.KERNEL_OPTION, Layer.TRANSLATION})
"""Nothing on the host works without these: a failure here explains every later one of the host.

A mistake in the VM's configuration stays one: it stops the next start as well.
"""


def diagnose(facts: Facts, checks: Sequence[Check] | None = None) -> Diagnosis:
    """Run every check and judge what they found."""
    known = {check.id: check for check in (all_checks() if checks is None else checks)}
    done = reached(facts)
    findings = [finding for check in known.values() if (finding := run(check, facts, done)) is not None]
    findings = _explained(known, _with_pending(known, facts, findings, done))
    questions = open_questions(facts, findings)
    return _verdict(known, findings, done, questions)


def run(check: Check, facts: Facts, done: Reached = NOTHING) -> Finding | None:
    """Run one check; None when its question does not arise. ``done`` can refute what it says."""
    found = facts.call(check.rule)
    if found is None:
        return None
    if isinstance(found, Missing):
        message = f"cannot tell without {found.source}: {found.why}"
        return Finding(check.id, Verdict.UNKNOWN, message, missing=(found.source,))
    finding = Finding(
        check.id, found.verdict, found.message, found.evidence, found.remedy, found.confidence, missing=found.missing
    )
    if finding.verdict is not Verdict.FAIL or (found.until or check.layer).rank >= done.rank:
        return finding
    return replace(finding, verdict=Verdict.NOTE, message=f"{finding.message} (not the cause: {done.why})")


def _with_pending(known: dict[str, Check], facts: Facts, findings: list[Finding], done: Reached) -> list[Finding]:
    """Say of the VM's own checks what changes with its next start, where changes of its configuration wait for it."""
    vms = facts.get(VmConfigs)
    if isinstance(vms, Missing) or not any(vm.pending for vm in vms.vms):
        return findings
    after = facts.but(restarted(vms))
    found = {finding.id: finding for finding in findings}
    for check in known.values():
        if check.layer.rank < Layer.VM.rank or VmConfigs not in {kind for _, kind, _ in needs_of(check.rule)}:
            continue
        now, later = found.get(check.id), run(check, after, done)
        breaks = later is not None and later.verdict is Verdict.FAIL
        if now is not None and now.verdict is Verdict.FAIL and not breaks:
            found[check.id] = replace(now, message=f"{now.message}; the change that waits ends this")
        elif later is not None and breaks and (now is None or now.verdict is not Verdict.FAIL):
            found[check.id] = replace(later, verdict=Verdict.NOTE, message=f"after the next start: {later.message}")
    return list(found.values())


def _explained(known: dict[str, Check], findings: Iterable[Finding]) -> list[Finding]:
    """Mark the failures that another failure explains."""
    found = list(findings)
    failed = sorted(
        (finding for finding in found if finding.verdict is Verdict.FAIL and finding.confidence is not Confidence.LOW),
        key=lambda finding: known[finding.id].layer.rank,
    )

    def reason(finding: Finding) -> str | None:
        check = known[finding.id]
        for other in failed:
            cause = known[other.id]
            gate = cause.layer in _GATES and cause.layer.rank < check.layer.rank < Layer.VM.rank
            if other.id != finding.id and (other.id in check.follows or (gate and finding.id not in cause.follows)):
                return other.id
        return None

    return [
        replace(finding, consequence_of=reason(finding)) if finding.verdict is Verdict.FAIL else finding
        for finding in found
    ]


def _cause(check: Check, finding: Finding, why: str = "") -> RootCause:
    return RootCause(check.id, check.title, check.layer, finding.confidence, why or finding.message)


def _verdict(
    known: dict[str, Check], findings: list[Finding], done: Reached, questions: Sequence[Open]
) -> Diagnosis:  # fmt: skip
    broken = [finding for finding in findings if finding.verdict is Verdict.FAIL and finding.consequence_of is None]
    broken.sort(key=lambda f: (f.confidence is Confidence.LOW, known[f.id].layer.rank, f.id))
    causes = [_cause(known[finding.id], finding) for finding in broken]
    notes = tuple(question.text for question in questions)
    missing = tuple(dict.fromkeys(name for f in findings if f.verdict is Verdict.UNKNOWN for name in f.missing))
    if causes and causes[0].confidence is not Confidence.LOW:
        return Diagnosis(Overall.BROKEN, causes[0], tuple(causes[1:]), tuple(findings), missing, notes)
    by_id = {finding.id: finding for finding in findings}
    for question in questions:
        for candidate in question.candidates:
            asked = by_id.get(candidate)
            ruled_out = asked is not None and asked.verdict is Verdict.PASS
            if candidate in known and not ruled_out and candidate not in {cause.id for cause in causes}:
                check = known[candidate]
                causes.append(RootCause(check.id, check.title, check.layer, Confidence.LOW, question.text))
    if causes or questions or not done.healthy:
        return Diagnosis(Overall.UNKNOWN, None, tuple(causes), tuple(findings), missing, notes)
    return Diagnosis(Overall.HEALTHY, None, (), tuple(findings), missing, notes)
