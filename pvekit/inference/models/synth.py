"""A model that does not exist: a shape with random weights, as large and as fast as the real one, in seconds."""

from __future__ import annotations

import errno
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

from pvekit.inference.models import quants, shapes
from pvekit.inference.models.container import ALIGNMENT, Entry, Signed, header
from pvekit.inference.models.demand import FILE_TYPES
from pvekit.inference.models.noise import KINDS, noise, ones
from pvekit.inference.models.shape import Shape
from pvekit.inference.models.vocabulary import vocabulary
from pvekit.model.errors import PvekitError
from pvekit.model.ggml import BY_NAME, Kind
from pvekit.model.gguf import GgufFile, Long, Scalar

_Parts = list[tuple[str, tuple[int, ...], Kind]]
_LEAST_TOKENS = 259


def write(model: str | Shape | GgufFile, quant: str, path: Path, seed: int = 0) -> int:
    """Write a model and return its size in bytes. From a file's header it becomes that file's twin; ``quant`` is moot.

    The same seed gives the same bytes. Raises KeyError (no such shape or quantisation), PvekitError, OSError. What was
    begun is removed when it cannot be ended.
    """
    if isinstance(model, str):
        model = shapes.shape(model)
    parts, metadata = _of_file(model) if isinstance(model, GgufFile) else _of_shape(model, quants.canonical(quant))
    if unknown := sorted({kind.name for _, _, kind in parts} - KINDS):
        raise PvekitError(f"weights of type {', '.join(unknown)} cannot be made up",
                          where=str(path), hint="Take another quantisation, such as Q4_K_M.")  # fmt: skip
    begun = not path.exists()
    try:
        with path.open("wb") as file:
            for piece in _pieces(parts, metadata, seed):
                file.write(piece)
            return file.tell()
    except OSError as error:
        if begun:
            path.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            size = sum(kind.size(shape) for _, shape, kind in parts)
            raise PvekitError(f"the disk is full: the model needs {size / 1e9:.1f} GB", where=str(path.parent),
                              hint="Make room, or write it elsewhere.") from error  # fmt: skip
        raise


def _pieces(parts: _Parts, metadata: Mapping[str, Entry], seed: int) -> Iterator[bytes]:
    rows, offset = [], 0
    for name, shape, kind in parts:
        rows.append((name, shape, kind.number, offset))
        offset += -(-kind.size(shape) // ALIGNMENT) * ALIGNMENT
    yield header(metadata, rows)
    rng = random.Random(seed)  # noqa: S311 - noise, not a secret
    for name, shape, kind in parts:
        size = kind.size(shape)
        if len(shape) == 1 and name.endswith(".weight") and kind.name == "F32":
            yield ones(size)
        elif len(shape) == 1:
            yield bytes(size)
        else:
            yield from noise(kind, size, rng)
        yield bytes(-size % ALIGNMENT)


def _of_file(file: GgufFile) -> tuple[_Parts, Mapping[str, Entry]]:
    parts = [(tensor.name, tensor.shape, tensor.kind) for tensor in file.tensors]
    kept: dict[str, Entry] = {}
    for key, value in file.metadata.items():
        if key.startswith("tokenizer.") or key == "general.alignment" or isinstance(value, Long):
            continue
        kept[key] = value if not isinstance(value, tuple) else _list(value)
    tokens = next((shape[-1] for name, shape, _ in parts if name == "token_embd.weight"), _LEAST_TOKENS)
    return parts, {**kept, **vocabulary(tokens)}


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
    return parts, {**metadata, **vocabulary(shape.vocabulary)}


def makeable(quant: str) -> bool:
    """Tell whether weights of this quantisation can be made up. Raises KeyError."""
    return BY_NAME[quants.BASE[quants.canonical(quant)]].name in KINDS
