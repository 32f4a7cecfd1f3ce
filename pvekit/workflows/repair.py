"""Passthrough: plans the repair of a host, carries it out with the playbook, and takes it back."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvekit.model.errors import Conflict, PreflightRefused, ProvisionFailed
from pvekit.model.event import Emit, silent
from pvekit.model.finding import Diagnosis
from pvekit.model.hostchange import ChangeSet, to_bytes
from pvekit.model.hostlook import HostLook, JournalState
from pvekit.workflows.collect import HERE, Host
from pvekit.workflows.repair_reach import Reached, reach

if TYPE_CHECKING:
    from pvekit.adapters.hostrepair import Way
    from pvekit.model.bundle import Bundle
    from pvekit.model.pci import Bdf
    from pvekit.passthrough.changes import Wish

_SECONDS = 4 * 3600.0
"""Rebuilding every initramfs of a slow host, and its restart."""


@dataclass(frozen=True)
class Repair:
    """What was found, and what would be done about it."""

    diagnosis: Diagnosis
    look: HostLook
    changes: ChangeSet


def plan(
    host: Host, wish: Wish, *, vmid: int | None = None, device: Bdf | None = None, bundle: Path | None = None,
    root: str = "",
) -> Repair:  # fmt: skip
    """Return what would be changed on a host; nothing is changed. ``bundle`` is evidence collected before.

    Raises what ``collect`` raises, and PreflightRefused when a trial boot is not possible there.
    """
    from pvekit.adapters.bundle import read_bundle
    from pvekit.adapters.hostrepair import look as ask
    from pvekit.passthrough.asked import Asked
    from pvekit.passthrough.changes import changes, with_look
    from pvekit.passthrough.facts import Facts
    from pvekit.passthrough.judge import diagnose
    from pvekit.workflows.collect import collect

    evidence: Bundle = collect(host) if bundle is None else read_bundle(bundle)
    with _way(host, root) as way:
        seen = ask(way)
    if wish.trial:
        _refuse_trial(seen)
    facts = Facts(with_look(evidence, seen), Asked(vmid, device))
    found = diagnose(facts)
    return Repair(found, seen, changes(facts, found, seen, wish))


def _refuse_trial(seen: HostLook) -> None:
    from pvekit.passthrough.change_trial import refusal

    why = refusal(seen)
    if why:
        raise PreflightRefused(
            [f"no trial boot on this host: {why}"],
            hint="Apply without --trial, with a screen and keyboard or a management console at hand.",
        )


def refuse_losses(repair: Repair) -> None:
    """Raise PreflightRefused where the host would lose with the card what it needs."""
    if repair.changes.refused:
        raise PreflightRefused(
            repair.changes.refused,
            hint="Put the card into a slot with an IOMMU group of its own, take another card, or take the other device "
            "out. What the host can be without: --accept-loss with its address.",
        )


def interrupted(host: Host, *, root: str = "") -> JournalState | None:
    """Return a change set that apply has to finish first. Raises Conflict when it has to be decided otherwise."""
    journal = status(host, root=root)
    if journal is None or not journal.open:
        return None
    if journal.phase in ("applying", "confirming"):
        return journal
    hints = {
        "trial": "Confirm it with pvekit passthrough confirm HOST, or take it back with pvekit passthrough rollback.",
        "rolling-back": "Run pvekit passthrough rollback HOST again: it goes on from there.",
    }
    message = f"the change set {journal.name} is not finished ({journal.phase})"
    raise Conflict(message, status=0, hint=hints[journal.phase])


def resume(host: Host, *, root: str = "") -> tuple[bool, JournalState | None, str]:
    """Go on with an interrupted change set."""
    return _act(host, "resume", root)


def confirm(host: Host, *, root: str = "") -> tuple[bool, JournalState | None, str]:
    """Make a trial boot's state that of every boot."""
    return _act(host, "confirm", root)


def rollback(host: Host, *, leave: Sequence[str] = (), root: str = "") -> tuple[bool, JournalState | None, str]:
    """Put every file back; return whether something changed, the state, and what the host said."""
    return _act(host, "rollback", root, leave)


def status(host: Host, *, root: str = "") -> JournalState | None:
    """Return how far the newest change set on the host got."""
    from pvekit.adapters.hostrepair import status as ask

    with _way(host, root) as way:
        return ask(way)


