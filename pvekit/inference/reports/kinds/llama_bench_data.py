"""What llama-bench prints for programs: csv, json, jsonl and sql, with the column names of any version."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pvekit.inference.observed import Run
from pvekit.inference.reports import names
from pvekit.inference.reports.found import PRINTED, Found, ModelSeen, Part
from pvekit.inference.reports.lines import Line, Text

_INSERT = re.compile(r"^\s*INSERT INTO \w+ \(([^)]{10,1900})\) VALUES \(")
_MOST = 4_000_000


def read(text: Text, found: Found) -> None:
    """Read all rows in the file."""
    for line, row in _rows(text, found):
        keep(row, line, found)


def _rows(text: Text, found: Found) -> Iterator[tuple[Line, Mapping[str, Any]]]:
    yield from _csv(text, found)
    yield from _sql(text, found)
    yield from _json(text, found)


def _csv(text: Text, found: Found) -> Iterator[tuple[Line, Mapping[str, Any]]]:
    header: list[str] = []
    for line in text.lines:
        if "avg_ts" in line.text and line.text.count(",") > 10 and '"' not in line.text and "INSERT" not in line.text:
            header = [cell.strip() for cell in line.text.split(",")]
            found.take(line)
        elif header and line.text.startswith('"') and line.text.count('","') > 5:
            cells = next(csv.reader([line.text]), [])
            found.take(line)
            if len(cells) == len(header):
                yield line, dict(zip(header, cells, strict=True))


def _sql(text: Text, found: Found) -> Iterator[tuple[Line, Mapping[str, Any]]]:
    for line in text.lines:
        match = _INSERT.match(line.text)
        if match is None or "avg_ts" not in match.group(1):
            continue
        found.take(line)
        columns = [cell.strip() for cell in match.group(1).split(",")]
        values = line.text[match.end() :].rstrip("; ").removesuffix(")")
        cells = next(csv.reader([values], quotechar="'", skipinitialspace=True), [])
        if len(cells) == len(columns):
            yield line, dict(zip(columns, cells, strict=True))


def _json(text: Text, found: Found) -> Iterator[tuple[Line, Mapping[str, Any]]]:
    """Find objects that have ``avg_ts``: one per line, or a list over many lines, also with text around it."""
    open_at: int | None = None
    depth = 0
    for index, line in enumerate(text.lines):
        stripped = line.text.strip()
        if '"avg_ts"' in stripped and stripped.startswith("{") and stripped.rstrip(",").endswith("}"):
            row = _object(stripped.rstrip(","))
            if row is not None:
                found.take(line)
                yield line, row
            continue
        if stripped in {"{", "[{"}:
            open_at, depth = index, 1
        elif open_at is not None:
            depth += stripped.count("{") - stripped.count("}")
            if depth <= 0:
                lines = text.lines[open_at : index + 1]
                row = _object("\n".join(one.text for one in lines).strip().lstrip("[").rstrip("],"))
                if row is not None and "avg_ts" in row:
                    found.take(*lines)
                    yield text.lines[open_at], row
                open_at = None


def _object(text: str) -> dict[str, Any] | None:
    if len(text) > _MOST:
        return None
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def keep(row: Mapping[str, Any], line: Line, found: Found, variant: str | None = None) -> None:
    """Keep one row: the run, the model and the parts of the machine it names."""
    rate, prompt, generated = _number(row, "avg_ts"), _number(row, "n_prompt"), _number(row, "n_gen")
    if rate is None or not (prompt or generated) or (prompt and generated):
        return
    model = _model(row, line)
    if model is not None:
        found.model(model)
    backends = str(row.get("backends") or row.get("backend") or "")
    only_cpu = bool(backends) and all(part.strip().upper() in {"CPU", "BLAS"} for part in backends.split(","))
    layers = _whole(row, "n_gpu_layers")
    layers = 0 if only_cpu else layers if layers is not None and layers >= 0 else None
    samples = row.get("samples_ts")
    mapped = row.get("use_mmap", row.get("load_mode"))
    found.run(
        Run(
            "prefill" if prompt else "decode", rate,
            samples=tuple(float(one) for one in samples if isinstance(one, (int, float)))
            if isinstance(samples, list) else (),
            depth=_whole(row, "n_depth") or 0, tokens=int(prompt or generated or 0), threads=_whole(row, "n_threads"),
            batch=_whole(row, "n_batch"), gpu_layers=layers,
            device="cpu" if layers == 0 else "gpu" if layers else None, variant=variant,
            flash_attention=_flag(row.get("flash_attn")), type_k=_text(row, "type_k"), type_v=_text(row, "type_v"),
            mapped=_mapped(mapped), seen=line.seen(),
        ),
        model,
    )  # fmt: skip
    if name := _text(row, "cpu_info"):
        found.cpus.append(Part(name, line.seen(), PRINTED))
    for name in (_text(row, "gpu_info") or "").split(","):
        if name.strip() and not only_cpu:
            found.gpus.append(Part(name.strip(), line.seen(), PRINTED))


def _model(row: Mapping[str, Any], line: Line) -> ModelSeen | None:
    kind = _text(row, "model_type") or ""
    file = re.split(r"[/\\]", _text(row, "model_filename") or "")[-1]
    named = names.one(file, line.seen(), printed=True)
    typed = names.one(kind, line.seen(), printed=True)
    size, parameters = _whole(row, "model_size"), _number(row, "model_n_params")
    base = named if named is not None and named.family else typed or named
    if base is None and not size:
        return None
    return ModelSeen(
        file or kind, base.family if base else "", parameters / 1e9 if parameters else base.size if base else None,
        names.printed_quant(kind) or (base.quant if base else ""), size, strength=PRINTED, seen=line.seen(),
    )  # fmt: skip


def _number(row: Mapping[str, Any], key: str) -> float | None:
    try:
        value = float(row[key])
    except (KeyError, TypeError, ValueError):
        return None
    return value if abs(value) < 1e15 else None


def _whole(row: Mapping[str, Any], key: str) -> int | None:
    value = _number(row, key)
    return None if value is None else int(value)


def _text(row: Mapping[str, Any], key: str) -> str | None:
    value = row.get(key)
    return value if isinstance(value, str) and value else None


def _flag(value: object) -> bool | None:
    return {"1": True, "0": False, "true": True, "false": False}.get(str(value).lower())


def _mapped(value: object) -> bool | None:
    return {"1": True, "true": True, "mmap": True, "0": False, "false": False, "none": False, "dio": False}.get(
        str(value).lower()
    )
