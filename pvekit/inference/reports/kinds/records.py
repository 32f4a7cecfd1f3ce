"""pvekit's own records (JSONL of ``llm bench``) and facts of ``llm probe``, whose names are those of the types."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pvekit.inference.observed import Run
from pvekit.inference.reports import dotted, names
from pvekit.inference.reports.found import Found, Part
from pvekit.inference.reports.kinds.llama_bench_data import keep
from pvekit.inference.reports.lines import Line, Text
from pvekit.model.benchmark import KINDS

_LONGEST = 16_000_000


def read(text: Text, found: Found) -> None:
    """Read records line by line, and a whole file of JSON that holds facts."""
    some = False
    for line in text.records:
        if '"kind"' in line.text:
            row = _object(line.text)
            if row is not None and row.get("kind") in KINDS and isinstance(row.get("data"), dict):
                some = True
                found.take(line)
                _record(str(row["kind"]), row["data"], line, found)
    if not some and text.lines and text.lines[0].text.lstrip()[:1] == "{":
        whole = _object(text.records[0].text if len(text.lines) == 1 and text.records else text.whole)
        if whole is not None and _facts(whole, text.lines[0], found):
            found.take(*text.lines)


def _object(text: str) -> dict[str, Any] | None:
    if len(text) > _LONGEST:
        return None
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _record(kind: str, data: Mapping[str, Any], line: Line, found: Found) -> None:
    if kind == "header":
        model = data.get("model")
        named = names.one(model, line.seen(), printed=True) if isinstance(model, str) else None
        if named is not None:
            found.model(named)
    elif kind == "environment":
        _facts(data, line, found)
    elif kind == "llama-bench":
        variant = data.get("variant")
        for row in _raw(data.get("raw")):
            keep(row, line, found, variant if isinstance(variant, str) else None)
    elif kind == "http":
        _http(data, line, found)
    elif kind == "failure":
        found.error(Line(line.file, line.number, f"{data.get('what')}: {data.get('stderr')}"))


def _raw(raw: object) -> Iterator[Mapping[str, Any]]:
    """Return the rows of what llama-bench printed: a list, an object, or one object per line."""
    if not isinstance(raw, str) or len(raw) > _LONGEST:
        return
    try:
        parsed = [json.loads(raw)]
    except (ValueError, RecursionError):
        parsed = [_object(one) for one in raw.splitlines()]
    for one in parsed:
        for row in one if isinstance(one, list) else [one]:
            if isinstance(row, dict):
                yield row


def _http(data: Mapping[str, Any], line: Line, found: Found) -> None:
    rate, clients = data.get("tokens_per_s"), data.get("clients")
    if isinstance(rate, (int, float)) and not isinstance(rate, bool):
        many = clients if isinstance(clients, int) else 1
        tokens = data.get("generated")
        run = Run(
            "decode", float(rate), clients=many, tokens=tokens if isinstance(tokens, int) else None, seen=line.seen()
        )
        found.run(run)


def _facts(data: Mapping[str, Any], line: Line, found: Found) -> bool:
    """Keep every value whose dotted name is known, nested or not; return whether there was one."""
    some = False
    for name, value in _flat(data, "", 0):
        fitted = dotted.fitting(name, value)
        if fitted is not None:
            found.say(name, fitted, line)
            some = True
        elif name in {"hardware.cpu", "cpu.name", "guest.cpu", "host.cpu"} and isinstance(value, str):
            found.cpus.append(Part(value, line.seen(), 2))
        elif name in {"hardware.gpu", "gpu.name", "guest.gpu", "host.gpu"} and isinstance(value, str):
            found.gpus.append(Part(value, line.seen(), 2))
    return some


def _flat(data: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, object]]:
    for key, value in data.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and depth < 4:
            if "value" in value and name in dotted.types():
                yield name, value["value"]
            else:
                yield from _flat(value, "" if key in {"facts", "observed", "environment"} else f"{name}.", depth + 1)
        else:
            yield name, value
