"""What a model asks of a machine, counted from its tensors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import prod

from pvekit.adapters.gguf import GgufInvalid
from pvekit.inference.demand import Attention, Demand, Layer
from pvekit.inference.models import quants
from pvekit.inference.models.shape import Latent, Shape, Window
from pvekit.model.ggml import Kind
from pvekit.model.gguf import GgufFile

_SMALL_VOCABULARY, _LARGE_VOCABULARY = 40_000, 110_000
_MOST_LAYERS = 4096
_MOST = 2**31
"""Of whatever a file's numbers count: tokens, heads, entries of a row."""


@dataclass(slots=True)
class _Sum:
    read: int = 0
    held: int = 0
    parameters: int = 0
    experts_held: int = 0
    experts_read: int = 0
    scratch: int = 0
    orderable: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the sums need beyond the tensors."""

    name: str
    quant: str
    architecture: str
    layers: int
    width: int
    vocabulary: int
    context: int
    used: float
    """The part of the routed experts that one token uses."""
    file: int
    attention: tuple[Attention | None, ...]


def of_shape(shape: Shape, quant: str) -> Demand:
    """Return the demand of a shape in a quantisation. Raises KeyError when there is no such quantisation."""
    quant = quants.canonical(quant)
    tensors = [(slot.name, slot.shape, kind) for slot, kind in quants.typed(shape, quant)]
    size = sum(kind.size(dimensions) for _, dimensions, kind in tensors)
    kept = attention(shape.heads, shape.kv_heads, shape.head, shape.head, shape.latent)
    frame = _Frame(
        shape.name, quant, shape.architecture, shape.layers, shape.width, shape.vocabulary, shape.context,
        shape.experts.used / shape.experts.count if shape.experts else 1.0,
        size + _header(shape),
        tuple(_windowed(kept, shape.window, layer) for layer in range(shape.layers)),
    )  # fmt: skip
    return _counted(frame, tensors)


def _header(shape: Shape) -> int:
    """Return about what names, vocabulary and merges take at the front of a file; counted in public vocabularies."""
    base, tokens = shape.architecture, shape.vocabulary
    if base.startswith("gemma") or tokens < _SMALL_VOCABULARY:
        return 25 * tokens  # SentencePiece has no merges.
    return tokens * (60 if tokens > _LARGE_VOCABULARY and not base.startswith("qwen") else 40)


def of_file(file: GgufFile) -> Demand:
    """Return the demand of a file. Raises GgufInvalid when it is no model: absurd numbers, or no weights."""
    tensors = [(tensor.name, tensor.shape, tensor.kind) for tensor in file.tensors]
    layers = _number(file, "block_count") or 0
    if not 1 <= layers <= _MOST_LAYERS:
        raise GgufInvalid(f"a model of {layers} layers", where=file.where, hint="Is it the file of a language model?")
    width = _number(file, "embedding_length") or 0
    embedding = next((shape for name, shape, _ in tensors if name == "token_embd.weight"), (width, 0))
    experts, used = _number(file, "expert_count") or 0, _number(file, "expert_used_count") or 0
    name = file.metadata.get("general.name")
    frame = _Frame(
        name if isinstance(name, str) and name else file.where.rpartition("/")[2],
        quant_of(file), file.architecture, layers, width, embedding[-1],
        _number(file, "context_length") or 0,
        used / experts if experts and used else 1.0,
        file.size or file.data + sum(tensor.bytes for tensor in file.tensors),
        _attentions(file, layers, width),
    )  # fmt: skip
    found = _counted(frame, tensors)
    if not any(layer.parameters for layer in found.layers):
        raise GgufInvalid(
            "its layers have no weights", where=file.where, hint="Is it a vocabulary only, or a part of a split model?"
        )
    return found


def _number(file: GgufFile, key: str, default: int | None = None) -> int | None:
    """Return a number that counts something. Raises GgufInvalid for what nothing has so many of."""
    return _sane(file, key, file.number(key, default))


def _sane(file: GgufFile, key: str, found: int | None) -> int | None:
    if found is not None and not 0 <= found <= _MOST:
        raise GgufInvalid(
            f"{file.architecture}.{key} is {found}", where=file.where, hint="Is it the file of a language model?"
        )
    return found


def attention(heads: int, kv_heads: int, key: int, value: int, latent: Latent | None = None) -> Attention:
    """Return what one layer keeps of a token."""
    if latent is not None:
        return Attention(latent.rank + latent.rope, 0, heads * (latent.rank + latent.rope), heads=heads)
    return Attention(kv_heads * key, kv_heads * value, heads * (key + value) // 2, heads=heads)


def quant_of(file: GgufFile) -> str:
    """Return the quantisation by the file's own word, or else by the type most of its bytes have."""
    number = file.metadata.get("general.file_type")
    if isinstance(number, int) and number in FILE_TYPES:
        return FILE_TYPES[number]
    sizes: Counter[str] = Counter()
    for tensor in file.tensors:
        sizes[tensor.kind.name] += tensor.bytes
    return sizes.most_common(1)[0][0] if sizes else "?"


FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 38: "MXFP4",
}  # fmt: skip
"""Numbers of quantisations in a file (llama.h, enum llama_ftype)."""


