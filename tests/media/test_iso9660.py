"""ISO 9660 where genisoimage does not go: files in several pieces, and folders that make no sense."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest

from pvekit.adapters.media import BytesSource, iso9660
from pvekit.adapters.media.source import Meter
from pvekit.adapters.media.tree import find, find_file
from pvekit.model.errors import ImageInvalid

S = 2048


def record(name: bytes, block: int, size: int, flags: int = 0) -> bytes:
    """Return a directory record (ECMA-119 9.1)."""
    body = struct.pack("<BI4xI4x7xBBBHHB", 0, block, size, flags, 0, 0, 1, 0, len(name)) + name
    body += b"\0" * (1 - len(name) % 2)
    return bytes([len(body) + 1]) + body


def image(records: Sequence[bytes], *, folder_size: int = 2 * S, blocks: int = 40) -> bytes:
    """Return an ISO whose top folder in blocks 20 and 21 has these records; block n from 30 is full of byte n."""
    descriptor = bytearray(S)
    descriptor[0:7] = b"\1CD001\1"
    descriptor[40:72] = b"LABEL".ljust(32)
    struct.pack_into("<I", descriptor, 80, blocks)
    struct.pack_into("<H", descriptor, 128, S)
    root = record(b"\0", 20, folder_size, 2)
    descriptor[156 : 156 + len(root)] = root
    made = {16: bytes(descriptor), 17: b"\xffCD001\1".ljust(S, b"\0")}
    for number in (20, 21):  # no record crosses a sector
        made[number] = b"".join(records[(number - 20) * 50 : (number - 19) * 50]).ljust(S, b"\0")
    made |= {number: bytes([number]) * S for number in range(30, 40)}
    return b"".join(made.get(number, bytes(S)) for number in range(40))


def volume(data: bytes) -> iso9660.IsoVolume:
    (found,) = iso9660.read_volumes(Meter(BytesSource(data), bytes_limit=8 << 20))
    return found


def test_a_file_in_several_pieces() -> None:
    made = volume(image([record(b"A.WIM;1", 30, S, 128), record(b"A.WIM;1", 33, S, 128), record(b"A.WIM;1", 31, 7)]))
    source = find_file(made, "a.wim")
    assert source is not None
    assert source.read_at(0, 1 << 20) == b"\x1e" * S + b"\x21" * S + b"\x1f" * 7
    assert source.read_at(S - 1, 3) == b"\x1e\x21\x21"
    assert len(made.root()) == 1


def test_names_without_an_ending() -> None:
    made = volume(image([record(b"README.;1", 30, 5), record(b"SUB", 20, S, 2)]))
    assert [each.name for each in made.root()] == ["README", "SUB"]
    assert find(made, "sub/sub/sub/readme") is not None, "a folder that holds itself is followed as far as asked"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (image([record(b"A;1", 30, S, 128)] * 65), "more than 64 pieces"),
        (image([record(b"A;1", 39, S + 1)]), "cut off: a file reaches to byte 81921"),
        (image([b"\x21" * 40]), "make no sense"),
        (image([b"\x30" + bytes(31) + b"\xff" + bytes(20)]), "make no sense"),
        (image([], folder_size=5 << 20, blocks=40), "cut off"),
        (image([], folder_size=0xFFFFFFFF), "cut off"),
        (image([], blocks=41), "cut off: 81920 of 83968 bytes"),
    ],
)
def test_refuses(data: bytes, expected: str) -> None:
    with pytest.raises(ImageInvalid, match=expected):
        find_file(volume(data), "A")


def test_a_large_folder_is_not_read() -> None:
    class Endless:
        size = 1 << 40

        def read_at(self, offset: int, length: int) -> bytes:
            assert length <= S
            return image([], folder_size=5 << 20)[offset : offset + length].ljust(length, b"\0")

    (made,) = iso9660.read_volumes(Endless())
    with pytest.raises(ImageInvalid, match="a folder of 5242880 bytes"):
        made.root()


def test_the_meter_ends_what_would_go_on() -> None:
    meter = Meter(BytesSource(bytes(1 << 20)), bytes_limit=1 << 30, reads_limit=3)
    for _number in range(3):
        meter.read_at(0, 1)
    with pytest.raises(ImageInvalid, match="larger than those of any real image"):
        meter.read_at(0, 1)
    with pytest.raises(ImageInvalid, match="points to byte"):
        Meter(BytesSource(b"x"), bytes_limit=9).read_at(1, 1)
    with pytest.raises(ImageInvalid, match="larger than"):
        Meter(BytesSource(b"x" * 20), bytes_limit=9).read_at(0, 10)
