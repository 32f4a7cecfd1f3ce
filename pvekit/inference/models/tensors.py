"""The tensors of a shape: their names and dimensions as llama.cpp's converter writes them (llama-arch.cpp)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pvekit.inference.models.shape import Shape


@dataclass(frozen=True, slots=True)
class Slot:
    """One tensor. ``shape`` has the row's length first. ``plain`` ones are never quantised (norms, biases, routers)."""

    name: str
    shape: tuple[int, ...]
    plain: bool = False


def tensors(shape: Shape) -> Iterator[Slot]:
    """Yield the tensors in the order of a file."""
    yield Slot("token_embd.weight", (shape.width, shape.vocabulary))
    for layer in range(shape.layers):
        block = f"blk.{layer}"
        yield Slot(f"{block}.attn_norm.weight", (shape.width,), plain=True)
        yield from _latent(shape, block) if shape.latent else _attention(shape, block)
        yield from _after(shape, block)
        if shape.experts and layer >= shape.experts.dense:
            yield from _mixture(shape, block)
        else:
            yield from _dense(shape, block)
    yield Slot("output_norm.weight", (shape.width,), plain=True)
    if not shape.tied:
        yield Slot("output.weight", (shape.width, shape.vocabulary))
    if shape.rope_factors:
        yield Slot("rope_freqs.weight", (shape.rope_factors,), plain=True)


def _attention(shape: Shape, block: str) -> Iterator[Slot]:
    query, kept = shape.heads * shape.head, shape.kv_heads * shape.head
    if shape.architecture == "phi3":
        yield Slot(f"{block}.attn_qkv.weight", (shape.width, query + 2 * kept))
        yield Slot(f"{block}.attn_output.weight", (query, shape.width))
        return
    for part, length in (("q", query), ("k", kept), ("v", kept)):
        yield Slot(f"{block}.attn_{part}.weight", (shape.width, length))
        if shape.architecture in ("qwen2", "gpt-oss"):
            yield Slot(f"{block}.attn_{part}.bias", (length,), plain=True)
    yield Slot(f"{block}.attn_output.weight", (query, shape.width))
    if shape.architecture in ("qwen3", "qwen3moe", "gemma3"):
        for part in ("q", "k"):
            yield Slot(f"{block}.attn_{part}_norm.weight", (shape.head,), plain=True)
    if shape.architecture == "gpt-oss":
        yield Slot(f"{block}.attn_output.bias", (shape.width,), plain=True)
        yield Slot(f"{block}.attn_sinks.weight", (shape.heads,), plain=True)


def _latent(shape: Shape, block: str) -> Iterator[Slot]:
    latent = shape.latent
    assert latent is not None  # noqa: S101 - asked for by the caller
    query = shape.heads * (latent.nope + latent.rope)
    if latent.query_rank:
        yield Slot(f"{block}.attn_q_a.weight", (shape.width, latent.query_rank))
        yield Slot(f"{block}.attn_q_a_norm.weight", (latent.query_rank,), plain=True)
        yield Slot(f"{block}.attn_q_b.weight", (latent.query_rank, query))
    else:
        yield Slot(f"{block}.attn_q.weight", (shape.width, query))
    yield Slot(f"{block}.attn_kv_a_mqa.weight", (shape.width, latent.rank + latent.rope))
    yield Slot(f"{block}.attn_kv_a_norm.weight", (latent.rank,), plain=True)
    yield Slot(f"{block}.attn_k_b.weight", (latent.nope, latent.rank, shape.heads))
    yield Slot(f"{block}.attn_v_b.weight", (latent.rank, latent.value, shape.heads))
    yield Slot(f"{block}.attn_output.weight", (shape.heads * latent.value, shape.width))


def _after(shape: Shape, block: str) -> Iterator[Slot]:
    """Yield the norms between attention and feed-forward part, and after both where there are such."""
    if shape.architecture in ("gemma2", "gemma3"):
        yield Slot(f"{block}.post_attention_norm.weight", (shape.width,), plain=True)
        yield Slot(f"{block}.post_ffw_norm.weight", (shape.width,), plain=True)
    name = "post_attention_norm" if shape.architecture == "gpt-oss" else "ffn_norm"
    yield Slot(f"{block}.{name}.weight", (shape.width,), plain=True)


def _dense(shape: Shape, block: str) -> Iterator[Slot]:
    if shape.architecture != "phi3":
        yield Slot(f"{block}.ffn_gate.weight", (shape.width, shape.feed_forward))
    # Phi-3 has gate and up in one.
    up = shape.feed_forward * (2 if shape.architecture == "phi3" else 1)
    yield Slot(f"{block}.ffn_up.weight", (shape.width, up))
    yield Slot(f"{block}.ffn_down.weight", (shape.feed_forward, shape.width))


def _mixture(shape: Shape, block: str) -> Iterator[Slot]:
    experts = shape.experts
    assert experts is not None  # noqa: S101 - asked for by the caller
    count, inner = experts.count, experts.feed_forward
    biased = shape.architecture == "gpt-oss"
    yield Slot(f"{block}.ffn_gate_inp.weight", (shape.width, count), plain=True)
    if biased:
        yield Slot(f"{block}.ffn_gate_inp.bias", (count,), plain=True)
    for part, dimensions in (
        ("gate", (shape.width, inner)),
        ("up", (shape.width, inner)),
        ("down", (inner, shape.width)),
    ):
        yield Slot(f"{block}.ffn_{part}_exps.weight", (*dimensions, count))
        if biased:
            yield Slot(f"{block}.ffn_{part}_exps.bias", (dimensions[1], count), plain=True)
    if experts.shared:
        inner *= experts.shared
        for part, dimensions in (
            ("gate", (shape.width, inner)),
            ("up", (shape.width, inner)),
            ("down", (inner, shape.width)),
        ):
            yield Slot(f"{block}.ffn_{part}_shexp.weight", dimensions)
    if shape.latent and shape.latent.query_rank:
        yield Slot(f"{block}.exp_probs_b.bias", (count,), plain=True)
