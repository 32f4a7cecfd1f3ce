"""Headers of GGUF files: real ones agree with the reference reader, hostile ones are refused in bounded time."""

from __future__ import annotations

import os
import struct
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import pytest
from gguf import GGUFReader, GGUFValueType
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.adapters import gguf as reader
from pvekit.adapters.gguf import GgufInvalid
from pvekit.inference.models import shapes
from pvekit.inference.models.demand import of_file, of_shape
from pvekit.model.gguf import GgufFile, Long
from tests.inference_model.build import entry, gguf, tensor, text
from tests.llama.model import SIZE, gemma

_MEMORY = 64 * 2**20
_HUGE = 2**63
_U32, _TEXT, _ARRAY = 4, 8, 9
_NAME = entry("general.architecture", _TEXT, text("llama"))


def _parse(data: bytes, size: int | None = None) -> GgufFile:
    return reader.parse(lambda offset, length: data[offset : offset + length], size or len(data), "model.gguf")


@contextmanager
def _bounded() -> Iterator[None]:
    """Fail when what is done within takes more than half a minute of processor time or 64 MiB."""
    tracemalloc.start()
    begin = time.process_time()
    try:
        yield
        assert time.process_time() - begin < 30
        assert tracemalloc.get_traced_memory()[1] < _MEMORY
    finally:
        tracemalloc.stop()


@lru_cache(maxsize=1)
def _real() -> bytes:
    with gemma().open("rb") as file:
        return file.read(reader.read(gemma()).data)


def test_the_real_model_reads_as_the_reference_library_reads_it() -> None:
    ours, theirs = reader.read(gemma()), GGUFReader(gemma())
    assert [(one.name, one.shape, one.number, one.offset + ours.data, one.bytes) for one in ours.tensors] == [
        (one.name, tuple(int(n) for n in one.shape), int(one.tensor_type), int(one.data_offset), int(one.n_bytes))
        for one in theirs.tensors
    ]
    assert ours.data == theirs.data_offset
    assert ours.size == SIZE
    fields = {key: field for key, field in theirs.fields.items() if not key.startswith("GGUF.")}
    assert list(ours.metadata) == list(fields)
    for key, field in fields.items():
        mine = ours.metadata[key]
        if isinstance(mine, Long):
            assert mine.count == len(field.data), key
        elif field.types[0] is GGUFValueType.ARRAY:
            assert list(mine) == field.contents(), key  # type: ignore[arg-type]
        else:
            assert mine == field.contents(), key


def test_the_shape_demands_what_the_real_file_demands_to_the_byte() -> None:
    shape, real = of_shape(shapes.shape("gemma-3-270m"), "Q4_K_M"), of_file(reader.read(gemma()))
    assert shape.held == real.held == 246_587_904
    assert (shape.layers, shape.types, shape.output, shape.parameters) == (
        real.layers, real.types, real.output, real.parameters,
    )  # fmt: skip
    assert shape.file == pytest.approx(real.file, rel=0.02)


