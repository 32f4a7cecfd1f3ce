"""The table that llama-bench prints (``-o md``, its default), with whatever columns it has."""

from __future__ import annotations

import re

from pvekit.inference.observed import Run
from pvekit.inference.reports import names, numbers
from pvekit.inference.reports.found import PRINTED, Found, ModelSeen, Part
from pvekit.inference.reports.lines import Line, Text
from pvekit.inference.reports.tests import parts

_RATE = re.compile(r"([\d.,]{1,15})\s*(?:(?:±|\+/-|\+-|Â±|�)\s*([\d.,]{1,15}))?")
_RULE = re.compile(r"^\|?[\s|:-]*-[\s|:-]*$")
_KNOWN = {
    "model",
    "size",
    "params",
    "backend",
    "ngl",
    "threads",
    "test",
    "t/s",
    "fa",
    "type_k",
    "type_v",
    "n_batch",
    "n_ubatch",
    "mmap",
    "load_mode",
    "dev",
    "sm",
    "t/s_pp",
    "n_depth",
}


def read(text: Text, found: Found) -> None:
    """Read every table with the columns ``test`` and ``t/s``; a row may miss cells."""
    header: list[str] = []
    for line in text.lines:
        if line.text.count("|") < 3:
            header = header if not line.text.strip() else []
            continue
        cells = [cell.strip() for cell in line.text.strip().strip("|").split("|")]
        lower = [cell.lower() for cell in cells]
        if "test" in lower and any(cell in {"t/s", "tok/s", "tokens/s", "ts"} for cell in lower):
            header = ["t/s" if cell in {"tok/s", "tokens/s", "ts"} else cell for cell in lower]
            found.take(line)
        elif header and _RULE.match(line.text.strip()):
            found.take(line)
        elif header and len(cells) >= len(header) - 1:
            found.take(line)
            _row(dict(zip(header, cells, strict=False)), line, found)


def _row(row: dict[str, str], line: Line, found: Found) -> None:
    rate = _RATE.match(row.get("t/s", ""))
    value = numbers.maybe(rate.group(1)) if rate else None
    if value is None:
        return
    model = names.one(row.get("model", ""), line.seen(), printed=True)
    quant = names.printed_quant(row.get("model", ""))
    size = numbers.size(row.get("size", ""))
    parameters = numbers.maybe(row.get("params", "").partition(" ")[0])
    if model is None and size:
        model = ModelSeen(row.get("model", ""), "", None, strength=PRINTED, seen=line.seen())
    if model is not None:
        scale = 0.001 if row.get("params", "").endswith("M") else 1.0
        exact = parameters * scale if parameters else model.size
        model = ModelSeen(
            model.text, model.family, exact, quant or model.quant, size, strength=PRINTED, seen=line.seen()
        )
        found.model(model)
    backend = row.get("backend", "")
    layers = numbers.whole(row.get("ngl", ""))
    if "cpu" in backend.lower() or backend.upper() in {"BLAS", "CPU,BLAS"}:
        layers = 0
    for phase, tokens, depth in parts(row.get("test", "")):
        found.run(
            Run(
                phase, value, depth=depth or numbers.whole(row.get("n_depth", "")) or 0, tokens=tokens,
                threads=numbers.whole(row.get("threads", "")), batch=numbers.whole(row.get("n_batch", "")),
                gpu_layers=None if layers is None or layers < 0 else layers,
                device=None if not backend else "cpu" if layers == 0 else "gpu",
                flash_attention={"1": True, "0": False}.get(row.get("fa", "")),
                type_k=row.get("type_k") or None, type_v=row.get("type_v") or None,
                mapped=_mapped(row.get("mmap"), row.get("load_mode")), seen=line.seen(),
            ),
            model,
        )  # fmt: skip
    if row.get("dev") and row["dev"] not in {"none", "auto"}:
        found.gpus.extend([Part(row["dev"], line.seen(), PRINTED)] if " " in row["dev"] else [])


def _mapped(old: str | None, new: str | None) -> bool | None:
    if old in {"0", "1"}:
        return old == "1"
    return {"mmap": True, "none": False, "dio": False}.get(new or "")
