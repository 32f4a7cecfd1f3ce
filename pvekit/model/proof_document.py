"""A proof as plain values, for JSON and for the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pvekit.model.guestpci import GuestDevice
from pvekit.model.proof import Cycle, Function, GuestLook, Proof, Region, Trouble, Use


def document(proof: Proof) -> dict[str, Any]:
    """Return it with stable keys."""
    layers: dict[str, list[dict[str, Any]]] = {}
    for item in proof.layers:
        evidence = [{"file": line.file, "line": line.number, "text": line.text} for line in item.evidence]
        layers.setdefault(item.layer.value, []).append({"id": item.id, "message": item.message, "evidence": evidence})
    return {
        "verdict": proof.held.name.lower(),
        "reasons": list(proof.reasons),
        "notes": list(proof.notes),
        "kernel": proof.probe.kernel,
        "boot": proof.probe.boot,
        "cards": [_function(item) for item in proof.probe.functions],
        "layers": layers,
        "cycles_asked": proof.probe.asked,
        "cycles": [_cycle(item) for item in proof.probe.cycles],
        "guest": proof.guest or None,
        "looks": [_look(item) for item in proof.looks],
    }


def short(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document for the record: of the evidence only where it is."""
    layers = {
        layer: [
            {"id": item["id"], "evidence": [f"{line['file']}:{line['line']}" for line in item["evidence"]]}
            for item in found
        ]
        for layer, found in value["layers"].items()
    }
    return {**value, "layers": layers}


def _function(item: Function) -> dict[str, Any]:
    bars = [{"bar": bar.number, "size": bar.size, "start": bar.start} for bar in item.bars]
    return {
        "bdf": item.bdf, "id": item.id, "class": item.klass, "driver": item.driver, "group": item.group,
        "reset_method": item.reset_method, "bars": bars,
    }  # fmt: skip


def _cycle(item: Cycle) -> dict[str, Any]:
    return {
        "number": item.number,
        "held": None if item.held is None else str(item.held),
        "trouble": _trouble(item.trouble),
        "functions": [_use(use) for use in item.uses],
    }


def _use(item: Use) -> dict[str, Any]:
    return {
        "bdf": item.bdf, "id": item.id, "reset": item.reset, "trouble": _trouble(item.trouble),
        "regions": [_region(region) for region in item.regions],
    }  # fmt: skip


def _region(item: Region) -> dict[str, Any]:
    return {
        "name": item.name, "size": item.size, "mapped": item.mapped, "word": item.word,
        "trouble": _trouble(item.trouble),
    }  # fmt: skip


def _trouble(item: Trouble | None) -> dict[str, str] | None:
    return None if item is None else {"call": item.call, "on": item.on, "errno": item.errno, "text": item.text}


def _look(item: GuestLook) -> dict[str, Any]:
    return {
        "start": item.number, "failed": item.failed or None, "silent": item.silent or None,
        "complete": item.complete, "devices": [_device(device) for device in item.devices],
        "log": [line.text for line in item.log], "compute": {"done": item.compute.done, "text": item.compute.text},
        "cause": item.cause or None,
    }  # fmt: skip


def _device(item: GuestDevice) -> dict[str, Any]:
    bars = [{"bar": bar.number, "start": bar.start, "size": bar.size} for bar in item.bars]
    return {"address": item.address, "id": item.id, "driver": item.driver, "wrong": item.wrong or None, "bars": bars}