def _attentions(file: GgufFile, layers: int, width: int) -> tuple[Attention | None, ...]:
    heads = _number(file, "attention.head_count") or 1
    per_layer = file.metadata.get(f"{file.architecture}.attention.head_count_kv")
    kept = (
        list(per_layer) if isinstance(per_layer, tuple) else [_number(file, "attention.head_count_kv", heads)] * layers
    )
    key = _number(file, "attention.key_length") or width // max(1, heads)
    value = _number(file, "attention.value_length") or key
    rank = _number(file, "attention.kv_lora_rank")
    rope = _number(file, "rope.dimension_count") or 0
    latent = Latent(rank, rope, 0, 0) if rank else None
    window = _window(file)
    pattern = file.metadata.get(f"{file.architecture}.attention.sliding_window_pattern")
    found: list[Attention | None] = []
    for layer in range(layers):
        one = kept[layer] if layer < len(kept) else None
        count = _sane(file, "attention.head_count_kv", one if isinstance(one, int) else heads)
        asked = attention(heads, int(count or 0), key, value, latent)
        if isinstance(pattern, tuple) and layer < len(pattern) and not pattern[layer]:
            found.append(asked if count or latent else None)
        else:
            found.append(_windowed(asked, window, layer) if count or latent else None)
    return tuple(found)


_PATTERNS = {"gemma2": 2, "gemma3": 6, "gpt-oss": 2, "cohere2": 4, "llama4": 4}
"""Every how many layers one looks at everything, where the file does not say so (llama-model.cpp)."""


def _window(file: GgufFile) -> Window | None:
    tokens = max(0, file.number("attention.sliding_window") or 0)
    told = file.metadata.get(f"{file.architecture}.attention.sliding_window_pattern")
    if tokens and isinstance(told, tuple):
        return Window(tokens, 0)  # One entry per layer says which look back that far.
    if not tokens or file.architecture not in _PATTERNS:
        return None
    return Window(tokens, told if isinstance(told, int) and told > 0 else _PATTERNS[file.architecture])


def _windowed(kept: Attention, window: Window | None, layer: int) -> Attention:
    tokens = window.of(layer) if window else None
    return kept if tokens is None else replace(kept, window=tokens)


def _counted(frame: _Frame, tensors: Iterable[tuple[str, tuple[int, ...], Kind]]) -> Demand:
    layers = [_Sum() for _ in range(frame.layers)]
    types: Counter[str] = Counter()
    orderable: Counter[str] = Counter()
    embedding = output = parameters = 0
    table: tuple[int, int, Kind] | None = None
    for name, shape, kind in tensors:
        size, elements = kind.size(shape), prod(shape)
        found = re.match(r"blk\.(\d+)\.", name)
        if found and int(found[1]) < frame.layers:
            layer = layers[int(found[1])]
            routed = "_exps." in name
            read = round(size * frame.used) if routed else size
            layer.held += size
            layer.read += read
            if routed:
                layer.experts_held += size
                layer.experts_read += read
            if len(shape) > 1:
                layer.parameters += round(elements * frame.used) if routed else elements
            types[kind.name] += read
            if _orderable(shape):
                layer.orderable[kind.name] += size
            layer.scratch = max(layer.scratch, _scratch(frame, name, shape))
        elif name == "token_embd.weight":
            embedding, table = size, (size, elements, kind)
        else:
            output += size
            types[kind.name] += size
            parameters += elements if len(shape) > 1 else 0
            if _orderable(shape):
                orderable[kind.name] += size
    tied = table is not None and parameters == 0
    if tied and table is not None:
        output += table[0]
        parameters = table[1]
        types[table[2].name] += table[0]
        orderable[table[2].name] += table[0]
    return Demand(
        frame.name, frame.quant, frame.architecture,
        tuple(
            Layer(
                layer.read, layer.held, layer.parameters, kept, layer.experts_held, layer.experts_read,
                max(layer.scratch, _attended(kept)), tuple(sorted(layer.orderable.items())),
            )
            for layer, kept in zip(layers, frame.attention, strict=True)
        ),
        embedding, output, parameters, frame.width, frame.vocabulary, frame.context, frame.file,
        tied=tied, types=dict(types), orderable=tuple(sorted(orderable.items())),
    )  # fmt: skip


def _orderable(shape: tuple[int, ...]) -> bool:
    """Tell whether a matrix's rows come in eights, which every other order of llama.cpp's needs."""
    return len(shape) > 1 and shape[1] % 8 == 0


def _scratch(frame: _Frame, name: str, shape: tuple[int, ...]) -> int:
    """Return what the feed-forward part of one token needs at once, from its matrix that leads back to the width.

    Gate, up and their product; the experts' answers too where they do not find room in one of the three. The graph
    allocator's peak over all shapes was compared with this.
    """
    part = name.split(".")[2]
    if part == "ffn_down_exps":
        used = round(shape[-1] * frame.used)
        return used * (3 * shape[0] + (frame.width if frame.width > shape[0] else 0))
    return 3 * shape[0] if part == "ffn_down" else 0


def _attended(kept: Attention | None) -> int:
    """Return what latent attention needs at once: queries before and after the matrix they are multiplied with."""
    return kept.width * 7 // 3 if kept is not None and not kept.value else 0
