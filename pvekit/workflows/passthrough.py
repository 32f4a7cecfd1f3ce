"""Passthrough: what a bundle of evidence says."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.bundle import Bundle
from pvekit.model.errors import NotFound
from pvekit.model.finding import Diagnosis
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.asked import Asked
from pvekit.passthrough.checks import Check, all_checks
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.judge import diagnose as judge


@dataclass(frozen=True, slots=True)
class Judged:
    """What is said about a host; ``unread`` are the files that no fact is read from."""

    diagnosis: Diagnosis
    unread: tuple[str, ...]


def judged(bundle: Bundle, *, vmid: int | None = None, device: Bdf | None = None) -> Judged:
    """Return what is said about evidence that is at hand."""
    facts = Facts(bundle, Asked(vmid, device))
    diagnosis, sources = judge(facts), facts.get(Sources)
    return Judged(diagnosis, () if isinstance(sources, Missing) else sources.unknown)


def check_of(name: str) -> Check:
    """Return the check with this id. Raises NotFound and names the near ones."""
    from difflib import get_close_matches

    known = {check.id: check for check in all_checks()}
    wanted = name.strip().upper()
    if wanted in known:
        return known[wanted]
    close = get_close_matches(wanted, known, 3)
    hint = f"Did you mean {', '.join(close)}?" if close else ""
    raise NotFound(f"there is no check {name}", status=0, hint=hint or "pvekit passthrough explain lists them all.")
