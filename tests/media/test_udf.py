"""UDF in all its forms: what we read equals what went in, and 7z agrees wherever it knows the form."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from pvekit.adapters.media import udf
from pvekit.adapters.media.source import BytesSource, Meter
from pvekit.adapters.media.tree import find, find_file
from pvekit.model.errors import ImageInvalid
from tests.media.make import call, need
from tests.media.udfmaker import Udf, tagged

FILES = {"a.txt": b"hello", "dir/b.bin": bytes(range(256)) * 40, "dir/deeper/c": b"", "dir/ünicode": b"x" * 1400}

FORMS: dict[str, tuple[dict[str, Any], bool]] = {  # options, and whether 7z knows the form
    "short addresses": ({}, True),
    "long addresses": ({"form": "long"}, True),
    "in the entry itself": ({"form": "inside"}, True),
    "extended entries": ({"extended": True}, True),
    "extended, in the entry, UTF-16 names": ({"extended": True, "form": "inside", "wide": True}, True),
    "many extents": ({"chunk": 2048}, True),
    "extents in a block of their own": ({"chunk": 2048, "continued": True}, False),
    "long ones in a block of their own": ({"chunk": 2048, "continued": True, "form": "long"}, False),
    "2.50": ({"metadata": True, "pieces": 1}, True),
    "2.50, extended entries, many extents": ({"metadata": True, "pieces": 1, "extended": True, "chunk": 2048}, True),
    "2.50, metadata in two pieces": ({"metadata": True}, False),
    "2.50, everything": ({"metadata": True, "extended": True, "chunk": 2048, "continued": True}, False),
}


@pytest.mark.parametrize("form", FORMS)
def test_reads_what_went_in(form: str, tmp_path: Path) -> None:
    options, known_to_7z = FORMS[form]
    image = Udf(FILES, **options).make()
    volume = udf.read_volume(Meter(BytesSource(image), bytes_limit=1 << 20))
    assert volume is not None
    assert volume.label == "UDF_LABEL"
    for name, content in FILES.items():
        source = find_file(volume, name.upper())
        assert source is not None
        assert source.read_at(0, source.size) == content
        assert source.read_at(3, 4) == content[3:7]
    assert {each.name for each in volume.root()} == {"a.txt", "dir"}
    assert find(volume, "a.txt/x") is None
    assert find(volume, "dir/none") is None
    if known_to_7z:
        need("7z")
        (tmp_path / "image.iso").write_bytes(image)
        call("7z", "x", "-tudf", "-oout", "image.iso", cwd=tmp_path)
        assert {name: (tmp_path / "out" / name).read_bytes() for name in FILES} == FILES


def test_the_copies_are_used() -> None:
    image = bytearray(Udf(FILES).make())
    image[256 * 2048 : 257 * 2048] = bytes(2048)
    image[34 * 2048 : 35 * 2048] = bytes(2048)
    volume = udf.read_volume(BytesSource(bytes(image)))
    assert volume is not None
    assert find(volume, "dir/b.bin") is not None


def test_no_udf_is_no_error() -> None:
    assert udf.read_volume(BytesSource(bytes(100_000))) is None
    assert udf.read_volume(BytesSource(b"")) is None


# Block, offset, form and value of a change (checksums made right again), and what is said about it.
CHANGES: dict[str, tuple[dict[str, Any], list[tuple[int, int, str, int]], str]] = {
    "no partition": ({}, [(33, 0, "<H", 7), (49, 0, "<H", 7)], "volume descriptors are broken"),
    "blocks of a disk": ({}, [(34, 212, "<I", 512)], "blocks have 512 bytes"),
    "other partition": ({}, [(34, 444, "<H", 9)], "partition 9 is missing"),
    "rewritable disc": ({"metadata": True}, [(34, 452, "<B", ord("+"))], "rewritable discs"),
    "file set elsewhere": ({}, [(34, 252, "<I", 9)], "descriptor in block 9 is broken"),
    "file set outside": ({}, [(34, 252, "<I", 1 << 31)], "outside its UDF partition"),
    "metadata outside": ({"metadata": True}, [(34, 252, "<I", 5000)], "outside its UDF metadata"),
    "write-once disc": ({}, [(258, 20, "<H", 4096)], "strategy 4096"),
    "entry too long": ({}, [(258, 172, "<I", 4000)], "longer than its block"),
    "addresses of a strange kind": ({}, [(258, 34, "<H", 2)], "allocation descriptors of kind 2"),
    "entry with too little in it": ({"form": "inside"}, [(258, 56, "<Q", 1900)], "holds less than it says"),
    "folder of 5 MiB": ({}, [(258, 56, "<Q", 5 << 20)], "has fewer bytes in the image"),
    "folder of nothing": ({}, [(258, 56, "<Q", 5 << 20), (258, 176, "<I", 1 << 30 | 5 << 20)], "a folder of 5242880"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_refuses(case: str) -> None:
    options, changes, expected = CHANGES[case]
    image = bytearray(Udf(FILES, **options).make())
    for block, offset, form, value in changes:
        struct.pack_into(form, image, block * 2048 + offset, value)
        body = image[block * 2048 + 16 : (block + 1) * 2048]
        (kind, length, place) = struct.unpack_from("<H8xHI", image, block * 2048)
        image[block * 2048 : block * 2048 + 16 + length] = tagged(kind, place, bytes(body[:length]))
    with pytest.raises(ImageInvalid, match=expected):
        find((udf.read_volume(Meter(BytesSource(bytes(image)), bytes_limit=1 << 24)) or pytest.fail("no UDF")), "dir/x")


def test_stretches_that_nobody_wrote_are_zeros() -> None:
    image = bytearray(Udf({"a": b"x" * 5000}).make())
    (block,) = (at for at in range(257, 300) if image[at * 2048 + 56 : at * 2048 + 64] == struct.pack("<Q", 5000))
    start = block * 2048
    struct.pack_into("<I", image, start + 176, 1 << 30 | 5000)
    image[start : start + 184] = tagged(261, block - 257, bytes(image[start + 16 : start + 184]))
    volume = udf.read_volume(BytesSource(bytes(image)))
    assert volume is not None
    source = find_file(volume, "a")
    assert source is not None
    assert source.read_at(10, 9999) == bytes(4990)