def _act(
    host: Host, verb: str, root: str, leave: Sequence[str] = ()
) -> tuple[bool, JournalState | None, str]:  # fmt: skip
    from pvekit.adapters.hostrepair import act

    with _way(host, root) as way:
        return act(way, verb, leave)


def apply(
    host: Host, repair: Repair, *, reboot: bool = False, root: str = "", emit: Emit = silent,
    now: Callable[[], str] | None = None,
) -> JournalState | None:  # fmt: skip
    """Write the journal here, run the playbook, and return the state on the host.

    Raises ProvisionFailed with what the host said; the journal there tells how far it got.
    """
    from pvekit.adapters.ansible import run
    from pvekit.adapters.data import playbook

    refuse_losses(repair)
    if reboot:
        refuse_restart_here(host)
    reached = reach(host)
    changes = repair.changes.document((now or _now)())
    path = keep(host, reached, repair, changes)
    variables: dict[str, Any] = {
        "pvekit_passthrough_changes": str(path),
        "pvekit_passthrough_root": root,
        "pvekit_passthrough_reboot": reboot,
    }
    result = run(playbook("passthrough"), reached.inventory(path.parent.parent), extra_vars=variables, on_event=emit,
                 timeout=_SECONDS)  # fmt: skip
    if not result.ok:
        words = "\n".join(failure.message for failure in result.failures) or "the host could not be reached"
        raise ProvisionFailed(
            words,
            where=host.name,
            hint="pvekit passthrough status shows how far it got. Run apply again to go on, or rollback to go back.",
        )
    return status(host, root=root)


def restart(host: Host, *, root: str = "", emit: Emit = silent) -> None:
    """Restart a host and wait until it lets us in again. Raises PreflightRefused here, ProvisionFailed."""
    from pvekit.adapters.ansible import run
    from pvekit.adapters.data import playbook

    refuse_restart_here(host)
    variables = {"pvekit_passthrough_do": "status", "pvekit_passthrough_reboot": True, "pvekit_passthrough_root": root}
    result = run(playbook("passthrough"), reach(host).inventory(folder_of(host)), extra_vars=variables, on_event=emit,
                 timeout=_SECONDS)  # fmt: skip
    if not result.ok:
        words = "\n".join(failure.message for failure in result.failures) or "it could not be reached"
        raise ProvisionFailed(
            f"{host.name} did not come back: {words}",
            where=host.name,
            hint="Look at its screen. An older kernel's entry of the boot menu starts as before; then take the changes "
            "back with pvekit passthrough rollback.",
        )


def refuse_restart_here(host: Host) -> None:
    """Raise PreflightRefused when the host is the machine that pvekit runs on."""
    if host.name == HERE:
        raise PreflightRefused(["pvekit does not restart the machine that it runs on"], hint="Leave out --reboot.")


def _now() -> str:
    from datetime import UTC, datetime

    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def folder_of(host: Host) -> Path:
    """Return where the journals of a host are kept on this machine."""
    from pvekit.workflows.places import data_home

    return data_home() / "passthrough" / re.sub(r"[^A-Za-z0-9_.@-]", "_", host.name)


def keep(host: Host, reached: Reached, repair: Repair, changes: Mapping[str, Any]) -> Path:
    """Write the change set and every file's earlier content here, on the disk, and return the change set's path."""
    from pvekit.adapters.files import write_atomic

    folder = folder_of(host) / str(changes["folder"])
    before = {
        change.path: None if change.before is None else base64.b64encode(to_bytes(change.before)).decode()
        for change in repair.changes.files
    }
    told = {"host": host.name, "address": reached.address, "release": repair.look.release, "before": before}
    write_atomic(folder / "before.json", json.dumps(told, indent=1).encode() + b"\n", mode=0o600)
    path = folder / "changes.json"
    write_atomic(path, json.dumps(changes, indent=1).encode() + b"\n", mode=0o600)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return path


def write_changes(repair: Repair, path: Path) -> None:
    """Write the change set for the playbook."""
    path.write_text(json.dumps(repair.changes.document(_now()), indent=1) + "\n", encoding="utf-8")


@contextmanager
def _way(host: Host, root: str) -> Iterator[Way]:
    from pvekit.adapters.hostrepair import Here, OverSsh

    if host.name == HERE:
        yield Here(root)
        return
    door = reach(host).door()
    try:
        yield OverSsh(door, root)
    finally:
        door.close()
