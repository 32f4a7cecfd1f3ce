"""Which model a report is about, out of all names it holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from pvekit.inference.demand import Demand
from pvekit.inference.reports import resolve
from pvekit.inference.reports.found import Found, ModelSeen

_MOST = 200
"""Models of one report that are looked at."""


def choose(found: Found) -> tuple[ModelSeen | None, Demand | None, dict[int, str | None]]:
    """Return the model most runs are of, its demand, and the label of each run of another one.

    A run of the chosen model has no label.
    """
    known = [*found.models, *(model for _, model in found.runs if model is not None)]
    known = list({replace(model, seen=None, text=""): model for model in reversed(known)}.values())[:_MOST]
    filled = {model: _fill(model, known) for _, model in found.runs if model is not None}
    full = [None if model is None else filled[model] for _, model in found.runs]
    counted = [(run.phase, model) for (run, _), model in zip(found.runs, full, strict=True) if model is not None]
    counts = Counter(_key(model) for phase, model in counted if phase == "decode") or Counter(
        _key(model) for _, model in counted
    )
    main: ModelSeen | None = None
    if counts:
        best = max(counts.values())
        main = next(model for _, model in counted if counts[_key(model)] == best)
        main = _typed_first(found, main) or main
    elif known:
        main = _only([_fill(model, known) for model in known], found)
    if main is None and (found.facts.get("model.bytes") or found.facts.get("model.layers")):
        main = ModelSeen("the model of the log")
    if main is not None:
        main = _with_facts(main, found)
    demand, assumed = resolve.demand(main) if main is not None else (None, "")
    if assumed:
        found.note(assumed)
    labels: dict[int, str | None] = {}
    for index, model in enumerate(full):
        labels[index] = None if model is None or main is None or _alike(model, main) else _label(model)
    return main, demand, labels


def _typed_first(found: Found, main: ModelSeen) -> ModelSeen | None:
    """Return the model in the quantisation named first, where speeds without a name stand beside one of another.

    Speeds without a name are of what the report is about; a quantisation beside a speed is what it compares with.
    """
    bare = any(run.phase == "decode" and model is None for run, model in found.runs)
    first = next((model for model in found.models if model.quant and not model.guessed), None)
    if not bare or first is None or not main.quant or first.quant == main.quant or first.family != main.family:
        return None
    return replace(main, quant=first.quant, guessed=False, bytes=first.bytes)


def _key(model: ModelSeen) -> tuple[str, float | None, str]:
    size = None if model.size is None else round(model.size, 0 if model.size >= 3 else 1)
    return model.family, size, model.quant


def _label(model: ModelSeen) -> str:
    demand, _ = resolve.demand(model)
    if demand is not None:
        return f"{demand.name} {demand.quant}"
    size = f"{model.size:g}B" if model.size else ""
    return " ".join(part for part in (model.family or "model", size, model.quant) if part)


def _fill(model: ModelSeen, models: list[ModelSeen]) -> ModelSeen:
    """Return the model with what others of the same name know and it does not.

    A quantisation is only taken over where all others of the name have the same one.
    """
    others = [other for other in models if _alike(model, other)]
    exact = {other.quant for other in others if other.quant and not other.guessed}
    about = {other.quant for other in others if other.quant}
    if (not model.quant or model.guessed) and len(exact) == 1:
        model = replace(model, quant=exact.pop(), guessed=False)
    elif not model.quant and not exact and len(about) == 1:
        model = replace(model, quant=about.pop(), guessed=True)
    for other in others:
        model = replace(
            model,
            family=model.family or other.family,
            size=model.size if model.size is not None else other.size,
            bytes=model.bytes or other.bytes,
            layers=model.layers or other.layers,
            embedding=model.embedding or other.embedding,
            vocabulary=model.vocabulary or other.vocabulary,
            heads=model.heads or other.heads,
            cache_width=model.cache_width or other.cache_width,
            experts=model.experts or other.experts,
            experts_used=model.experts_used or other.experts_used,
        )
    return model


def _alike(one: ModelSeen, other: ModelSeen) -> bool:
    """Return whether two may be the same model: nothing that both say differs."""
    if one.family and other.family and one.family != other.family:
        return False
    if one.quant and other.quant and one.quant != other.quant and not (one.guessed or other.guessed):
        return False
    if one.size is not None and other.size is not None:
        return abs(one.size - other.size) <= 0.12 * max(one.size, other.size)
    same = one.size == other.size or one.text.strip() == other.text.strip()
    return bool((one.family and other.family) or same)


def _only(models: list[ModelSeen], found: Found) -> ModelSeen | None:
    """Return the model of a report whose runs name none: there must be one only."""
    sized = [model for model in models if model.size is not None or model.bytes] or models
    first = max(sized, key=lambda one: (one.strength, bool(one.quant)))
    others = [model for model in sized if model.strength == first.strength and not _alike(model, first)]
    if others:
        found.note(f"Several models are named ({first.text.strip()}, {others[0].text.strip()}); none is taken.")
        return None
    return _fill(first, models)


def _with_facts(main: ModelSeen, found: Found) -> ModelSeen:
    bytes_, layers = found.value("model.bytes"), found.value("model.layers")
    return replace(
        main,
        bytes=main.bytes or (bytes_ if isinstance(bytes_, int) else None),
        layers=main.layers or (layers if isinstance(layers, int) else None),
    )