_HOSTILE = {
    "empty": (b"", "cut off"),
    "another format": (b"PK\3\4" + bytes(64), "no GGUF file"),
    "version 1": (gguf(version=struct.pack("<I", 1)), "version 1"),
    "version 4": (gguf(version=struct.pack("<I", 4)), "version 4"),
    "big endian": (gguf(version=struct.pack(">I", 3)), "big-endian"),
    "many tensors": (gguf(counts=(_HUGE, 0)), "tensors do not fit"),
    "many entries": (gguf(counts=(0, _HUGE)), "entries of metadata do not fit"),
    "many of both": (gguf([_NAME], counts=(2**64 - 1, 2**64 - 1)), "do not fit"),
    "entries beyond reason": (gguf(counts=(0, 2**20), data=2**25), "more than 65536"),
    "tensors beyond reason": (gguf(counts=(2**17, 0), data=2**23), "more than 65536"),
    "lists without end": (
        gguf([entry(f"k{n}", _ARRAY, struct.pack("<IQ", 0, 4096) + bytes(4096)) for n in range(200)]),
        "lists of the header",
    ),
    "long key": (gguf([struct.pack("<Q", 2**62) + b"key"]), "a key of"),
    "long text": (gguf([entry("a", _TEXT, struct.pack("<Q", 2**62))]), "text of a of"),
    "text beyond the end": (gguf([entry("a", _TEXT, struct.pack("<Q", 2**20))]), "cut off"),
    "array of arrays": (gguf([entry("a", _ARRAY, struct.pack("<IQ", _ARRAY, 1) * 3)]), "array of arrays"),
    "array of nothing": (gguf([entry("a", _ARRAY, struct.pack("<IQ", 99, 1))]), "array of type 99"),
    "long array": (gguf([entry("a", _ARRAY, struct.pack("<IQ", _U32, _HUGE))]), "entries of a do not fit"),
    "long array of texts": (gguf([entry("a", _ARRAY, struct.pack("<IQ", _TEXT, _HUGE))]), "entries of a do not fit"),
    "long text in an array": (
        gguf([entry("a", _ARRAY, struct.pack("<IQ", _TEXT, 5000) + struct.pack("<Q", 2**50))], data=80_000),
        "a text of",
    ),
    "unknown scalar": (gguf([entry("a", 77, bytes(8))]), "type 77"),
    "key twice": (gguf([_NAME, _NAME]), "there twice"),
    "tensor twice": (gguf([_NAME], [tensor("t", [4]), tensor("t", [4])], data=64), "there twice"),
    "no dimensions": (gguf([_NAME], [tensor("t", []) + bytes(8)]), "0 dimensions"),
    "many dimensions": (gguf([_NAME], [tensor("t", [1] * 5)]), "5 dimensions"),
    "dimension of zero": (gguf([_NAME], [tensor("t", [4, 0])]), "cannot have the shape"),
    "dimensions beyond numbers": (gguf([_NAME], [tensor("t", [2**39, 2**39, 2**39])]), "would take"),
    "dimension beyond numbers": (gguf([_NAME], [tensor("t", [2**63])]), "cannot have the shape"),
    "row of no whole blocks": (gguf([_NAME], [tensor("t", [255], 12)]), "cannot have the shape"),
    "unknown type": (gguf([_NAME], [tensor("t", [4], 4711)]), "has type 4711"),
    "offset beyond the end": (gguf([_NAME], [tensor("t", [4], 0, 2**40)], data=64), "cut off"),
    "offset beyond numbers": (gguf([_NAME], [tensor("t", [4], 0, 2**63)], data=64), "would take"),
    "data cut off": (gguf([_NAME], [tensor("t", [4096])], data=64), "cut off"),
    "not aligned": (gguf([_NAME], [tensor("t", [4], 0, 7)], data=64), "not aligned"),
    "alignment of zero": (gguf([entry("general.alignment", _U32, bytes(4))]), "power of two"),
    "alignment of three": (gguf([entry("general.alignment", _U32, struct.pack("<I", 3))]), "power of two"),
    "alignment of a GiB": (gguf([entry("general.alignment", _U32, struct.pack("<I", 2**30))]), "power of two"),
    "alignment as a text": (gguf([entry("general.alignment", _TEXT, text("32"))]), "power of two"),
}


@pytest.mark.parametrize(("data", "words"), _HOSTILE.values(), ids=_HOSTILE)
def test_a_hostile_file_is_refused_by_its_own_message_and_the_byte(data: bytes, words: str) -> None:
    with _bounded(), pytest.raises(GgufInvalid, match=words) as caught:
        _parse(data)
    assert "model.gguf, byte " in str(caught.value.where)
    assert caught.value.hint


def test_the_smallest_right_file_is_read() -> None:
    found = _parse(gguf([_NAME], [tensor("t", [4, 2])], data=32))
    assert (found.architecture, found.tensors[0].bytes, found.version) == ("llama", 32, 3)


