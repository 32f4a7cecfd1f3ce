"""Broken and hostile media end in a clear error, within bounds."""

from __future__ import annotations

import random
import struct
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pvekit.adapters.media import BytesSource, drivers, read_media
from pvekit.adapters.media.wim import parse
from pvekit.model.errors import ImageInvalid
from tests.media import make
from tests.media.udfmaker import Udf


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Valid media of several layouts, small enough to be mutated in memory."""
    found = {}
    for name, options in (("bridge", ()), ("joliet", ("-J",)), ("plain", ("-iso-level", "2"))):
        place = tmp_path_factory.mktemp(name)
        found[name] = make.windows_iso(place, make.CONSUMER, *options).read_bytes()
        wim = (place / "install.wim").read_bytes()
    files = {"sources/install.wim": wim, "sources/boot.wim": wim, "sources/lang.ini": make.LANG_INI}
    found["1.02"] = Udf(files, chunk=2048, continued=True).make()
    found["2.50"] = Udf(files, metadata=True, extended=True).make()
    return found


def refused(image: bytes) -> ImageInvalid:
    with pytest.raises(ImageInvalid) as caught:
        read_media(BytesSource(image), where="x.iso")
    assert caught.value.where == "x.iso"
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("name", ["bridge", "joliet", "plain", "1.02", "2.50"])
def test_cut_off_anywhere(images: dict[str, bytes], name: str) -> None:
    whole = images[name]
    for length in [0, 1, 2048, 32768, 34816, 40960, *range(50_000, len(whole) - 400_000, 97_003)]:
        refused(whole[:length])
    assert "cut off" in str(refused(images["bridge"][:600_000]))


def test_what_is_no_iso() -> None:
    for content in (b"", b"MZ" * 100_000, bytes(1 << 20), b"\x53\xef" * 60_000):
        assert "not an ISO image" in str(refused(content))


def test_no_windows_on_it(tmp_path: Path) -> None:
    root = make.folder(tmp_path / "tree", {"casper/vmlinuz": b"x", "sources/readme": b"x"})
    error = refused(make.iso(root, tmp_path / "x.iso").read_bytes())
    assert str(error) == "x.iso: there is no sources/install.wim or install.esd on it"


def test_a_split_wim(tmp_path: Path) -> None:
    wim = make.wim(tmp_path / "install.wim", make.CONSUMER)
    more = make.folder(tmp_path / "more", {str(n): random.Random(n).randbytes(900_000) for n in range(3)})
    make.call("wimlib-imagex", "append", more, wim, "More")
    make.call("wimlib-imagex", "split", wim, tmp_path / "install.swm", "1")
    parts = sorted(tmp_path.glob("install*.swm"))
    assert len(parts) > 1
    root = make.folder(tmp_path / "swm", {f"sources/{each.name}": each for each in parts})
    assert "split (install.swm)" in str(refused(make.iso(root, tmp_path / "swm.iso").read_bytes()))
    root = make.folder(tmp_path / "renamed", {"sources/install.wim": parts[0]})
    assert "part 1 of a split WIM" in str(refused(make.iso(root, tmp_path / "renamed.iso").read_bytes()))


WIMS: dict[str, tuple[Callable[[bytearray], None], str]] = {
    "no WIM": (lambda wim: wim.__setitem__(slice(0, 5), b"PK\3\4\0"), "not a WIM or ESD"),
    "list far away": (lambda wim: struct.pack_into("<Q", wim, 80, 1 << 60), "cut off"),
    "list too large": (lambda wim: struct.pack_into("<Q", wim, 72, (1 << 56) - 1), "cut off"),
    "list compressed": (lambda wim: wim.__setitem__(79, 6), "makes no sense"),
    "list empty": (lambda wim: struct.pack_into("<Q", wim, 72, 0), "makes no sense"),
    "data behind the end": (lambda wim: struct.pack_into("<Q", wim, 56, 1 << 40), "cut off"),
    "list is not XML": (lambda wim: wim.__setitem__(slice(-9, -1), b"\0" * 8), "cannot be read"),
}


@pytest.mark.parametrize("case", WIMS)
def test_a_broken_wim(case: str, tmp_path: Path) -> None:
    change, expected = WIMS[case]
    content = bytearray(make.wim(tmp_path / "install.wim", make.CONSUMER[:1]).read_bytes())
    change(content)
    image = Udf({"sources/install.wim": bytes(content)}).make()
    assert expected in str(refused(image))
    assert "sources/install.wim" in str(refused(image))


XML: dict[str, tuple[str, str]] = {
    "entities": ('<!DOCTYPE a [<!ENTITY b "c">]><WIM/>', "document type"),
    "other document": ("<WIN/>", "makes no sense"),
    "index twice": ('<WIM><IMAGE INDEX="1"/><IMAGE INDEX="1"/></WIM>', "twice"),
    "index missing": ("<WIM><IMAGE/></WIM>", "where a number belongs"),
    "index is no number": ('<WIM><IMAGE INDEX="²"/></WIM>', "where a number belongs"),
    "huge number": (f'<WIM><IMAGE INDEX="{"9" * 5000}"/></WIM>', "where a number belongs"),
    "too many": ("<WIM>" + "".join(f'<IMAGE INDEX="{each}"/>' for each in range(300)) + "</WIM>", "makes no sense"),
    "deep": ("<a>" * 100_000 + "</a>" * 100_000, "makes no sense"),
    "open end": ("<WIM>", "cannot be read"),
}


@pytest.mark.parametrize("case", XML)
def test_a_hostile_list_of_images(case: str) -> None:
    document, expected = XML[case]
    with pytest.raises(ImageInvalid, match=expected):
        parse(document.encode("utf-16"))


def test_a_list_in_no_encoding() -> None:
    with pytest.raises(ImageInvalid, match="cannot be read"):
        parse(b"\xff\xfe<")


def _mutations(seed: int, image: bytes) -> Iterator[bytes]:
    """Give damaged copies: single bytes, whole fields, swapped and zeroed blocks, cuts; most in the first MiB."""
    dice = random.Random(seed)
    for _number in range(12):
        copy = bytearray(image)
        for _change in range(dice.choice((1, 1, 3, 20))):
            places = (16, 17, 18, 19, 20, *range(32, 36), *range(256, 300), dice.randrange(len(copy) // 2048))
            block = min(dice.choice(places), len(copy) // 2048 - 1)
            at = min(block * 2048 + dice.randrange(512), len(copy) - 8)
            kind = dice.randrange(5)
            if kind == 0:
                copy[at] ^= 1 << dice.randrange(8)
            elif kind == 1:
                copy[at : at + 4] = dice.choice((bytes(4), b"\xff" * 4, b"\xff\xff\xff\x7f", dice.randbytes(4)))
            elif kind == 2:
                copy[block * 2048 : block * 2048 + 2048] = bytes(2048)
            elif kind == 3:
                other = dice.randrange(len(copy) // 2048)
                copy[block * 2048 : block * 2048 + 2048] = copy[other * 2048 : other * 2048 + 2048]
            else:
                _reseal(copy, block, dice)
        yield bytes(copy[: len(copy) if dice.random() < 0.9 else dice.randrange(len(copy))])


def _reseal(copy: bytearray, block: int, dice: random.Random) -> None:
    """Change a UDF descriptor and make its checksums right again, so that the change is looked at."""
    from binascii import crc_hqx

    start = block * 2048
    data = copy[start : start + 2048]
    (length,) = struct.unpack_from("<H", data, 10)
    if not 8 <= length <= 2032:
        return
    at = 16 + dice.randrange(length - 4)
    data[at : at + 4] = dice.choice((bytes(4), b"\xff" * 4, struct.pack("<I", dice.randrange(400)), dice.randbytes(4)))
    struct.pack_into("<H", data, 8, crc_hqx(bytes(data[16 : 16 + length]), 0))
    data[4] = (sum(data[:4]) + sum(data[5:16])) % 256
    copy[start : start + 2048] = data


@pytest.mark.parametrize("name", ["bridge", "joliet", "plain", "1.02", "2.50"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 32))
def test_mutations_end_in_a_result_or_an_error(images: dict[str, bytes], name: str, seed: int) -> None:
    for mutation in _mutations(seed, images[name]):
        begin = time.monotonic()
        for reader in (read_media, lambda source: drivers(source, 11)):
            with suppress(ImageInvalid):
                reader(BytesSource(mutation))
        assert time.monotonic() - begin < 5


def test_a_folder_that_is_its_own_child_and_a_chain_without_end(images: dict[str, bytes]) -> None:
    """A continuation of extents that points to itself ends; so does a folder of 4 GiB of zeros that nobody wrote."""
    image = bytearray(images["1.02"])
    tracemalloc.start()
    for block in range(257, len(image) // 2048):
        if image[block * 2048 : block * 2048 + 2] == struct.pack("<H", 258):
            chain = struct.pack("<IIII", 2048, 5000, 3 << 30 | 2048, block - 257)
            copy = bytearray(image)
            body = struct.pack("<II", 0, len(chain)) + chain
            _seal(copy, block, 258, body)
            refused(bytes(copy))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


def _seal(image: bytearray, block: int, kind: int, body: bytes) -> None:
    from tests.media.udfmaker import tagged

    data = tagged(kind, block - 257, body)
    image[block * 2048 : block * 2048 + len(data)] = data
