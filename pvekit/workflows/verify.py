"""Passthrough: proves that a prepared host holds, and keeps the record of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvekit.model.bundle import Bundle
from pvekit.model.errors import NotFound, PreflightRefused, PvekitError, TaskFailed
from pvekit.model.event import Emit, silent
from pvekit.model.finding import Diagnosis, Overall
from pvekit.model.missing import Missing
from pvekit.model.proof import GuestLook, Held, Probe, Proof
from pvekit.workflows.collect import HERE, Host

if TYPE_CHECKING:
    from pvekit.model.pci import Bdf
    from pvekit.passthrough.facts import Facts
    from pvekit.passthrough.facts.target import Target
    from pvekit.workflows.verify_guest import Seen

FILE = "proofs.jsonl"
_NO_ROM = frozenset({"navi2", "navi3"})
"""Cards that may hang when their ROM is read (RO-07)."""


@dataclass(frozen=True, slots=True)
class Guest:
    """The VM to look into: its name, the stack file it is in, and how often to stop and start it."""

    name: str
    stack: Path
    starts: int = 0


@dataclass(frozen=True)
class Verified:
    """What was found. ``proof`` is None where the diagnosis alone decides; ``changes`` names the last change set.

    ``times`` is how often this card was proven on this kernel, this time included, and ``boots`` over how many starts
    of the host.
    """

    diagnosis: Diagnosis
    unread: tuple[str, ...]
    proof: Proof | None
    changes: str
    record: Path | None
    times: int = 0
    boots: int = 0

    @property
    def held(self) -> Held:
        """Return the verdict."""
        return self.proof.held if self.proof is not None else Held(self.diagnosis.verdict.value)


def verify(
    host: Host, *, vmid: int | None = None, device: Bdf | None = None, cycles: int = 2, guest: Guest | None = None,
    emit: Emit = silent, evidence: Path | None = None, root: str = "", now: Callable[[], str] | None = None,
) -> Verified:  # fmt: skip
    """Prove it, or say what is wrong. ``evidence`` and ``root`` stand for the host in tests.

    Raises what ``collect`` and the session raise, PreflightRefused when nobody knows which card is meant, TaskFailed.
    """
    from pvekit.adapters.bundle import read_bundle
    from pvekit.passthrough.asked import Asked
    from pvekit.passthrough.facts import Facts
    from pvekit.passthrough.facts.sources import Sources
    from pvekit.passthrough.judge import diagnose
    from pvekit.workflows.collect import collect
    from pvekit.workflows.watch import with_baseline

    bundle = with_baseline(host, collect(host) if evidence is None else read_bundle(evidence))
    facts = Facts(bundle, Asked(vmid, device))
    found, sources = diagnose(facts), facts.get(Sources)
    unread = () if isinstance(sources, Missing) else sources.unknown
    changes = _changes(host, root)
    when = (now or _now)()
    if found.verdict is not Overall.HEALTHY:
        value = {"verdict": found.verdict.name.lower(), **_known(facts, found)}
        return Verified(found, unread, None, changes, append(host, {**_head(host, when, changes), **value}))
    target = _target(facts)
    probe = _probe(host, target, facts, cycles, root)
    looks = _inside(guest, target, probe, bundle, Asked(vmid, device), emit)
    return _judged(host, Verified(found, unread, None, changes, None), target, probe, guest, looks, when)


def _judged(
    host: Host, seen: Verified, target: Target, probe: Probe, guest: Guest | None, looks: Sequence[GuestLook],
    when: str,
) -> Verified:  # fmt: skip
    from pvekit.model.proof_document import document, short
    from pvekit.passthrough.proof import prove

    name, starts = ("", 0) if guest is None else (guest.name, guest.starts)
    proof = prove(seen.diagnosis, probe, card=_card(target), guest=name, looks=looks, starts=starts)
    path = append(host, {**_head(host, when, seen.changes), **short(document(proof))})
    same = [record for record in records(host) if _same(record, probe) and record.get("verdict") == "proven"]
    boots = len({record.get("boot") for record in same})
    return replace(seen, proof=proof, record=path, times=len(same), boots=boots)


def _target(facts: Facts) -> Target:
    from pvekit.passthrough.facts.target import Target

    target = facts.get(Target)
    if isinstance(target, Missing):
        raise PreflightRefused([f"which card is meant is not known: {target.why}"], hint="Name it: --device 01:00.0")
    return target


def _card(target: Target) -> str:
    return "" if target.card is None else target.card.id


def _probe(host: Host, target: Target, facts: Facts, cycles: int, root: str) -> Probe:
    """Use the card on the host."""
    from pvekit.adapters.hostprobe import probe_from, probe_here
    from pvekit.workflows.repair_reach import reach

    bdfs = [str(item.bdf) for item in target.functions] or [str(bdf) for bdf in target.bdfs]
    arguments = [*(() if _rom(target, facts) else ("--no-rom",)), *bdfs]
    if host.name == HERE:
        return probe_here(arguments, cycles=cycles, root=root)
    door = reach(host).door()
    try:
        return probe_from(door, arguments, cycles=cycles, root=root)
    finally:
        door.close()


def _rom(target: Target, facts: Facts) -> bool:
    """Return whether the ROM may be read: no VM reads it where ``rombar=0``, and some cards do not survive it."""
    from pvekit.passthrough.aimed import assigned
    from pvekit.passthrough.facts.vmconf import VmConfigs
    from pvekit.passthrough.knowledge import architecture

    card = target.card
    if card is not None and architecture(card.vendor, card.device, card.name) in _NO_ROM:
        return False
    entry = assigned(facts.get(VmConfigs), target)
    return entry is None or entry[1].options.get("rombar") not in ("0", "off")


def _inside(
    guest: Guest | None, target: Target, probe: Probe, bundle: Bundle, asked: object, emit: Emit
) -> tuple[GuestLook, ...]:  # fmt: skip
    """Look into the VM. Not where the host already failed: starting a VM with such a card can hang the host."""
    from pvekit.passthrough.proof import sound
    from pvekit.workflows.session import open_session
    from pvekit.workflows.verify_guest import Inside

    if guest is None or not sound(probe):
        return ()
    with open_session(guest.stack) as session:
        if guest.name not in {vm.name for vm in session.stack.vms}:
            names = ", ".join(vm.name for vm in session.stack.vms)
            raise NotFound(f"the stack has no VM {guest.name}", status=0, hint=f"It has: {names}")
        seen = Inside(session, guest.name, _card(target), emit).looks(guest.starts)
    return tuple(_with_cause(item, bundle, asked) for item in seen)


def _with_cause(seen: Seen, bundle: Bundle, asked: object) -> GuestLook:
    """Return the look with what the checks name, the guest's files added to the host's."""
    from pvekit.passthrough.facts import Facts
    from pvekit.passthrough.judge import diagnose
    from pvekit.passthrough.proof_guest import evidence_of

    if seen.said is None:
        return seen.look
    both = Bundle(bundle.name, {**bundle.files, **evidence_of(seen.said)}, bundle.left_out)
    cause = diagnose(Facts(both, asked)).root_cause
    return seen.look if cause is None else replace(seen.look, cause=f"{cause.id}: {cause.title}")


def _changes(host: Host, root: str) -> str:
    """Return the name of the newest change set on the host; "" when there is none, or only root may know."""
    from pvekit.workflows import repair

    try:
        state = repair.status(host, root=root)
    except TaskFailed:
        # The diagnosis is worth more than this name; what the use of the card needs is said there.
        return ""
    return "" if state is None else f"{state.name} ({state.phase})"


# --- the record


def record_file(host: Host) -> Path:
    """Return where the record of a host is kept on this machine."""
    from pvekit.workflows.repair import folder_of

    return folder_of(host) / FILE


def append(host: Host, value: dict[str, Any]) -> Path:
    """Add a line to the record, on the disk before this returns. Raises PvekitError."""
    path = record_file(host)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = not path.exists()
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(handle).st_size
            # What a power cut tore off stays a line of its own.
            torn = bool(size) and os.pread(handle, 1, size - 1) != b"\n"
            line = json.dumps(value, separators=(",", ":")).encode() + b"\n"
            os.write(handle, b"\n" + line if torn else line)
            os.fsync(handle)
        finally:
            os.close(handle)
        if new:
            _settle(path.parent)
    except OSError as error:
        raise PvekitError(f"cannot write: {error.strerror or error}", where=str(path)) from error
    return path


def _settle(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def records(host: Host) -> tuple[dict[str, Any], ...]:
    """Return everything that was recorded of a host, oldest first. Lines that cannot be read are left out."""
    try:
        text = record_file(host).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    found = []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return tuple(found)


def last_record(host: Host) -> dict[str, Any] | None:
    """Return what was recorded last of a host; None when nothing was."""
    return next(reversed(records(host)), None)


def _head(host: Host, when: str, changes: str) -> dict[str, Any]:
    return {"time": when, "host": host.name, "changes": changes or None}


def _known(facts: Facts, found: Diagnosis) -> dict[str, Any]:
    """Return what is known of a host whose diagnosis is not good."""
    from pvekit.passthrough.facts.kernel import Kernel
    from pvekit.passthrough.facts.target import Target

    kernel, target = facts.get(Kernel), facts.get(Target)
    cards = [] if isinstance(target, Missing) else [{"bdf": str(i.bdf), "id": i.id} for i in target.functions]
    cause = found.root_cause
    return {
        "kernel": "" if isinstance(kernel, Missing) else kernel.release,
        "cards": cards,
        "reasons": [] if cause is None else [f"{cause.id}: {cause.why}"],
    }


def _same(record: dict[str, Any], probe: Probe) -> bool:
    """Return whether a record is of the same kernel and the same card."""
    cards = record.get("cards")
    known = {(item.get("bdf"), item.get("id")) for item in cards} if isinstance(cards, list) else set()
    return record.get("kernel") == probe.kernel and known == {(item.bdf, item.id) for item in probe.functions}


def _now() -> str:
    from datetime import UTC, datetime

    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
