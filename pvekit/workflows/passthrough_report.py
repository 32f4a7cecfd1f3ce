"""Passthrough: the diagnosis as one page of HTML that can be read, printed and passed on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pvekit
from pvekit.adapters.files import write_atomic
from pvekit.adapters.templates import render
from pvekit.model.bundle import Bundle
from pvekit.model.errors import Conflict
from pvekit.model.finding import Confidence, Diagnosis, Finding, Layer, Overall, RootCause, Verdict
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.asked import Asked
from pvekit.passthrough.barmap import human
from pvekit.passthrough.checks import Check, all_checks
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.processor import Processor
from pvekit.passthrough.facts.pveversion import PveVersion
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.translation import Translation
from pvekit.passthrough.folklore import leftovers
from pvekit.passthrough.judge import diagnose
from pvekit.passthrough.lspcitext import CLASSES
from pvekit.passthrough.reached import Reached, reached
from pvekit.workflows.collect import redacted
from pvekit.workflows.passthrough_view import View, look

TEMPLATE = "report/diagnosis.html.j2"
_KINDS = {number: name for name, number in CLASSES.items()}


@dataclass(frozen=True)
class LayerState:
    """One layer: ``state`` is proven, broken, possible, consequence, waits, noted, unknown or unseen; ``why`` tells it.

    ``cause`` is the id of the finding that this one follows from.
    """

    layer: Layer
    state: str
    why: str
    findings: tuple[Finding, ...] = ()
    cause: str = ""


@dataclass(frozen=True)
class Member:
    """One device in the table of groups. ``target``: it goes to the guest."""

    device: Device
    target: bool

    @property
    def name(self) -> str:
        """Return its name, else what its class is called."""
        return self.device.name or _KINDS.get(self.device.klass, self.device.klass)


def refuse_existing(path: Path) -> None:
    """Refuse to write over what is there. Raises Conflict."""
    if path.exists():
        raise Conflict("is there already", status=0, where=str(path), hint="Name another file, or remove it.")


def save(
    bundle: Bundle, path: Path, *, when: str, vmid: int | None = None, device: Bdf | None = None, live: bool = False
) -> Diagnosis:  # fmt: skip
    """Write the page and return what it says. Raises Conflict when there is something at ``path``.

    The evidence is redacted first: a page is what people pass on. ``live``: the evidence is of a host, not of a file.
    """
    refuse_existing(path)
    found, text = page(redacted(bundle), when=when, vmid=vmid, device=device, live=live)
    write_atomic(path, text.encode(), exclusive=True)
    return found


def page(
    bundle: Bundle, *, when: str, vmid: int | None = None, device: Bdf | None = None, live: bool = False
) -> tuple[Diagnosis, str]:  # fmt: skip
    """Return what is said about the evidence, and the page. ``when`` is the day it was made."""
    facts = Facts(bundle, Asked(vmid, device))
    found = diagnose(facts)
    checks = {check.id: check for check in all_checks()}
    by_id = {finding.id: finding for finding in found.findings}
    sources, target = facts.get(Sources), facts.get(Target)
    cause = found.root_cause
    view, _ = look(bundle)
    variables: dict[str, Any] = {
        "version": pvekit.__version__,
        "when": when,
        "live": live,
        "asked": _asked(vmid, device),
        "verdict": found.verdict.name.lower(),
        "headline": _headline(found),
        "machine": _machine(facts, view),
        "target": None if isinstance(target, Missing) else target,
        "target_missing": target.why if isinstance(target, Missing) else "",
        "cause": cause,
        "finding": None if cause is None else by_id[cause.id],
        "about": [] if cause is None else paragraphs(checks[cause.id].page),
        "sources": () if cause is None else checks[cause.id].sources,
        "questions": found.notes,
        "layers": layers(found, checks, reached(facts), facts.get(Translation)),
        "alternatives": [(item, by_id.get(item.id)) for item in found.alternatives],
        "following": [finding for finding in found.findings if finding.consequence_of],
        "notes": _of(found, Verdict.NOTE),
        "unknown": _of(found, Verdict.UNKNOWN),
        "passed": _of(found, Verdict.PASS),
        "titles": {check.id: check.title for check in checks.values()},
        "leftovers": leftovers(facts, found),
        "groups": list(_groups(facts.get(Devices), target)),
        "view": view,
        "regions": [region for region in view.regions if region.device.gpu],
        "missing": found.missing,
        "read": _read(bundle, sources),
        "unread": () if isinstance(sources, Missing) else sources.unknown,
        "left_out": sorted(bundle.left_out.items()),
        "human": human,
    }
    return found, render(TEMPLATE, variables)


def _headline(found: Diagnosis) -> str:
    if found.root_cause is not None:
        return found.root_cause.title
    if found.verdict is Overall.HEALTHY:
        return "Every layer that passthrough needs is proven"
    return "Not enough evidence to name a cause"


def _asked(vmid: int | None, device: Bdf | None) -> str:
    """Return the options that were given, as they are typed."""
    words = [f"--vm {vmid}"] if vmid is not None else []
    return " ".join([*words, *([f"--device {device}"] if device is not None else [])])


def _machine(facts: Facts, view: View) -> list[tuple[str, str]]:
    """Return what kind of machine it is."""
    kernel, version, processor = facts.get(Kernel), facts.get(PveVersion), facts.get(Processor)
    rows = [
        ("Machine", view.board.title if view.board is not None else view.product),
        ("Processor", "" if isinstance(processor, Missing) else processor.model),
        ("Kernel", "" if isinstance(kernel, Missing) else kernel.release),
        ("Proxmox VE", "" if isinstance(version, Missing) else version.packages.get("pve-manager", "")),
    ]
    return [(name, text) for name, text in rows if text]


def _of(found: Diagnosis, verdict: Verdict) -> list[Finding]:
    return [finding for finding in found.findings if finding.verdict is verdict]


def layers(
    found: Diagnosis, checks: dict[str, Check], done: Reached, translation: Translation | Missing
) -> list[LayerState]:  # fmt: skip
    """Return every layer in its order, with the worst that is known of it."""
    proofs = {layer: done.why for layer in Layer if layer.rank < done.rank}
    if not isinstance(translation, Missing) and translation.works:
        proofs.setdefault(Layer.TRANSLATION, translation.why)
    suspects: dict[Layer, RootCause] = {}
    for item in found.alternatives:
        suspects.setdefault(item.layer, item)
    states = [_layer(layer, found, checks, proofs.get(layer, ""), suspects.get(layer)) for layer in Layer]
    root = found.root_cause
    if root is None or root.layer.rank > Layer.TRANSLATION.rank:
        return states
    off = not isinstance(translation, Missing) and translation.works is False
    return [_below(state, root, translation.why if off and not isinstance(translation, Missing) else "")
            for state in states]  # fmt: skip


def _below(state: LayerState, root: RootCause, off: str) -> LayerState:
    """Return what a layer is worth whose IOMMU does not work: what was seen of it is no proof yet."""
    layer = state.layer
    if not root.layer.rank < layer.rank < Layer.VM.rank or state.state not in ("proven", "unseen", "unknown"):
        return state
    if layer is Layer.TRANSLATION:
        return replace(state, state="consequence", why=off, cause=root.id) if off else state
    if layer is Layer.KERNEL_OPTION or (layer is Layer.REMAPPING and state.state == "proven"):
        return state
    why = state.why if state.state == "proven" else "shows when the layers above work"
    return replace(state, state="waits", why=why)


def _layer(
    layer: Layer, found: Diagnosis, checks: dict[str, Check], proof: str, suspect: RootCause | None
) -> LayerState:  # fmt: skip
    here = [finding for finding in found.findings if checks[finding.id].layer is layer]
    failed = [finding for finding in here if finding.verdict is Verdict.FAIL]
    sure = [finding for finding in failed if finding.confidence is not Confidence.LOW]
    root = found.root_cause
    own = [finding for finding in sure if finding.consequence_of is None]
    own.sort(key=lambda finding: root is None or finding.id != root.id)
    for state, findings in (("broken", own), ("consequence", sure), ("possible", failed)):
        if findings:
            return LayerState(layer, state, findings[0].message, tuple(findings), findings[0].consequence_of or "")
    if suspect is not None:
        return LayerState(layer, "possible", suspect.title)
    by_verdict = {verdict: [finding for finding in here if finding.verdict is verdict] for verdict in Verdict}
    passed = by_verdict[Verdict.PASS]
    if passed or proof:
        texts = dict.fromkeys(finding.message for finding in passed)
        return LayerState(layer, "proven", "; ".join(texts) or proof, tuple(passed))
    for state, verdict in (("noted", Verdict.NOTE), ("unknown", Verdict.UNKNOWN)):
        if by_verdict[verdict]:
            return LayerState(layer, state, by_verdict[verdict][0].message, tuple(by_verdict[verdict]))
    return LayerState(layer, "unseen", "nothing in the evidence is about this")


def _groups(devices: Devices | Missing, target: Target | Missing) -> Iterator[tuple[int, list[Member]]]:
    """Yield every IOMMU group with its devices."""
    if isinstance(devices, Missing):
        return
    ours = set() if isinstance(target, Missing) else {*target.bdfs, *(item.bdf for item in target.functions)}
    for number in sorted({device.group for device in devices if device.group is not None}):
        yield number, [Member(device, device.bdf in ours) for device in devices.group_of(number)]


def _read(bundle: Bundle, sources: Sources | Missing) -> list[tuple[str, str]]:
    """Return the files that something was read from, with what they were taken for."""
    if isinstance(sources, Missing):
        return []
    roles: dict[str, list[str]] = {}
    for role, lines in sources.roles.items():
        for file in dict.fromkeys(line.file for line in lines):
            roles.setdefault(file, []).append(role)
    for role in sources.roles:
        if role in bundle.files:
            roles.setdefault(role, [role])
    return [(file, ", ".join(role for role in roles[file] if role != file)) for file in sorted(roles)]


_CODE = re.compile(r"``([^`]+)``")


def paragraphs(text: str) -> list[list[tuple[bool, str]]]:
    """Return the paragraphs of a check's page as parts: whether it is code, and the text."""
    return [list(_parts(" ".join(block.split()))) for block in text.split("\n\n") if block.strip()]


def _parts(text: str) -> Iterator[tuple[bool, str]]:
    place = 0
    for found in _CODE.finditer(text):
        yield False, text[place : found.start()]
        yield True, found[1]
        place = found.end()
    yield False, text[place:]
