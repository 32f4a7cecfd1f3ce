"""Disk images on this machine: what a file is, what it hashes to, and what it is called on the server.

An image's name carries the first 12 digits of its digest (``debian-13-0123456789ab.qcow2``), so the same name always
means the same bytes: a refresh is one look at the storage's list, and an image that moved upstream has another name.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pvekit.model.errors import ImageInvalid

_CHUNK = 1 << 20
_DIGEST_LENGTHS = {64: "sha256", 128: "sha512"}

# What PVE takes as an import file (pve-storage, PVE/Storage.pm: IMPORT_EXT_RE_1 and SAFE_CHAR_CLASS_RE).
_IMPORT_NAME = re.compile(r"[a-zA-Z0-9\-.+=_]+\.(ova|qcow2|raw|vmdk)")

_COMPRESSED = {
    b"\xfd7zXZ\x00": ("xz", "xz -dk"),
    b"\x1f\x8b": ("gzip", "gzip -dk"),
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd -d"),
    b"BZh": ("bzip2", "bzip2 -dk"),
    b"PK\x03\x04": ("zip", "unzip"),
}


@dataclass(frozen=True, slots=True)
class Checksum:
    """A digest in hexadecimal and its algorithm as PVE names it (``sha256`` or ``sha512``)."""

    algorithm: str
    hexdigest: str

    def __str__(self) -> str:
        """Return ``algorithm:digest``, the form that stack and lock files use."""
        return f"{self.algorithm}:{self.hexdigest}"


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What an image file is: ``format`` is qcow2, raw or vmdk; sizes in bytes; ``virtual_size`` None if not known."""

    format: str
    file_size: int
    virtual_size: int | None


def parse_checksum(text: str) -> Checksum:
    """Read ``sha256:...``, ``sha512:...`` or a bare digest. Raises ValueError when it is neither."""
    algorithm, _, digest = text.strip().lower().rpartition(":")
    known = _DIGEST_LENGTHS.get(len(digest))
    if known is None or not re.fullmatch(r"[0-9a-f]+", digest) or algorithm not in ("", known):
        raise ValueError(f"not a SHA-256 or SHA-512 checksum: {text[:80]!r}")
    return Checksum(known, digest)


def content_name(name: str, checksum: Checksum, extension: str = "qcow2") -> str:
    """Return the file name on the server, ``name-<first 12 digits>.extension``, within PVE's rules for import files.

    Raises ImageInvalid for an extension that PVE does not import; ``iso`` is for CDs.
    """
    base = re.sub(r"[^a-zA-Z0-9\-.+=_]+", "-", name).strip("-.") or "image"
    made = f"{base}-{checksum.hexdigest[:12]}.{extension}"
    if extension != "iso" and not _IMPORT_NAME.fullmatch(made):
        raise ImageInvalid(
            f"PVE does not import .{extension} files", where=name, hint="Give a qcow2, raw or vmdk image."
        )
    return made


def hash_file(path: Path, algorithm: str = "sha256", *, progress: Callable[[int], None] | None = None) -> Checksum:
    """Hash a file piece by piece; ``progress`` gets the bytes done so far. Raises ImageInvalid."""
    digest = hashlib.new(algorithm)
    done = 0
    try:
        with path.open("rb") as source:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(done)
    except OSError as error:
        raise _unreadable(path, error) from error
    return Checksum(algorithm, digest.hexdigest())


def verify_file(path: Path, expected: Checksum) -> None:
    """Raise ImageInvalid unless the file has the expected checksum."""
    actual = hash_file(path, expected.algorithm)
    if actual != expected:
        raise ImageInvalid(
            f"{expected.algorithm} does not match\n  expected: {expected.hexdigest}\n  found:    {actual.hexdigest}",
            where=str(path),
            hint="The file is damaged or another version: fetch it again, or write the new checksum into the stack.",
        )


def inspect(path: Path) -> ImageInfo:
    """Find out what an image file is, from its content.

    Raises ImageInvalid for what PVE cannot import as a disk (compressed files, web pages, ISO images), and for a qcow2
    that points to other files: the server would open whatever path is written there.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as source:
            head = source.read(_CHUNK)
    except OSError as error:
        raise _unreadable(path, error) from error
    for magic, (kind, command) in _COMPRESSED.items():
        if head.startswith(magic):
            raise ImageInvalid(
                f"compressed with {kind}; PVE imports only plain images",
                where=str(path),
                hint=f"Unpack it first: {command} {path.name}",
            )
    if head.startswith(b"QFI\xfb"):
        return _qcow2(path, head, size)
    if head.startswith(b"KDMV"):
        return ImageInfo("vmdk", size, int(struct.unpack_from("<Q", head, 12)[0]) * 512)
    if head[0x8001:0x8006] == b"CD001" and head[510:512] != b"\x55\xaa":
        raise ImageInvalid("an ISO image, not a disk", where=str(path), hint="Attach it as a CD instead.")
    if head.lstrip()[:9].lower() in (b"<!doctype", b"<html>") or head.lstrip()[:5].lower() == b"<html":
        raise ImageInvalid("a web page, not an image", where=str(path), hint="Check the address it was fetched from.")
    if head[510:512] == b"\x55\xaa" or head[512:520] == b"EFI PART":
        return ImageInfo("raw", size, size)
    raise ImageInvalid(
        "not a disk image that is known here (qcow2, vmdk, raw with a partition table)",
        where=str(path),
        hint=f"Convert it: qemu-img convert -O qcow2 {path.name} {path.stem}.qcow2",
    )


def _qcow2(path: Path, head: bytes, size: int) -> ImageInfo:
    """Read a qcow2 header (QEMU, docs/interop/qcow2.txt) and refuse references to other files."""
    if len(head) < 104:
        raise ImageInvalid("a cut-off qcow2", where=str(path), hint="Fetch it again.")
    version, backing = struct.unpack_from(">IQ", head, 4)
    virtual = int(struct.unpack_from(">Q", head, 24)[0])
    features = int(struct.unpack_from(">Q", head, 72)[0]) if version >= 3 else 0
    if backing or features & 4:
        raise ImageInvalid(
            "a qcow2 that needs another file (backing file or external data file)",
            where=str(path),
            hint=f"Make it stand alone: qemu-img convert -O qcow2 {path.name} {path.stem}-full.qcow2",
        )
    return ImageInfo("qcow2", size, virtual)


def _unreadable(path: Path, error: OSError) -> ImageInvalid:
    """Return the error for a file that cannot be read."""
    return ImageInvalid(
        f"cannot be read: {error.strerror or error}", where=str(path), hint="Check the path in the stack file."
    )
