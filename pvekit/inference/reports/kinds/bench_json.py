"""Results that benchmark sites and scripts keep as JSON: ``"tg128": 48.1`` beside the machine's and model's names."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pvekit.inference.observed import Run
from pvekit.inference.reports import names
from pvekit.inference.reports.found import Found, ModelSeen
from pvekit.inference.reports.lines import Line, Text

_PAIR = re.compile(r'"([A-Za-z]\w{0,40})"\s{0,4}:\s{0,4}(?:"([^"]{0,120})"|(-?\d{1,12}(?:\.\d{1,9})?))')
_DECODE = re.compile(
    r"^(?:tg_?\d{1,5}|(?:decode|generation|gen|output|eval)_?(?:tps|rate|speed|tokens_?per_?sec(?:ond)?))$"
    r"|^tokens_?per_?sec(?:ond)?s?$|^tps$",
    re.IGNORECASE,
)
_PREFILL = re.compile(
    r"^(?:pp_?\d{1,5}|(?:prompt|prefill)_?(?:tps|rate|speed|tokens_?per_?sec(?:ond)?))$", re.IGNORECASE
)
_RAM = re.compile(r"^(?:ram|memory|system_?ram)_?gb$", re.IGNORECASE)
_MODEL = re.compile(r"^model(?:_?(?:label|name|id))?$", re.IGNORECASE)
_QUANT = re.compile(r"^quant(?:i[sz]ation)?$", re.IGNORECASE)
_BACKEND = re.compile(r"^(?:backend|device|runtime)$", re.IGNORECASE)
_CARD = re.compile(r"^(?:cuda|rocm|hip|vulkan|metal|sycl|gpu|mps)$", re.IGNORECASE)


_KNOWN = ('"eval_', '"avg_ts"', '"n_gpu_layers"')
"""Keys of programs that have readers of their own."""


@dataclass(slots=True)
class _Last:
    """What was named last: it holds for the speeds behind it."""

    model: ModelSeen | None = None
    device: str | None = None


def read(text: Text, found: Found) -> None:
    """Read speeds by their keys; model, quantisation and backend are those named last before them."""
    last, seen = _Last(), set[tuple[str, float]]()
    for line in text.lines:
        if any(key in line.text for key in _KNOWN):
            continue
        for key, word, number in _PAIR.findall(line.text):
            if word:
                _name(key, word, line, last)
            elif number and float(number) > 0:
                _number(key, float(number), line, last, seen, found)


def _name(key: str, word: str, line: Line, last: _Last) -> None:
    if _MODEL.match(key):
        last.model, last.device = names.one(word, line.seen(), tag=True), None
    elif _QUANT.match(key) and last.model is not None:
        last.model = replace(last.model, quant=names.quant(word) or last.model.quant, guessed=False)
    elif _BACKEND.match(key):
        last.device = "cpu" if word.lower() == "cpu" else "gpu" if _CARD.match(word) else None


def _number(key: str, value: float, line: Line, last: _Last, seen: set[tuple[str, float]], found: Found) -> None:
    if _RAM.match(key) and 1 <= value <= 8192:
        found.say("host.memory", round(value * 1024**3), line)
    phase = "decode" if _DECODE.match(key) else "prefill" if _PREFILL.match(key) else ""
    if not phase or (phase, value) in seen:
        return
    seen.add((phase, value))
    layers = 0 if last.device == "cpu" else None
    found.run(Run(phase, value, gpu_layers=layers, device=last.device, seen=line.seen()), last.model)
    if last.model is not None:
        found.model(last.model)
