"""A model by the word a person has for it: a file, an address, or the name of a shape."""

from __future__ import annotations

import re
from pathlib import Path

from pvekit.inference.demand import Demand
from pvekit.inference.models import demand as demands
from pvekit.inference.models import quants, shapes
from pvekit.model.errors import NotFound
from pvekit.model.gguf import GgufFile

DEFAULT_QUANT = "Q4_K_M"
_QUANT = re.compile(r"[-_.:@](I?Q\d\w*|F16|BF16|F32|MXFP4)$", re.IGNORECASE)


def demand(model: str, quant: str | None) -> Demand:
    """Return what a model asks of a machine. ``quant`` counts for a shape only; a file has its own.

    A shape's name may end in its quantisation (``qwen2.5-14b-q8_0``). Raises NotFound, GgufInvalid, HostUnreachable.
    """
    found = header(model)
    if found is not None:
        return demands.of_file(found)
    ending = _QUANT.search(model)
    name = model[: ending.start()] if ending else model
    try:
        shape = shapes.shape(name)
        return demands.of_shape(shape, quant or (ending[1] if ending else DEFAULT_QUANT))
    except KeyError as error:
        what = str(error.args[0])
        hint = "Name a GGUF file, its address (https://...), or a shape: pvekit llm synth --list"
        if "quantisation" in what:
            hint = "Write one of these after --quant."
        raise NotFound(what, status=0, where=model, hint=hint) from error


def header(model: str) -> GgufFile | None:
    """Return the header of a file or of an address; None for the name of a shape. Raises as ``demand`` does."""
    if re.match(r"https?://", model):
        from pvekit.adapters import gguf_remote

        return gguf_remote.read(model)
    path = Path(model)
    if path.is_file():
        from pvekit.adapters import gguf

        return gguf.read(path)
    if path.exists() and (path.is_absolute() or model.startswith(".")):
        raise NotFound("this is no ordinary file", status=0, where=model, hint="Name the GGUF file itself.")
    if model.startswith((".", "/", "~")) or model.lower().endswith(".gguf"):
        raise NotFound("there is no such file", status=0, where=model, hint="Is the path right?")
    return None


def listed() -> tuple[tuple[str, float], ...]:
    """Return all shapes with their thousand millions of parameters."""
    return tuple((name, shapes.billions(name)) for name in shapes.names())


def quantisations() -> tuple[str, ...]:
    """Return the names of all quantisations."""
    return quants.names()
