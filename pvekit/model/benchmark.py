"""Records of a benchmark: one JSON object per line, each on disk before the next measurement starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

VERSION = 1
"""Of the record's form; every line carries it."""

KINDS = ("header", "prediction", "environment", "llama-bench", "http", "energy", "failure", "end")


@dataclass(frozen=True, slots=True)
class Record:
    """One line. ``key`` says which measurement of the suite it is, so that a resumed run knows what it has.

    ``at`` is UTC (ISO 8601). ``data`` by kind:
    header: suite, target, model, size, command. prediction: the Prediction as a mapping, made before anything is
    measured. environment: facts of guest and host by the dotted names of inference/observed.py (``guest.isa``),
    temperature, versions. llama-bench: ``raw``, the JSON text the tool printed, unchanged, and ``variant``, the CPU
    backend its stderr names, or None. http: clients, prompt_tokens, generated, ttft_s, gaps_s, tokens_per_s, wall_s,
    errors, and one object per request under ``requests``. energy: source (rapl, nvidia-smi, plug), joules, seconds,
    idle_watts. failure: what, stderr, exit. end: complete, seconds.
    """

    kind: str
    key: str
    at: str
    data: Mapping[str, Any] = field(default_factory=dict)
    version: int = VERSION
