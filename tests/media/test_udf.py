"""UDF in all its forms: what we read equals what went in, and 7z agrees wherever it knows the form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pvekit.adapters.media import udf
from pvekit.adapters.media.source import BytesSource, Meter
from pvekit.adapters.media.tree import find, find_file
from tests.media.make import call, need
from tests.media.udfmaker import Udf

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
