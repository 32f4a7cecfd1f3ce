"""Results that benchmark sites and scripts keep as JSON: ``"tg128": 48.1`` beside the machine's and model's names."""

from __future__ import annotations

import re
from dataclasses import replace

from pvekit.inference.observed import Run
from pvekit.inference.reports import names
from pvekit.inference.reports.found import Found, ModelSeen
from pvekit.inference.reports.lines import Text

_PAIR = re.compile(r'"([A-Za-z]\w{0,40})"\s{0,4}:\s{0,4}(?:"([^"]{0,120})"|(-?\d{1,12}(?:\.\d{1,9})?))')
_DECODE = re.compile(
    r"^(?:tg_?\d{1,5}|(?:decode|generation|gen|output|eval)_?(?:tps|rate|speed|tokens_?per_?sec(?:ond)?))$"
    r"|^tokens_?per_?sec(?:ond)?s?$|^tps$",
    re.IGNORECASE,
)
_PREFILL = re.compile(r"^(?:pp_?\d{1,5}|(?:prompt|prefill)_?(?:tps|rate|speed|tokens_?per_?sec(?:ond)?))$", re.IGNORECASE)
_RAM = re.compile(r"^(?:ram|memory|system_?ram)_?gb$", re.IGNORECASE)
_MODEL = re.compile(r"^model(?:_?(?:label|name|id))?$", re.IGNORECASE)
_QUANT = re.compile(r"^quant(?:i[sz]ation)?$", re.IGNORECASE)
_BACKEND = re.compile(r"^(?:backend|device|runtime)$", re.IGNORECASE)
_CARD = re.compile(r"^(?:cuda|rocm|hip|vulkan|metal|sycl|gpu|mps)$", re.IGNORECASE)


def read(text: Text, found: Found) -> None:
    """Read speeds by their keys; model, quantisation and backend are those named last before them."""
    model: ModelSeen | None = None
    device: str | None = None
    seen: set[tuple[str, float]] = set()
    for line in text.lines:
        # What other readers know has keys of its own.
        if '"eval_' in line.text or '"avg_ts"' in line.text or '"n_gpu_layers"' in line.text:
            continue
        for key, word, number in _PAIR.findall(line.text):
            if word:
                if _MODEL.match(key):
                    model, device = names.one(word, line.seen(), tag=True), None
                elif _QUANT.match(key) and model is not None:
                    model = replace(model, quant=names.quant(word) or model.quant, guessed=False)
                elif _BACKEND.match(key):
                    device = "cpu" if word.lower() == "cpu" else "gpu" if _CARD.match(word) else None
                continue
            value = float(number) if number else 0.0
            phase = "decode" if _DECODE.match(key) else "prefill" if _PREFILL.match(key) else ""
            if phase and value > 0 and (phase, value) not in seen:
                seen.add((phase, value))
                layers = 0 if device == "cpu" else None
                found.run(Run(phase, value, gpu_layers=layers, device=device, seen=line.seen()), model)
                if model is not None:
                    found.model(model)
            elif _RAM.match(key) and 1 <= value <= 8192:
                found.say("host.memory", round(value * 1024**3), line)
