"""The client's half of RFB: what servers say, well and badly."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pvekit.adapters import rfb
from pvekit.model.picture import Picture
from tests.adapters_pve import rfb_server as server

CASES = yaml.safe_load((Path(__file__).parent / "cases/rfb.yaml").read_text())
HELLO = server.VERSION + b"\1\1" + server.PASSED


def part(of: Any) -> bytes:
    """Return one part of a case as bytes."""
    if isinstance(of, str):
        return of.encode()
    ((kind, value),) = of.items()
    match kind:
        case "hex":
            return bytes.fromhex(value)
        case "zeros":
            return bytes(value)
        case "bells":
            return server.BELL * int(value)
        case "update":
            return server.update(*map(part, value))
        case "raw":
            width, height = value
            return server.raw(Picture(width, height, bytes(width * height * 3)), 0, 0, width, height)
        case "init" | "resize":
            return bytes(getattr(server, kind)(*value))
        case "reason" | "cut_text":
            return bytes(getattr(server, kind)(value.encode()))
        case "colours":
            return server.colours(value)
    raise AssertionError(f"no such part: {kind}")


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_server(case: dict[str, Any]) -> None:
    tape = server.Tape(b"".join(map(part, case["server"])))
    if "error" not in case:
        found = rfb.grab(tape.stream(), "secret")
        assert found.rgb == bytes(found.width * found.height * 3)
        return
    with pytest.raises(rfb.RfbError) as wrong:
        rfb.grab(tape.stream(), "secret")
    assert type(wrong.value).__name__ == case["error"]
    assert case.get("says", "") in str(wrong.value)
    assert b"secret" not in tape.said
    assert "secret" not in str(wrong.value)


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    width, height = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    return Picture(width, height, draw(st.binary(min_size=width * height * 3, max_size=width * height * 3)))


@st.composite
def speeches(draw: st.DrawFn) -> tuple[Picture, bytes]:
    """Return a picture and one of the many ways to send it: in rectangles, in any order, with chatter in between."""
    of = draw(pictures())
    rectangles = []
    top = 0
    while top < of.height:
        height = draw(st.integers(1, of.height - top))
        left = 0
        while left < of.width:
            width = draw(st.integers(1, of.width - left))
            rectangles.append(server.raw(of, left, top, width, height))
            left += width
        top += height
    rectangles = draw(st.permutations(rectangles))
    chatter = st.sampled_from([b"", server.BELL, server.cut_text(b"words"), server.colours(2)])
    first = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    resized = first != (of.width, of.height)
    said = HELLO + server.init(*(first if resized else (of.width, of.height))) + draw(chatter)
    if resized:
        said += server.update(server.resize(of.width, of.height)) + draw(chatter)
    cut = draw(st.integers(0, len(rectangles)))
    for some in (rectangles[:cut], rectangles[cut:]):
        said += server.update(*some) + draw(chatter)
    return of, said


@given(speeches(), st.lists(st.integers(1, 50), max_size=60))
def test_the_picture_comes_whole_however_it_is_sent(speech: tuple[Picture, bytes], sizes: list[int]) -> None:
    of, said = speech
    tape = server.Tape(said, sizes)
    assert rfb.grab(tape.stream(), "") == of
    told = bytes(tape.said)
    assert told.startswith(b"RFB 003.008\n\1\1")
    pixels, encodings, wish = told[14:34], told[34:46], told[46:56]
    assert pixels == bytes.fromhex("00000000 20 18 00 01 00ff 00ff 00ff 10 08 00 000000")
    assert encodings == struct.pack(">BxHii", 2, 2, 0, -223)
    assert wish[:6] == b"\3\0\0\0\0\0"
    assert len(told[46:]) % 10 == 0


@given(speeches(), st.data())
def test_a_server_that_stops_anywhere_is_an_error_and_nothing_else(
    speech: tuple[Picture, bytes], data: st.DataObject
) -> None:
    of, said = speech
    kept = data.draw(st.integers(0, len(said) - 1))
    with contextlib.suppress(rfb.RfbEnded):
        assert rfb.grab(server.Tape(said[:kept]).stream(), "") == of


@given(st.binary(max_size=300))
def test_nonsense_is_an_error_and_nothing_else(noise: bytes) -> None:
    for start in (b"", server.VERSION, HELLO, HELLO + server.init(2, 2)):
        try:
            rfb.grab(server.Tape(start + noise).stream(), "x")
        except rfb.RfbError:
            continue


KNOWN = [
    # DES with the key 0 (any table of test vectors), twice
    ("00" * 8, "00" * 16, "8ca64de9c1b123a7" * 2),
    # FIPS 81, table B1: key 0123456789abcdef, "Now is the time "
    ("80c4a2e691d5b3f7", "4e6f77206973207468652074696d6520", "3fa40e8a984d48156a271787ab8883f9"),
]


@pytest.mark.parametrize(("password", "challenge", "expected"), KNOWN)
def test_answers_to_challenges(password: str, challenge: str, expected: str) -> None:
    given_ = bytes.fromhex(password)
    assert rfb.answer(given_, bytes.fromhex(challenge)).hex() == expected
    assert rfb.answer(given_ + b"more", bytes.fromhex(challenge)).hex() == expected
