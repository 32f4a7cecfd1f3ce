"""Makes UDF images in the ways that genisoimage and pycdlib cannot; 7z is asked whether they are right.

Layout: recognition 16-18, main sequence 32, its copy 48, integrity 64, anchor 256, partition from 257 on.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

B = 2048
PARTITION = 257


@dataclass
class Udf:
    """How to make it. ``form``: short, long or inside; ``metadata``: UDF 2.50, its file in one or two
    ``pieces``; ``chunk``: bytes per extent; ``continued``: the extents stand in a block of their own; ``wide``: UTF-16.
    """

    files: Mapping[str, bytes]
    form: str = "short"
    extended: bool = False
    metadata: bool = False
    pieces: int = 2
    chunk: int = 1 << 29
    continued: bool = False
    wide: bool = False
    label: str = "UDF_LABEL"
    blocks: dict[int, bytes] = field(default_factory=dict)  # of the image
    meta: list[bytes] = field(default_factory=list)
    next_block: int = 0

    def make(self) -> bytes:
        root = self._meta_block()
        assert root == 0
        at = self._folder("", is_root=True)
        file_set = bytearray(512)
        struct.pack_into("<HHII", file_set, 28, 3, 3, 1, 1)
        file_set[240:264] = b"\0OSTA Compressed Unicode"
        file_set[112:240] = self._dstring(self.label, 128)
        file_set[304:336] = self._dstring(self.label, 32)
        file_set[400:416] = self._long(B, at)
        file_set[416:448] = (
            b"\0*OSTA UDF Compliant".ljust(24, b"\0") + (b"\x50\x02" if self.metadata else b"\x02\x01") + bytes(6)
        )
        self.meta[0] = tagged(256, 0, bytes(file_set[16:])).ljust(B, b"\0")
        self._place_meta()
        return self._assemble()

    # --- files and folders

    def _folder(self, path: str, *, is_root: bool = False, parent: int = 0) -> int:
        me = self._meta_block()
        names = sorted({each[len(path) :].split("/")[0] for each in self.files if each.startswith(path)})
        body = self._identifier("", 8 | 2, me if is_root else parent)
        for name in names:
            full = path + name
            if full in self.files:
                body += self._identifier(name, 0, self._file(self.files[full]))
            else:
                body += self._identifier(name, 2, self._folder(full + "/", parent=me))
        self._entry(me, 4, body, in_meta=True)
        return me

    def _file(self, data: bytes) -> int:
        me = self._meta_block()
        self._entry(me, 5, data, in_meta=False)
        return me

    def _identifier(self, name: str, flags: int, block: int) -> bytes:
        raw = (
            b"" if not name else (b"\x10" + name.encode("utf-16-be") if self.wide else b"\x08" + name.encode("latin-1"))
        )
        body = struct.pack("<HBB", 1, flags, len(raw)) + self._long(B, block) + struct.pack("<H", 0) + raw
        return tagged(257, block, body.ljust((len(body) + 3) // 4 * 4, b"\0"))

    def _entry(self, me: int, kind: int, data: bytes, *, in_meta: bool) -> None:
        form = {"short": 0, "long": 1, "inside": 3}[self.form]
        # In UDF 2.50 short addresses lie in the metadata partition, so files need long ones.
        if self.metadata and not in_meta and form == 0:
            form = 1
        if form == 3 and len(data) > 1500:
            form = 1
        table = data if form == 3 else b"".join(self._addresses(data, form, in_meta))
        if self.continued and form != 3 and not in_meta:
            more = self._meta_block()
            self.meta[more] = tagged(258, more, struct.pack("<II", 0, len(table)) + table).ljust(B, b"\0")
            table = struct.pack("<II", 3 << 30 | B, more) if form == 0 else self._long(3 << 30 | B, more)
        icb = struct.pack("<IHHHBBIHH", 0, 4, 0, 1, 0, kind, 0, 0, form)
        times = struct.pack("<HhBBBBBBBB", 0x1000, 2024, 1, 1, 0, 0, 0, 0, 0, 0)
        head = icb + struct.pack("<IIIHBBIQ", 0xFFFFFFFF, 0xFFFFFFFF, 0x14A5, 1, 0, 0, 0, len(data))
        if self.extended:
            head += struct.pack("<QQ", len(data), -(-len(data) // B)) + times * 4 + struct.pack("<II", 1, 0)
            head += bytes(16) * 2 + bytes(32) + struct.pack("<QII", me, 0, len(table))
        else:
            head += struct.pack("<Q", -(-len(data) // B)) + times * 3 + struct.pack("<I", 1)
            head += bytes(16) + bytes(32) + struct.pack("<QII", me, 0, len(table))
        self.meta[me] = tagged(266 if self.extended else 261, me, head + table).ljust(B, b"\0")
        assert len(self.meta[me]) == B

    def _addresses(self, data: bytes, form: int, in_meta: bool) -> list[bytes]:
        made = []
        for start in range(0, len(data), self.chunk):
            piece = data[start : start + self.chunk]
            if in_meta:
                first = len(self.meta)
                self.meta.extend(piece[at : at + B].ljust(B, b"\0") for at in range(0, len(piece), B))
                reference = 1 if self.metadata else 0
            else:
                first, reference = self._data(piece), 0
            made.append(
                struct.pack("<II", len(piece), first)
                if form == 0
                else struct.pack("<IIH6x", len(piece), first, reference)
            )
        return made

    def _long(self, length: int, block: int) -> bytes:
        return struct.pack("<IIH6x", length, block, 1 if self.metadata else 0)

    # --- places

    def _meta_block(self) -> int:
        self.meta.append(bytes(B))
        return len(self.meta) - 1

    def _data(self, data: bytes) -> int:
        """Files lie from block 5000 of the partition on, so that folders can grow before them."""
        first = 5000 + self.next_block
        count = -(-len(data) // B)
        for at in range(count):
            self.blocks[PARTITION + first + at] = data[at * B : at * B + B].ljust(B, b"\0")
        self.next_block += count + 1
        return first

    def _place_meta(self) -> None:
        if not self.metadata:
            for number, block in enumerate(self.meta):
                self.blocks[PARTITION + number] = block
            return
        # The metadata file in two pieces, the later one first; its entry in block 1, its mirror in block 2.
        half = (len(self.meta) + 1) // 2 if self.pieces == 2 else len(self.meta)
        first, second = 3000, 1000
        for number, block in enumerate(self.meta):
            self.blocks[PARTITION + (first + number if number < half else second + number - half)] = block
        table = struct.pack("<IIII", half * B, first, (len(self.meta) - half) * B, second)[: 8 * self.pieces]
        for place, kind in ((1, 250), (2, 251)):
            icb = struct.pack("<IHHHBBIHH", 0, 4, 0, 1, 0, kind, 0, 0, 0)
            times = struct.pack("<HhBBBBBBBB", 0x1000, 2024, 1, 1, 0, 0, 0, 0, 0, 0)
            size = len(self.meta) * B
            head = icb + struct.pack("<IIIHBBIQQQ", 0, 0, 0, 0, 0, 0, 0, size, size, len(self.meta)) + times * 4
            head += struct.pack("<II", 1, 0) + bytes(64) + struct.pack("<QII", 0, 0, len(table))
            self.blocks[PARTITION + place] = tagged(266, place, head + table).ljust(B, b"\0")

    # --- volume

    def _dstring(self, text: str, size: int) -> bytes:
        raw = b"\x08" + text.encode("latin-1")
        return raw.ljust(size - 1, b"\0") + bytes([len(raw)])

    def _sequence(self, start: int, blocks: int) -> None:
        charset = b"\0OSTA Compressed Unicode".ljust(64, b"\0")
        domain = b"\0*OSTA UDF Compliant".ljust(24, b"\0") + (b"\x50\x02" if self.metadata else b"\x02\x01") + bytes(6)
        primary = struct.pack("<II", 1, 0) + self._dstring(self.label, 32) + struct.pack("<HHHHII", 1, 1, 2, 2, 1, 1)
        primary += self._dstring("0123456789abcdef", 128) + charset * 2 + bytes(16 + 32 + 12 + 32 + 64 + 4 + 2)
        contents = (b"\0+NSR03" if self.metadata else b"\0+NSR02").ljust(32, b"\0")
        partition = (
            struct.pack("<IHH", 2, 1, 7) + contents + bytes(128) + struct.pack("<III", 1, PARTITION, blocks - PARTITION)
        )
        partition += bytes(32 + 128)
        maps = struct.pack("<BBHH", 1, 6, 1, 7)
        if self.metadata:
            maps += (
                struct.pack("<BBH", 2, 64, 0) + b"\0*UDF Metadata Partition".ljust(24, b"\0") + b"\x50\x02" + bytes(6)
            )
            maps += struct.pack("<HHIIIIHB5x", 1, 7, 1, 2, 0xFFFFFFFF, 32, 1, 0)
        logical = struct.pack("<I", 3) + charset + self._dstring(self.label, 128) + struct.pack("<I", B) + domain
        logical += self._long(B, 0) + struct.pack("<II", len(maps), 2 if self.metadata else 1) + bytes(32 + 128)
        logical += struct.pack("<II", B, 64) + maps
        for number, (kind, body) in enumerate(((1, primary), (5, partition), (6, logical), (8, bytes(496)))):
            self.blocks[start + number] = tagged(kind, start + number, body).ljust(B, b"\0")

    def _assemble(self) -> bytes:
        blocks = max(self.blocks) + 2
        marks = (b"BEA01", b"NSR03" if self.metadata else b"NSR02", b"TEA01")
        for number, mark in enumerate(marks):
            self.blocks[16 + number] = b"\0" + mark + b"\1" + bytes(B - 7)
        self._sequence(32, blocks)
        self._sequence(48, blocks)
        for anchor in (256, blocks - 1):
            self.blocks[anchor] = tagged(2, anchor, struct.pack("<IIII", 16 * B, 32, 16 * B, 48) + bytes(480)).ljust(
                B, b"\0"
            )
        return b"".join(self.blocks.get(number, bytes(B)) for number in range(blocks))


def tagged(kind: int, location: int, body: bytes) -> bytes:
    """Put a tag with its checksums before a descriptor's body."""
    tag = bytearray(struct.pack("<HHBBHHHI", kind, 2, 0, 0, 1, binascii.crc_hqx(body, 0), len(body), location))
    tag[4] = (sum(tag[:4]) + sum(tag[5:])) % 256
    return bytes(tag) + body
