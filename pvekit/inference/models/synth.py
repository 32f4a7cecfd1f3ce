"""A model that does not exist: a shape with random weights, as large and as fast as the real one, in seconds."""

from __future__ import annotations

import contextlib
import errno
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

from pvekit.inference.models import quants, shapes
from pvekit.inference.models.container import ALIGNMENT, Entry, Signed, header
from pvekit.inference.models.demand import FILE_TYPES
from pvekit.inference.models.noise import KINDS, noise, same
from pvekit.inference.models.shape import Shape
from pvekit.inference.models.vocabulary import vocabulary
from pvekit.model.errors import PvekitError
from pvekit.model.ggml import Kind
from pvekit.model.gguf import GgufFile, Long, Scalar

_Parts = list[tuple[str, tuple[int, ...], Kind]]
_LEAST_TOKENS = 259
_MOST_TOKENS = 2**20
"""Of a file's twin: the largest vocabularies of today have a quarter of that."""


def size(model: str | Shape | GgufFile, quant: str) -> int:
    """Return how many bytes ``write`` will write. Raises KeyError, PvekitError."""
    parts, metadata = _asked(model, quant)
    rows, data = _rows(parts)
    return len(header(metadata, rows)) + data


def write(model: str | Shape | GgufFile, quant: str, path: Path, seed: int = 0) -> int:
    """Write a model and return its size in bytes. From a file's header it becomes that file's twin; ``quant`` is moot.

    The same seed gives the same bytes. Raises KeyError (no such shape or quantisation) and PvekitError. What was begun
    is removed when it cannot be ended.
    """
    parts, metadata = _asked(model, quant)
    begun = False
    try:
        begun = not path.exists()
        with path.open("wb") as file:
            for piece in _pieces(parts, metadata, seed):
                file.write(piece)
            return file.tell()
    except OSError as error:
        if begun:
            with contextlib.suppress(OSError):
                path.unlink()
        raise unwritten(error, path.parent, size(model, quant)) from error


def unwritten(error: OSError, folder: Path, needed: int) -> PvekitError:
    """Return the error of a model of ``needed`` bytes that could not be written into a folder."""
    here, model = str(folder.absolute()), f"the model needs {needed / 1e9:.2f} GB ({needed} bytes)"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return PvekitError(f"the disk is full: {model}", where=here, hint="Make room, or write it elsewhere.")
    if error.errno == errno.EFBIG:
        hint = "A FAT file system allows 4 GiB, and a limit of the shell (ulimit -f) less. Write it elsewhere."
        return PvekitError(f"no file may be that large here: {model}", where=here, hint=hint)
    hint = "Is it a folder, and may you write into it?"
    return PvekitError(f"the model cannot be written here: {error.strerror or error}", where=here, hint=hint)


def _asked(model: str | Shape | GgufFile, quant: str) -> tuple[_Parts, Mapping[str, Entry]]:
    if isinstance(model, str):
        model = shapes.shape(model)
    parts, metadata = _of_file(model) if isinstance(model, GgufFile) else _of_shape(model, quants.canonical(quant))
    if unknown := sorted({kind.name for _, _, kind in parts} - KINDS):
        raise PvekitError(f"weights of type {', '.join(unknown)} cannot be made up",
                          hint="Take another quantisation, such as Q4_K_M.")  # fmt: skip
    return parts, metadata


