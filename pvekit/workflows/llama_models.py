"""The file of a language model on this machine: one that is there, or one made to a shape."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pvekit.model.errors import ImageInvalid
from pvekit.model.stack import LlamaModel
from pvekit.workflows.places import models

_SEED = 1
"""Of made-up models, so that the same shape is the same file."""


def local_file(model: LlamaModel, log: Callable[[str], None]) -> Mapping[str, Any]:
    """Return ``{file, sha256, size}`` of a model that is not downloaded by the guest.

    A made-up one is written once and kept. Raises ImageInvalid when the file is missing or another one.
    """
    if model.shape is not None:
        path = _made(model.shape, model.quant, log)
    else:
        path = Path(model.file or "")
        if not path.is_file():
            raise ImageInvalid("there is no such file", where=str(path), hint="Correct llama: model: file.")
        log(f"reading {path.name} for its sha256")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if model.sha256 is not None and model.sha256 != found:
        raise ImageInvalid(
            f"sha256 does not match\n  expected: {model.sha256}\n  found:    {found}",
            where=str(path),
            hint="The file is damaged or another one: fetch it again, or correct sha256 in the stack file.",
        )
    return {"file": str(path.absolute()), "sha256": found, "size": path.stat().st_size}


def _made(shape: str, quant: str, log: Callable[[str], None]) -> Path:
    from pvekit.inference.models import synth

    path = models() / f"{shape}-{quant.lower()}-{_SEED}.gguf"
    if not path.is_file():
        log(f"making a model of the shape {shape} in {quant}")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            synth.write(shape, quant, part, _SEED)
            part.rename(path)
        except KeyError as error:
            hint = "`pvekit llm synth --list` shows the names."
            raise ImageInvalid(str(error.args[0]), where="llama: model", hint=hint) from None
        finally:
            part.unlink(missing_ok=True)
    return path
