"""Tables that people make themselves: a column of speeds, with columns of threads, models or layers beside it."""

from __future__ import annotations

import re
from dataclasses import replace

from pvekit.inference.observed import Run
from pvekit.inference.reports import names, numbers
from pvekit.inference.reports.found import Found
from pvekit.inference.reports.lines import Line, Text
from pvekit.inference.reports.prose import knobs

_RATE = re.compile(
    r"(?:tokens?|toks?|t) ?(?:/|per) ?s(?:ec(?:ond)?)?\b|\btps\b|\btoken generation(?: speed)?\b|\beval rate\b"
    r"|^(?:tg|decode|generation)\b",
    re.IGNORECASE,
)
_TIME = re.compile(r"\b(?:time|ms)(?: ?/ ?| per )tok(?:en)?\b", re.IGNORECASE)
_PROMPT = re.compile(r"\b(?:prompt|prefill|pp\d*)\b", re.IGNORECASE)
_VALUE = re.compile(r"^\W{0,4}(\d{1,6}(?:[.,]\d{1,4})?) ?(ms|s)?\b")
_RULE = re.compile(r"^[\s|:-]+$")
_OTHERS = re.compile(r"\b(?:hardware|cpu|gpu|machine|device|processor)\b", re.IGNORECASE)


def read(text: Text, found: Found) -> None:
    """Read tables whose header names a speed. One that compares machines is about others as well, and is left."""
    header: list[str] = []
    for line in text.lines:
        if line.text.count("|") < 1 or (line.file, line.number) in found.taken:
            header = []
            continue
        cells = [cell.strip(" `*") for cell in line.text.strip().strip("|").split("|")]
        if not header:
            speed = any(_RATE.search(cell) or _TIME.search(cell) for cell in cells)
            numbers_ = any(_VALUE.match(cell) for cell in cells)
            if speed and not numbers_ and len(cells) >= 2 and not any(_OTHERS.search(cell) for cell in cells):
                header = cells
                found.take(line)
        elif _RULE.match(line.text):
            found.take(line)
        elif len(cells) == len(header):
            found.take(line)
            _row(header, cells, line, found)


def _row(header: list[str], cells: list[str], line: Line, found: Found) -> None:
    plain = [
        f"{name} = {cell}" if re.search(r"thread|ngl|layer", name, re.IGNORECASE) else cell
        for name, cell in zip(header, cells, strict=True)
        if not (_RATE.search(name) or _TIME.search(name))
    ]
    rest = " ; ".join(plain)
    near = knobs.of(rest)
    model = next((one for _, _, one in names.models(rest) if one.size is not None), None)
    if model is not None:
        model = replace(model, quant=names.quant(rest) or model.quant, seen=line.seen())
        found.model(model)
    for name, cell in zip(header, cells, strict=True):
        match = _VALUE.match(cell)
        value = numbers.maybe(match.group(1)) if match else None
        if match is None or not value:
            continue
        if _TIME.search(name):
            value = (1000 if match.group(2) != "s" else 1) / value
        elif not _RATE.search(name):
            continue
        phase = "prefill" if _PROMPT.search(name) else "decode"
        layers = near.gpu_layers
        run = Run(phase, value, threads=near.threads, gpu_layers=layers, device=near.device, seen=line.seen())
        found.run(run, model)