def _rows(parts: _Parts) -> tuple[list[tuple[str, tuple[int, ...], int, int]], int]:
    """Return how the header describes the tensors, and the size of their data."""
    rows, offset = [], 0
    for name, shape, kind in parts:
        rows.append((name, shape, kind.number, offset))
        offset += -(-kind.size(shape) // ALIGNMENT) * ALIGNMENT
    return rows, offset


def _pieces(parts: _Parts, metadata: Mapping[str, Entry], seed: int) -> Iterator[bytes]:
    yield header(metadata, _rows(parts)[0])
    rng = random.Random(seed)  # noqa: S311 - noise, not a secret
    for name, shape, kind in parts:
        length = kind.size(shape)
        if len(shape) == 1:
            yield from same(1.0 if name.endswith(".weight") and kind.name == "F32" else 0.0, length)
        else:
            yield from noise(kind, length, rng)
        yield bytes(-length % ALIGNMENT)


def _of_file(file: GgufFile) -> tuple[_Parts, Mapping[str, Entry]]:
    parts = [(tensor.name, tensor.shape, tensor.kind) for tensor in file.tensors]
    kept: dict[str, Entry] = {}
    for key, value in file.metadata.items():
        if key.startswith("tokenizer.") or key == "general.alignment" or isinstance(value, Long):
            continue
        kept[key] = value if not isinstance(value, tuple) else _list(value)
    tokens = next((shape[-1] for name, shape, _ in parts if name == "token_embd.weight"), _LEAST_TOKENS)
    if tokens > _MOST_TOKENS:
        raise PvekitError(f"a vocabulary of {tokens} tokens cannot be made up", where=file.where,
                          hint="Is it the file of a language model?")  # fmt: skip
    return parts, {**kept, **vocabulary(tokens, str(kept.get("general.name")))}


def _list(values: tuple[Scalar, ...]) -> Entry:
    """Return a short list of a file's metadata: numbers of one kind, or texts."""
    numbers = [value for value in values if not isinstance(value, str)]
    if len(numbers) < len(values):
        return [str(value) for value in values]
    if all(isinstance(value, int) for value in numbers):
        whole = [int(value) for value in numbers]
        return Signed(whole) if any(value < 0 for value in whole) else numbers
    return [float(value) for value in numbers]


def _of_shape(shape: Shape, quant: str) -> tuple[_Parts, Mapping[str, Entry]]:
    parts = [(slot.name, slot.shape, kind) for slot, kind in quants.typed(shape, quant)]
    base = shape.architecture
    latent = shape.latent
    metadata: dict[str, Entry] = {
        "general.architecture": base,
        "general.name": f"{shape.name} with random weights",
        "general.file_type": next(number for number, name in FILE_TYPES.items() if name == quant),
        f"{base}.block_count": shape.layers,
        f"{base}.context_length": shape.context,
        f"{base}.embedding_length": shape.width,
        f"{base}.feed_forward_length": shape.feed_forward,
        f"{base}.attention.head_count": shape.heads,
        f"{base}.attention.head_count_kv": 1 if latent else shape.kv_heads,
        f"{base}.attention.key_length": latent.rank + latent.rope if latent else shape.head,
        f"{base}.attention.value_length": latent.rank if latent else shape.head,
        f"{base}.rope.dimension_count": latent.rope if latent else shape.head,
        f"{base}.rope.freq_base": 10000.0,
        f"{base}.attention.layer_norm_rms_epsilon": 1e-6,
        f"{base}.vocab_size": shape.vocabulary,
    }
    if shape.window:
        metadata[f"{base}.attention.sliding_window"] = shape.window.tokens
    if shape.experts:
        metadata[f"{base}.expert_count"] = shape.experts.count
        metadata[f"{base}.expert_used_count"] = shape.experts.used
        metadata[f"{base}.expert_feed_forward_length"] = shape.experts.feed_forward
        if shape.experts.shared:
            metadata[f"{base}.expert_shared_count"] = shape.experts.shared
    if latent and shape.experts:
        metadata |= {
            f"{base}.leading_dense_block_count": shape.experts.dense,
            f"{base}.attention.kv_lora_rank": latent.rank,
            f"{base}.attention.key_length_mla": latent.nope + latent.rope,
            f"{base}.attention.value_length_mla": latent.value,
            f"{base}.expert_weights_scale": 1.0,
            f"{base}.expert_gating_func": 2 if latent.query_rank else 1,
        }
        if latent.query_rank:
            metadata[f"{base}.attention.q_lora_rank"] = latent.query_rank
    return parts, {**metadata, **vocabulary(shape.vocabulary, shape.name)}
