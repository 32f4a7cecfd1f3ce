"""The memory map, the slots and their judgement as text and as JSON."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import click

from pvekit.cli import show
from pvekit.passthrough.barmap import human
from pvekit.passthrough.blast import Blast, Damage
from pvekit.passthrough.whatif import Answer, Fit
from pvekit.workflows.passthrough_view import Region, View

_WIDTH = 100
_FITS = {
    Fit.FITS: ("yes: it fits", "green"),
    Fit.DOES_NOT_FIT: ("no: it does not fit", "red"),
    Fit.UNKNOWN: ("cannot tell", "yellow"),
}
_MARK = {Fit.FITS: "+", Fit.DOES_NOT_FIT: "-", Fit.UNKNOWN: "?"}
_DAMAGE = {
    Damage.NONE: ("the host loses nothing that it uses", "green"),
    Damage.LOSES: ("the host would lose what it needs: do not start this VM", "red"),
    Damage.UNKNOWN: ("cannot tell what the host would lose", "yellow"),
}


def view_text(view: View, answer: Answer | None) -> str:
    """Return the map, the slots and the answer for a person to read."""
    lines = _machine(view)
    if view.regions:
        rows = [_row(region) for region in view.regions]
        lines += ["", show.table(("DEVICE", "BAR", "ADDRESS", "SIZE", "KIND", "INSIDE"), rows)]
    if view.slots:
        lines += ["", show.table(("SLOT", "WIRED TO", "LANES", "PORT", "IN IT", "NOTE"), _slots(view))]
    lines += _bullets("advice:", view.advice) + _bullets("not known:", view.notes)
    return "\n".join(lines + ([] if answer is None else ["", *_answer(answer)]))


def _machine(view: View) -> list[str]:
    name = view.board.title if view.board is not None else view.product or "unknown board"
    lines = [click.style(name, bold=True)]
    for window in view.windows:
        where = "above" if window.high else "below"
        size = human(window.end - window.start + 1)
        lines.append(f"window {where} 4 GiB: {window.start:#x}-{window.end:#x}, {size} (root bus {window.bus})")
    if view.boot is not None:
        slot = "" if view.boot_slot is None else f" in slot {view.boot_slot.key}"
        bar = "" if view.boot.bar is None else f", BAR {view.boot.bar}"
        at = "" if view.boot.at is None else f", at {view.boot.at:#x}"
        lines.append(f"boot screen: {view.boot.bdf}{slot}{bar}{at}")
    lines += [f"RMRR: {item.start:#x}-{item.end:#x}, {human(item.end - item.start + 1)}" for item in view.rmrr]
    return lines


def _row(region: Region) -> list[str]:
    bar = region.bar
    address = "unassigned" if bar.start is None else f"{bar.start:#x}"
    kind = f"{'64' if bar.wide else '32'}-bit{', prefetchable' if bar.prefetchable else ''}"
    inside = [f"{claim.kind} {claim.range.start:#x}" for claim in region.claims]
    if region.boot and not inside:
        inside = ["boot screen"]
    if region.window is None and bar.start is not None:
        inside.append("outside all windows")
    name = f"{region.device.bdf} [{region.device.id}]" if region.device.vendor else str(region.device.bdf)
    return [name, str(bar.number), address, human(bar.size) if bar.size else "?", kind, ", ".join(inside)]


def _slots(view: View) -> list[list[str]]:
    rows = []
    for slot in view.slots:
        inside = ", ".join(f"{card.bdf} [{card.id}]" for card in slot.cards)
        if not inside:
            inside = {True: "in use", False: "empty", None: ""}[slot.in_use]
        lanes = "" if not slot.lanes else str(slot.lanes)
        note = slot.note or ("PCI" if slot.kind == "PCI" else "")
        rows.append([slot.key, slot.wired_to, lanes, slot.port, inside, note])
    return rows


def _answer(answer: Answer) -> list[str]:
    text, colour = _FITS[answer.fit]
    rows = [
        [("+ " if row.added else "  ") + row.what, row.slot, _size(row.low), _size(row.wide), _size(row.low + row.wide)]
        for row in answer.rows
    ]
    rows.append(["  sum", "", _size(answer.low), _size(answer.wide), _size(answer.low + answer.wide)])
    table = show.table(("WHAT", "SLOT", "32-BIT", "64-BIT", "BOTH"), rows)
    lines = [table, "", click.style(text, fg=colour, bold=True)]
    for reason in sorted(answer.reasons, key=lambda reason: reason.fit is Fit.FITS):
        lines += _item(_MARK[reason.fit], reason.text)
    return lines + _bullets("worth knowing:", answer.notes)


def _size(number: int) -> str:
    return human(number) if number else ""


def _item(mark: str, text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=f"  {mark} ", subsequent_indent="    ")


def _bullets(title: str, texts: tuple[str, ...]) -> list[str]:
    return ["", title, *(line for text in texts for line in _item("-", text))] if texts else []


def view_json(view: View, answer: Answer | None) -> str:
    """Return the same as JSON with stable keys."""
    value: dict[str, Any] = {
        "board": view.board.name if view.board is not None else None,
        "product": view.product,
        "windows": [
            {"bus": item.bus, "start": item.start, "end": item.end, "size": item.end - item.start + 1}
            for item in view.windows
        ],
        "boot_display": None if view.boot is None else {
            "device": str(view.boot.bdf), "bar": view.boot.bar, "address": view.boot.at,
            "slot": None if view.boot_slot is None else view.boot_slot.key,
        },
        "rmrr": [{"start": item.start, "end": item.end} for item in view.rmrr],
        "regions": [
            {
                "device": str(region.device.bdf), "id": region.device.id, "bar": region.bar.number,
                "start": region.bar.start, "size": region.bar.size, "prefetchable": region.bar.prefetchable,
                "wide": region.bar.wide, "boot_display": region.boot,
                "inside": [{"kind": claim.kind, "start": claim.range.start} for claim in region.claims],
            }
            for region in view.regions
        ],
        "slots": [
            {
                "slot": slot.key, "name": slot.name, "kind": slot.kind, "wired_to": slot.wired_to, "lanes": slot.lanes,
                "port": slot.port, "in_use": slot.in_use, "devices": [str(card.bdf) for card in slot.cards],
            }
            for slot in view.slots
        ],
        "advice": list(view.advice),
        "notes": list(view.notes),
        "what_if": None if answer is None else _answer_value(answer),
    }  # fmt: skip
    return json.dumps(value, indent=2)


def _answer_value(answer: Answer) -> dict[str, Any]:
    return {
        "fits": {Fit.FITS: True, Fit.DOES_NOT_FIT: False, Fit.UNKNOWN: None}[answer.fit],
        "rows": [
            {"what": row.what, "slot": row.slot, "low": row.low, "wide": row.wide, "added": row.added}
            for row in answer.rows
        ],
        "low": answer.low,
        "wide": answer.wide,
        "reasons": [{"fit": reason.fit.name.lower(), "text": reason.text} for reason in answer.reasons],
        "notes": list(answer.notes),
    }


def blast_text(found: Blast) -> str:
    """Return what the host would lose, for a person to read."""
    text, colour = _DAMAGE[found.damage]
    lines = [click.style(text, fg=colour, bold=True)]
    for loss in found.losses:
        lines += _item("-" if loss.sure else "?", f"{loss.text}{'' if loss.sure else ' (whether in use is not known)'}")
        lines.append(f"    {loss.line}")
    if found.taken:
        groups = ", ".join(map(str, found.groups))
        title = f"taken from the host{f' (IOMMU group {groups})' if groups else ''}:"
        lines += ["", title, *(f"  {item.bdf} [{item.id}] {item.name or item.klass}".rstrip() for item in found.taken)]
    lines += _bullets("not known:", found.open) + _bullets("worth knowing:", found.notes)
    return "\n".join(lines)


def blast_json(found: Blast) -> str:
    """Return the same as JSON with stable keys."""
    value = {
        "damage": found.damage.name.lower(),
        "groups": list(found.groups),
        "taken": [{"device": str(item.bdf), "id": item.id, "class": item.klass} for item in found.taken],
        "losses": [
            {
                "device": str(loss.bdf), "kind": loss.kind, "text": loss.text, "sure": loss.sure,
                "evidence": {"file": loss.line.file, "line": loss.line.number, "text": loss.line.text},
            }
            for loss in found.losses
        ],
        "open": list(found.open),
        "notes": list(found.notes),
    }  # fmt: skip
    return json.dumps(value, indent=2)
