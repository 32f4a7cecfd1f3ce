"""Write a model of random weights to a file."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from pvekit.adapters import gguf
from pvekit.inference.demand import Demand
from pvekit.inference.models import demand as demands
from pvekit.inference.models import quants, shapes
from pvekit.inference.models.shape import Shape
from pvekit.inference.models.synth import size as size_of
from pvekit.inference.models.synth import unwritten, write
from pvekit.model.errors import NotFound, PvekitError
from pvekit.model.gguf import GgufFile
from pvekit.workflows import llm_model


@dataclass(frozen=True, slots=True)
class Made:
    """A written model: where it is, its size in bytes, and what it asks of a machine."""

    path: Path
    size: int
    demand: Demand


def source_of(model: str, quant: str | None) -> tuple[str, GgufFile | Shape, Demand]:
    """Return a short name, what is to be written, and its demand. Raises NotFound, GgufInvalid."""
    found = llm_model.header(model)
    if found is not None:
        return f"{Path(model).stem}-twin", found, demands.of_file(found)
    try:
        name = quants.canonical(quant or llm_model.DEFAULT_QUANT)
        shape = shapes.shape(model)
    except KeyError as error:
        raise NotFound(str(error.args[0]), status=0, where=model, hint="See pvekit llm synth --list.") from error
    return f"{shape.name}-{name.lower()}", shape, demands.of_shape(shape, name)


def synth(
    model: str, quant: str | None, out: Path | None, *, seed: int = 0, layers: int | None = None, force: bool = False
) -> Made:
    """Write a model beside its place and put it there in one step. Raises PvekitError."""
    stem, source, demand = source_of(model, quant)
    if layers is not None:
        if isinstance(source, GgufFile):
            raise PvekitError("a file's twin has the file's layers", where=model, hint="Leave --layers out.")
        if layers > source.layers:
            raise PvekitError(f"the shape has {source.layers} layers", where=model, hint="Say fewer with --layers.")
        if source.latent and not source.latent.query_rank and layers < source.layers:
            # It tells the light model by its 27 layers.
            raise PvekitError(
                "llama.cpp takes this shape with all of its layers only", where=model, hint="Leave --layers out."
            )
        source = replace(source, layers=layers)
        stem, demand = f"{stem}-{source.layers}layers", demands.of_shape(source, demand.quant)
    path = out or Path(f"{stem}.gguf")
    folder, needed = path.absolute().parent, size_of(source, demand.quant)
    try:
        there, free = path.exists(), shutil.disk_usage(folder).free
    except OSError as error:
        raise unwritten(error, folder, needed) from error
    if there and not force:
        raise PvekitError(
            "the file is there already", where=str(path), hint="Replace it with --force, or name another."
        )
    if free < needed:
        raise PvekitError(
            f"the disk has {free / 1e9:.2f} GB left, and the model needs {needed / 1e9:.2f} GB ({needed} bytes)",
            where=str(folder), hint="Make room, or write it elsewhere with -o.",
        )  # fmt: skip
    _sweep(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        size = write(source, demand.quant, part, seed)
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return Made(path, size, demands.of_file(gguf.read(path)))


def _sweep(path: Path) -> None:
    """Delete what runs that were killed have left beside a model."""
    begin, end = f".{path.name}.", ".part"
    with contextlib.suppress(OSError):
        for left in path.absolute().parent.iterdir():
            pid = left.name.removeprefix(begin).removesuffix(end)
            if left.name == f"{begin}{pid}{end}" and pid.isdigit() and not _runs(int(pid)):
                left.unlink()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
