from __future__ import annotations

import hashlib
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.adapters.images import Checksum, content_name, hash_file, inspect, parse_checksum, verify_file
from pvekit.model.errors import ImageInvalid

QCOW2 = b"QFI\xfb" + struct.pack(">IQI", 3, 0, 0) + struct.pack(">IQ", 16, 1 << 30) + b"\0" * 72
MBR = b"\0" * 510 + b"\x55\xaa" + b"\0" * 512
GPT = b"\0" * 512 + b"EFI PART" + b"\0" * 504

GOOD = {
    "qcow2": (QCOW2, "qcow2", 1 << 30),
    "an old qcow2": (b"QFI\xfb" + struct.pack(">I", 2) + QCOW2[8:], "qcow2", 1 << 30),
    "raw with MBR": (MBR, "raw", 1024),
    "raw with GPT": (GPT, "raw", 1024),
    "vmdk": (b"KDMV" + struct.pack("<IIQ", 1, 3, 2048) + b"\0" * 512, "vmdk", 1 << 20),
}
BAD = {
    "xz": (b"\xfd7zXZ\x00rest", "compressed with xz"),
    "gzip": (b"\x1f\x8brest", "compressed with gzip"),
    "zstd": (b"\x28\xb5\x2f\xfdrest", "compressed with zstd"),
    "zip": (b"PK\x03\x04rest", "compressed with zip"),
    "web page": (b"\n<!DOCTYPE html><html>", "web page"),
    "iso": (b"\0" * 0x8001 + b"CD001", "ISO image"),
    "nothing": (b"", "not a disk image"),
    "text": (b"hello", "not a disk image"),
    "cut off": (QCOW2[:50], "cut-off"),
    "backing file": (QCOW2[:8] + struct.pack(">Q", 4096) + QCOW2[16:], "needs another file"),
    "data file": (QCOW2[:72] + struct.pack(">Q", 4) + QCOW2[80:], "needs another file"),
}


@pytest.mark.parametrize("name", GOOD)
def test_known_formats(tmp_path: Path, name: str) -> None:
    content, kind, virtual = GOOD[name]
    (tmp_path / "disk").write_bytes(content)
    info = inspect(tmp_path / "disk")
    assert (info.format, info.file_size, info.virtual_size) == (kind, len(content), virtual)


@pytest.mark.parametrize("name", BAD)
def test_refused(tmp_path: Path, name: str) -> None:
    content, message = BAD[name]
    (tmp_path / "disk").write_bytes(content)
    with pytest.raises(ImageInvalid, match=message) as caught:
        inspect(tmp_path / "disk")
    assert caught.value.hint
    assert str(tmp_path) in str(caught.value)


def test_real_qcow2(tmp_path: Path) -> None:
    if shutil.which("qemu-img") is None:
        pytest.skip("qemu-img is not installed")

    def run(*argv: str) -> None:
        subprocess.run(["qemu-img", *argv], cwd=tmp_path, check=True, capture_output=True)

    run("create", "-f", "qcow2", "base.qcow2", "64M")
    assert inspect(tmp_path / "base.qcow2").virtual_size == 64 << 20
    run("create", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "child.qcow2")
    with pytest.raises(ImageInvalid, match="needs another file"):
        inspect(tmp_path / "child.qcow2")


def test_absent_file(tmp_path: Path) -> None:
    for call in (inspect, hash_file):
        with pytest.raises(ImageInvalid, match="cannot be read"):
            call(tmp_path / "none")


def test_hash(tmp_path: Path) -> None:
    content = b"x" * 3_000_000
    (tmp_path / "disk").write_bytes(content)
    done: list[int] = []
    made = hash_file(tmp_path / "disk", progress=done.append)
    assert made == Checksum("sha256", hashlib.sha256(content).hexdigest())
    assert done[-1] == len(content)
    verify_file(tmp_path / "disk", Checksum("sha512", hashlib.sha512(content).hexdigest()))
    with pytest.raises(ImageInvalid, match="does not match"):
        verify_file(tmp_path / "disk", Checksum("sha256", "0" * 64))


@pytest.mark.parametrize("text", ["", "abc", "sha256:abc", "md5:" + "a" * 64, "sha512:" + "a" * 64, "g" * 64])
def test_not_a_checksum(text: str) -> None:
    with pytest.raises(ValueError, match="checksum"):
        parse_checksum(text)


checksums = st.one_of(
    st.binary(min_size=32, max_size=32).map(lambda data: Checksum("sha256", data.hex())),
    st.binary(min_size=64, max_size=64).map(lambda data: Checksum("sha512", data.hex())),
)


@settings(deadline=None)
@given(checksums)
def test_checksum_round_trip(checksum: Checksum) -> None:
    assert parse_checksum(str(checksum)) == checksum
    assert parse_checksum(checksum.hexdigest.upper()) == checksum


@settings(deadline=None)
@given(st.text(max_size=40), checksums)
def test_every_name_is_one_pve_takes(name: str, checksum: Checksum) -> None:
    made = content_name(name, checksum)
    assert re.fullmatch(r"[a-zA-Z0-9\-.+=_]+\.qcow2", made)
    assert made.endswith(f"-{checksum.hexdigest[:12]}.qcow2")


def test_name_and_extension() -> None:
    checksum = Checksum("sha256", "0123456789abcdef" * 4)
    assert content_name("debian-13", checksum) == "debian-13-0123456789ab.qcow2"
    with pytest.raises(ImageInvalid, match=r"does not import \.img"):
        content_name("ubuntu", checksum, "img")
