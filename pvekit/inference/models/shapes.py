"""The shapes that pvekit knows by name."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from pvekit.inference.models.shape import Experts, Latent, Shape, Window


def names() -> tuple[str, ...]:
    """Return the names of all shapes, without those that only mean another."""
    return tuple(_table())


def shape(name: str) -> Shape:
    """Return the shape of this name, or of a name that means it. Raises KeyError with the nearest names."""
    key = _plain(name)
    row = _table().get(key) or _table().get(_others().get(key, ""))
    if row is None:
        close = get_close_matches(key, [*_table(), *_others()], 3, 0.5)
        raise KeyError(f"no shape is called {name}" + (f"; near: {', '.join(close)}" if close else ""))
    return row


def others(name: str) -> tuple[str, ...]:
    """Return the other names of the shape of this name."""
    return tuple(_raw()[name].get("also", ()))


def billions(name: str) -> float:
    """Return how many thousand million parameters the publisher gives."""
    return float(_raw()[name]["billions"])


def _plain(name: str) -> str:
    """Return a name without what does not change the shape: who published or tuned it, and for what."""
    low = re.sub(r"[\s_:]+", "-", name.strip().lower().rpartition("/")[2])
    low = re.sub(r"^(?:meta|deepseek-ai|google|microsoft|mistralai|openai|unsloth|bartowski)-", "", low)
    low = re.sub(r"-(?:instruct|chat|it|base|gguf|preview|thinking|latest|hf|1m|20\d\d|2[45]\d\d)(?=-|$)", "", low)
    if not low.startswith(("llama", "gemma", "phi")):
        return low
    return re.sub(r"(?<=[a-z])(?=[234](?:\.\d)?(?:-|$))", "-", low)


@lru_cache(maxsize=1)
def _raw() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("shapes.yaml").read_text())
    return found


@lru_cache(maxsize=1)
def _table() -> dict[str, Shape]:
    return {name: _shape(name, row) for name, row in _raw().items()}


@lru_cache(maxsize=1)
def _others() -> dict[str, str]:
    return {other: name for name, row in _raw().items() for other in row.get("also", ())}


def _shape(name: str, row: dict[str, Any]) -> Shape:
    architecture, layers, width, forward, heads, kv_heads, head, vocabulary, context = row["is"]
    return Shape(
        name, architecture, layers, width, forward, heads, kv_heads, head, vocabulary, context,
        tied=row.get("tied", False),
        experts=Experts(*row["experts"]) if "experts" in row else None,
        window=Window(*row["window"]) if "window" in row else None,
        latent=Latent(*row["latent"]) if "latent" in row else None,
        rope_factors=row.get("rope_factors", 0),
    )  # fmt: skip