@pytest.mark.parametrize("fiftieth", range(50))
def test_a_file_cut_off_anywhere_is_refused(fiftieth: int) -> None:
    whole = _head()
    with _bounded(), pytest.raises(GgufInvalid, match=r"cut off|do not fit"):
        _parse(whole[: len(whole) * fiftieth // 50])


@pytest.mark.parametrize("tenth", [1, 5, 9])
def test_a_file_cut_off_within_its_vocabulary_is_refused(tenth: int) -> None:
    whole = _real()
    with pytest.raises(GgufInvalid, match=r"cut off|do not fit"):
        _parse(whole[: len(whole) * tenth // 10])


def test_a_file_of_which_only_weights_are_missing_names_the_tensor() -> None:
    with pytest.raises(GgufInvalid, match=r"cut off: the data of token_embd.weight ends at byte 184785600"):
        _parse(_real(), SIZE // 2)


def test_a_header_without_end_is_given_up() -> None:
    """A server may send for ever: nothing is kept of it, and 64 MiB are enough."""
    begin = gguf(counts=(0, 2**16))[:24] + entry("a", _ARRAY, struct.pack("<IQ", _TEXT, 2**22))

    def fetch(offset: int, length: int) -> bytes:
        piece = text("x" * 56)
        return (begin + piece * (length // len(piece) + 2))[offset if offset < len(begin) else len(begin) :][:length]

    with _bounded(), pytest.raises(GgufInvalid, match="longer than 64 MiB"):
        reader.parse(fetch, None, "model.gguf")


def test_a_header_of_texts_does_not_fill_the_memory() -> None:
    """Each text is within its bound; all of them together have one as well."""
    one = entry("a", _ARRAY, struct.pack("<IQ", _TEXT, 4096) + text("x" * 2**18) * 512)
    data = gguf([one], counts=(0, 1))
    with _bounded(), pytest.raises(GgufInvalid):
        _parse(data)


@settings(max_examples=int(os.environ.get("PVEKIT_FUZZ", "200")), deadline=None)
@given(st.data())
def test_a_mutated_header_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    whole = _head()
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(whole) - 8))
        kind = data.draw(st.sampled_from(("byte", "number", "cut", "huge")))
        if kind == "byte":
            changed[at : at + 1] = data.draw(st.binary(min_size=1, max_size=1))
        elif kind == "number":
            changed[at : at + 8] = struct.pack("<Q", data.draw(st.integers(0, 2**64 - 1)))
        elif kind == "huge":
            changed[at : at + 4] = data.draw(st.sampled_from((b"\xff" * 4, b"\0" * 4, b"\0\0\0\x80")))
        else:
            del changed[at:]
            changed += bytes(8)
    tracemalloc.start()
    try:
        try:
            found = _parse(bytes(changed), SIZE)
        except GgufInvalid as error:
            assert error.where  # noqa: PT017 - either is right
        else:
            of_file_or_refused(found)
        assert tracemalloc.get_traced_memory()[1] < _MEMORY
    finally:
        tracemalloc.stop()


def of_file_or_refused(found: GgufFile) -> None:
    """Count what a file demands, or be refused in our words."""
    try:
        demand = of_file(found)
    except GgufInvalid:
        return
    assert demand.held >= 0


@lru_cache(maxsize=1)
def _head() -> bytes:
    """Return the real header with a vocabulary of 100 words, so that mutations hit more than words."""
    from pvekit.inference.models.container import header
    from pvekit.inference.models.synth import _list

    file = reader.read(gemma())
    kept = {
        key: _list(value) if isinstance(value, tuple) else value
        for key, value in file.metadata.items() if not isinstance(value, Long) and key != "tokenizer.chat_template"
    }  # fmt: skip
    kept["tokenizer.ggml.tokens"] = [f"word{number}" for number in range(100)]
    return header(kept, [(one.name, one.shape, one.number, one.offset) for one in file.tensors])


def test_a_file_on_disk_is_refused_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(_real()[:1000])
    with pytest.raises(GgufInvalid) as caught:
        reader.read(path)
    assert str(path) in str(caught.value.where)
