"""Shapes of the models in the public table: enough of each to know what a token reads and computes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pvekit.inference.hardware import Isa
from pvekit.inference.predict.work import MIXED_TYPES, Work, cost, per_weight


@dataclass(frozen=True, slots=True)
class Shape:
    """``cache`` elements per token and layer, ``width`` of the model and of all query heads together."""

    layers: int
    cache: int
    width: int
    parameters: float
    vocabulary: int
    tied: bool = False


_SHAPES = (
    (r"llama.?3\.2.?:?1b", Shape(16, 1024, 2048, 1.24e9, 128256, True)),
    (r"llama.?3\.2.?:?3b", Shape(28, 2048, 3072, 3.21e9, 128256, True)),
    (r"llama.*:?70b", Shape(80, 2048, 8192, 70.6e9, 128256)),
    (r"deepseek-r1:70b", Shape(80, 2048, 8192, 70.6e9, 128256)),
    (r"(?:code)?llama-?2?-7b", Shape(32, 8192, 4096, 6.74e9, 32000)),
    (r"mistral-7b", Shape(32, 2048, 4096, 7.24e9, 32000)),
    (r"llama.?3.*8b|deepseek.*llama 8b|deepseek-r1:8b", Shape(32, 2048, 4096, 8.03e9, 128256)),
    (r"qwen2\.5.*0\.5b", Shape(24, 256, 896, 0.494e9, 151936, True)),
    (r"(?:qwen2\.5|deepseek-r1).*1\.5b", Shape(28, 512, 1536, 1.54e9, 151936, True)),
    (r"qwen2\.5.*3b", Shape(36, 512, 2048, 3.09e9, 151936, True)),
    (r"(?:qwen2\.5|deepseek-r1).*7b", Shape(28, 1024, 3584, 7.62e9, 152064)),
    (r"(?:qwen|deepseek).*14b", Shape(48, 2048, 5120, 14.8e9, 152064)),
    (r"(?:qwen|deepseek|qwq).*32b", Shape(64, 2048, 5120, 32.8e9, 152064)),
    (r"phi-4", Shape(40, 2560, 5120, 14.7e9, 100352)),
    (r"phi3:3", Shape(32, 6144, 3072, 3.82e9, 32064)),
    (r"phi3:14b", Shape(40, 2560, 5120, 14.0e9, 32064)),
    (r"gemma ?3.*4b", Shape(34, 2048, 2560, 3.9e9, 262144, True)),
    (r"gemma ?3.*12b", Shape(48, 4096, 3840, 11.8e9, 262144, True)),
    (r"gemma ?3.*27b", Shape(62, 4096, 5376, 27.0e9, 262144, True)),
    (r"gemma2:2b", Shape(26, 2048, 2304, 2.61e9, 256128, True)),
    (r"gemma2:9b", Shape(42, 4096, 3584, 9.24e9, 256128, True)),
    (r"gemma2:27b", Shape(46, 4096, 4608, 27.2e9, 256128, True)),
)
_DEPTHS = {"tg(LocalScore mix)": 1800, "tg1024": 512, "tg(chat)": 300, "tg128": 64,
           "pp(LocalScore mix)": 900, "pp1024": 512, "pp512": 256}  # fmt: skip
"""Tokens already there on average. LocalScore averages over nine shapes that reach 4096 tokens."""


def find(model: str) -> Shape | None:
    """Return a model's shape; None for an unknown one."""
    return next((shape for form, shape in _SHAPES if re.search(form, model, re.IGNORECASE)), None)


def work(model: str, quant: str, gib: float, test: str, isa: Isa | None) -> Work | None:
    """Return what one token of a row asks; None for a model or a test nobody knows."""
    shape, depth = find(model), _DEPTHS.get(test)
    if shape is None or depth is None:
        return None
    kind = MIXED_TYPES.get(quant, quant)
    table = shape.vocabulary * shape.width
    read = gib * 2**30 - (0 if shape.tied else table * per_weight(kind))
    parameters = shape.parameters - (0 if shape.tied else table)
    return Work(
        read=read,
        cache=shape.layers * shape.cache * 2.0 * depth,
        layers=shape.layers,
        weights=parameters * cost(kind, isa),
        parameters=parameters,
        attention=4.0 * shape.layers * shape.width * depth,
    )
