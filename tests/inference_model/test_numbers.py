"""A header may be well formed and its numbers absurd: a prediction comes of it, or our own refusal."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.adapters.gguf import GgufInvalid
from pvekit.cli import llm_show_predict
from pvekit.inference.models.container import Entry, header
from pvekit.model.ggml import BY_NUMBER
from pvekit.workflows import llm_predict
from tests.inference_model.build import entry, gguf, tensor, text

_KEYS = (
    "block_count", "embedding_length", "context_length", "feed_forward_length", "attention.head_count",
    "attention.head_count_kv", "attention.key_length", "attention.value_length", "attention.kv_lora_rank",
    "attention.sliding_window", "attention.sliding_window_pattern", "rope.dimension_count", "expert_count",
    "expert_used_count", "vocab_size",
)  # fmt: skip
_RIGHT: dict[str, Entry] = {
    "block_count": 2, "embedding_length": 64, "context_length": 2048, "feed_forward_length": 128,
    "attention.head_count": 4, "attention.head_count_kv": 2,
}  # fmt: skip
_TENSORS = (
    ("token_embd.weight", (64, 100)), ("blk.0.attn_q.weight", (64, 64)), ("blk.0.ffn_up.weight", (64, 128)),
    ("blk.1.attn_q.weight", (64, 64)), ("blk.1.ffn_up_exps.weight", (64, 128, 4)), ("output_norm.weight", (64,)),
    ("blk.99999999999999999999.x", (64, 64)), ("blk.-1._exps.", (64, 64)), ("", (64,)),
)  # fmt: skip
_NUMBERS = st.sampled_from([0, 1, -1, 2, 7, 255, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1, -(2**63)])
_VALUES = (
    _NUMBERS | st.sampled_from([True, False, "", "32", 1.5, -1.0, 1e300, float("inf"), float("nan")])
    | st.lists(st.sampled_from([0, 1, -1, 2, 2**31, 2**63 - 1, -(2**63)]), max_size=4)
    | st.sampled_from([[""], [1.5, float("nan")], [True, False]])
)  # fmt: skip


def _write(path: Path, metadata: dict[str, Entry], tensors: list[tuple[str, tuple[int, ...]]], kind: int) -> None:
    keys: dict[str, Entry] = {"general.architecture": "llama"}
    keys |= {f"llama.{key}": value for key, value in metadata.items()}
    rows, offset = [], 0
    for name, shape in tensors:
        rows.append((name, shape, kind, offset))
        offset += -(-BY_NUMBER[kind].size(shape) // 32) * 32
    path.write_bytes(header(keys, rows) + bytes(offset))


@settings(max_examples=int(os.environ.get("PVEKIT_FUZZ", "150")), deadline=None)
@given(
    st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=4), st.sets(st.sampled_from(_TENSORS)),
    st.sampled_from([0, 1, 2, 8]), st.sampled_from(["z440", "RTX 3060"]), st.sampled_from(["auto", 0, 1, 999]),
    st.sampled_from([1, 4096, 2**24]),
)  # fmt: skip
def test_absurd_numbers_are_predicted_or_refused(
    tmp_path_factory: pytest.TempPathFactory, metadata: dict[str, Entry], tensors: set[tuple[str, tuple[int, ...]]],
    kind: int, machine: str, offload: str | int, context: int,
) -> None:  # fmt: skip
    path = tmp_path_factory.getbasetemp() / "absurd.gguf"
    _write(path, _RIGHT | metadata, sorted(tensors), kind)
    try:
        found = llm_predict.predicted(
            str(path), quant=None, hardware=machine, context=context, depths=(0, context - 1), offload=offload,
            threads=None, probe=None,
        )  # fmt: skip
    except GgufInvalid as error:
        assert error.where  # noqa: PT017 - either is right
        assert error.hint  # noqa: PT017
    else:
        assert llm_show_predict.text(found)


_ABSURD: dict[str, tuple[dict[str, Entry], str]] = {
    "no layers": ({"block_count": 0}, "a model of 0 layers"),
    "many layers": ({"block_count": 2**31}, "a model of 2147483648 layers|block_count is"),
    "fewer than no heads": ({"attention.head_count_kv": -1}, "llama.attention.head_count_kv is -1"),
    "fewer than no heads in one layer": (
        {"attention.head_count_kv": [2, -(2**63)]}, "attention.head_count_kv is -9223372036854775808"
    ),
    "rows beyond reason": ({"embedding_length": 2**40}, "llama.embedding_length is 1099511627776"),
    "a vocabulary only": ({}, "its layers have no weights"),
}  # fmt: skip


@pytest.mark.parametrize("name", _ABSURD)
def test_a_file_that_is_no_model_is_refused_by_its_own_message(name: str, tmp_path: Path) -> None:
    metadata, words = _ABSURD[name]
    path = tmp_path / "a.gguf"
    _write(path, _RIGHT | metadata, [] if name == "a vocabulary only" else list(_TENSORS[:4]), 0)
    with pytest.raises(GgufInvalid, match=words) as caught:
        llm_predict.predicted(
            str(path), quant=None, hardware="z440", context=4096, depths=(0,), offload="auto", threads=None, probe=None
        )
    assert str(path) in caught.value.where
    assert caught.value.hint


def test_a_file_without_an_architecture(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf([entry("general.name", 8, text("x")), entry("block_count", 4, struct.pack("<I", 2))],
                          [tensor("blk.0.x", [64])], data=256))  # fmt: skip
    with pytest.raises(GgufInvalid, match="a model of 0 layers"):
        llm_predict.predicted(
            str(path), quant=None, hardware="z440", context=4096, depths=(0,), offload="auto", threads=None, probe=None
        )
