"""A proof as text and as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from pvekit.cli import show
from pvekit.cli.show_diagnosis import diagnosis_json, diagnosis_text
from pvekit.model.proof import Function, GuestLook, Held, LayerProof, Probe, Proof, Region
from pvekit.passthrough.barmap import human
from pvekit.passthrough.proof import USE, whole

if TYPE_CHECKING:
    from pvekit.workflows.verify import Verified

_WIDTH = 100
_COLOURS = {Held.PROVEN: "green", Held.BROKEN: "red", Held.UNKNOWN: "yellow"}
_WORDS = {
    Held.PROVEN: "proven: passthrough works on this host",
    Held.BROKEN: "broken",
    Held.UNKNOWN: "not enough evidence",
}


def proof_json(found: Verified) -> str:
    """Return it as JSON with stable keys; ``proof`` is null where the diagnosis alone decides."""
    from pvekit.model.proof_document import document

    value: dict[str, Any] = {
        "verdict": found.held.name.lower(),
        "diagnosis": json.loads(diagnosis_json(found.diagnosis, found.unread)),
        "proof": None if found.proof is None else document(found.proof),
        "changes": found.changes or None,
        "record": None if found.record is None else str(found.record),
        "times": found.times,
        "boots": found.boots,
    }
    return json.dumps(value, indent=2)


def proof_text(found: Verified) -> str:
    """Return it for a person to read."""
    if found.proof is None:
        more = [] if found.record is None else ["", f"recorded in {found.record}"]
        return "\n".join([diagnosis_text(found.diagnosis, found.unread), *more])
    proof = found.proof
    lines = [click.style(_WORDS[proof.held], fg=_COLOURS[proof.held], bold=True)]
    lines += _bullets(proof.reasons)
    lines += ["", show.table(("LAYER", "WHAT SHOWS IT"), _layers(proof.layers))] if proof.layers else []
    lines += ["", *_host(proof.probe)]
    for look in proof.looks:
        lines += ["", *_look(proof, look)]
    if proof.notes:
        lines += ["", "worth knowing:", *_bullets(proof.notes)]
    return "\n".join([*lines, "", *_record(found)])


def _bullets(texts: Iterable[str]) -> list[str]:
    wrap = textwrap.TextWrapper(_WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False)
    return [line for text in texts for line in wrap.wrap(text)]


def _layers(layers: Iterable[LayerProof]) -> list[list[str]]:
    """Return one row for each layer: the finding that comes first, and what the use of the card adds."""
    rows: dict[str, list[str]] = {}
    for item in layers:
        shown = rows.setdefault(item.layer.value, [])
        if item.id == USE:
            shown.append(f"{item.message} (by use)")
        elif not any(not text.endswith("(by use)") for text in shown):
            line = item.evidence[0]
            shown.append(f"{item.message} ({item.id}, {line.file}:{line.number})")
    order = {item.layer.value: item.layer.rank for item in layers}
    return [
        [name if place == 0 else "", text]
        for name in sorted(rows, key=lambda name: order[name])
        for place, text in enumerate(rows[name])
    ]


def _host(probe: Probe) -> list[str]:
    holder = probe.holder
    count = f"{holder}" if holder is not None else f"{whole(probe)} of {probe.asked} cycles"
    lines = [f"card used by VFIO: {count}"]
    for function in probe.functions:
        lines.append(f"  {function.bdf}  {function.id}  {function.driver or 'no driver'}, group {_group(function)}, "
                     f"reset: {_reset(probe, function)}")  # fmt: skip
        regions = next((use.regions for cycle in probe.cycles for use in cycle.uses if use.bdf == function.bdf), ())
        if regions:
            lines.append("    " + ", ".join(_region(item) for item in regions))
    return lines


def _group(function: Function) -> str:
    return function.group or "none"


def _reset(probe: Probe, function: Function) -> str:
    """Return the reset that was made, and the ways that the kernel knows."""
    done = [use.reset for cycle in probe.cycles for use in cycle.uses if use.bdf == function.bdf and use.reset]
    ways = f" ({function.reset_method})" if function.reset_method else ""
    return f"{done[0] if done else 'none made'}{ways}"


def _region(region: Region) -> str:
    how = "mapped" if region.mapped else "read" if region.word else "there"
    if region.trouble is not None:
        how = f"refused, {region.trouble.errno or region.trouble.text}"
    return f"{region.name} {human(region.size)} {how}"


def _look(proof: Proof, look: GuestLook) -> list[str]:
    when = f"{proof.guest}, start {look.number}:" if look.number else f"{proof.guest}:"
    if look.failed or look.silent:
        return [f"{when} {look.failed or look.silent}"]
    ids = {function.id for function in proof.probe.functions}
    lines = [when]
    for device in (device for device in look.devices if device.id in ids):
        placed = [bar for bar in device.bars if not bar.ports]
        memory = f", {sum(bool(bar.start) for bar in placed)} of {len(placed)} regions placed" if placed else ""
        driver = f", driver {device.driver or 'none'}" if look.complete else ", present"
        lines.append(f"  {device.address}  {device.id}{driver}{memory}{f', {device.wrong}' if device.wrong else ''}")
    if look.compute.done:
        lines.append(f"  compute job: {look.compute.text}")
    return lines


def _record(found: Verified) -> list[str]:
    lines = [] if found.record is None else [f"recorded in {found.record}"]
    if found.changes:
        lines.append(f"change set: {found.changes}")
    if found.held is Held.PROVEN:
        starts = "one start" if found.boots == 1 else f"{found.boots} starts"
        again = "" if found.boots > 1 else "; run it again after the next one"
        times = "once" if found.times == 1 else f"{found.times} times"
        lines.append(f"proven {times} with this kernel, over {starts} of the host{again}")
    return lines
