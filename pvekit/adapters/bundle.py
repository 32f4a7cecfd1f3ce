"""Reading and writing bundles: a folder, an archive or one text file. What somebody sends is not trusted.

Nothing is unpacked to the disk: names are only names, and the sizes in headers are not believed.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Protocol, cast

from pvekit.adapters.files import write_atomic
from pvekit.model.bundle import Bundle
from pvekit.model.errors import BundleInvalid

MOST_FILES = 4000
LARGEST_FILE = 16 * 1024 * 1024
LARGEST_TOTAL = 128 * 1024 * 1024
LEFT_OUT = "left_out.txt"
"""The file of a bundle that says what could not be read: ``NAME: why``."""

_AROUND = 16 * 1024 * 1024
"""What the headers and the padding of a tar archive may take besides its files."""
_LONGEST_NAME = 1000
_LZMA_MEMORY = 256 * 1024 * 1024
_CHUNK = 64 * 1024
_ARCHIVES = {
    b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"PK\x03\x04": "zip", b"PK\x05\x06": "zip", b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd", b"7z\xbc\xaf\x27\x1c": "7-Zip", b"Rar!\x1a\x07": "RAR",
}  # fmt: skip
_TAR_MAGIC = (257, b"ustar")


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def read_bundle(path: Path) -> Bundle:
    """Return the text files in a folder, a .tar, .tar.gz, .tar.xz or .zip archive, or one text file alone.

    What is no text, too large or an archive by itself is left out, with the reason. Raises BundleInvalid for what
    cannot be read, and for what nobody packs by accident: paths that lead out, links, devices, far too much data.
    """
    try:
        if path.is_dir():
            return _told(_Collected(path).folder(path))
        # Without O_NONBLOCK a named pipe would make the program wait.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise BundleInvalid("neither a folder nor a file", where=str(path))
            return _told(_file(path, file))
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise BundleInvalid(
            f"the archive is damaged or not an archive: {error}",
            where=str(path),
            hint="Pack the files again as .tar.gz or .zip, or give the folder itself.",
        ) from error
    except OSError as error:
        raise BundleInvalid(f"cannot read: {error.strerror or error}", where=str(path)) from error


def _told(bundle: Bundle) -> Bundle:
    """Return the bundle with what its collector says it left out, and why, known as such."""
    if LEFT_OUT not in bundle.files:
        return bundle
    files = {name: text for name, text in bundle.files.items() if name != LEFT_OUT}
    rows = (line.partition(": ") for line in bundle.files[LEFT_OUT].splitlines())
    return Bundle(bundle.name, files, {name: why for name, sign, why in rows if sign} | dict(bundle.left_out))


def write_bundle(path: Path, files: Mapping[str, str]) -> None:
    """Write the files as a .tar.gz that only its owner can read; the same files give the same bytes.

    Raises BundleInvalid when it cannot be written, or when a name could not be read back.
    """
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as squeezed,
        tarfile.open(mode="w", fileobj=squeezed, format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in sorted(files):
            if _safe_name(name, str(path)) != name:
                raise BundleInvalid(f"not a name for a file in a bundle: {name!r}", where=str(path))
            content = files[name].encode("utf-8", "replace")
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    write_atomic(path, packed.getvalue(), mode=0o600)


def _file(path: Path, file: IO[bytes]) -> Bundle:
    start = file.read(512)
    file.seek(0)
    kind = _archive_kind(start) or ("tar" if path.suffix == ".tar" else "")
    found = _Collected(path)
    if kind == "zip":
        return found.zip(file)
    unpacked: dict[str, Callable[[], _Readable]] = {
        "tar": lambda: file,
        "gzip": lambda: gzip.GzipFile(fileobj=file),
        "xz": lambda: _Unxz(file),
    }
    if kind in unpacked:
        return found.tar(unpacked[kind]())
    if kind:
        hint = "Pack the files as .tar.gz or .zip."
        raise BundleInvalid(f"{kind} archives are not supported", where=str(path), hint=hint)
    found.take(path.name, file)
    if found.left_out:
        raise BundleInvalid(f"{next(iter(found.left_out.values()))}", where=str(path))
    return found.bundle()


def _archive_kind(start: bytes) -> str:
    for magic, kind in _ARCHIVES.items():
        if start.startswith(magic):
            return kind
    place, magic = _TAR_MAGIC
    return "tar" if start[place : place + len(magic)] == magic else ""


class _Collected:
    """Files taken in one after the other, with the limits kept over all of them."""

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self.files: dict[str, str] = {}
        self.left_out: dict[str, str] = {}
        self._name = path.name or path.resolve().name
        self._count = 0
        self._total = 0

    def bundle(self) -> Bundle:
        """Return what was taken in."""
        return Bundle(self._name, self.files, self.left_out)

    def folder(self, root: Path) -> Bundle:
        """Take in a folder. Links inside it are followed to files, never out of it and never to folders."""
        inside = root.resolve()
        for path in _walk(root, self.left_out):
            name = _printable(path.relative_to(root).as_posix())
            self._counted()
            reason = self._of_folder(path, name, inside)
            if reason:
                self.left_out[name] = reason
        return self.bundle()

    def _of_folder(self, path: Path, name: str, inside: Path) -> str:
        """Take in one file of a folder, or return why not."""
        try:
            real = path.resolve(strict=True)
            if not real.is_relative_to(inside):
                return "a link that leads out of the folder"
            if real.is_dir():
                return "a link to a folder"
            if not real.is_file():
                return "neither a file nor a folder"
            descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return "neither a file nor a folder"
                self.take(name, file)
        except (OSError, RuntimeError) as error:
            return f"cannot be read: {getattr(error, 'strerror', None) or error}"
        return ""

    def tar(self, unpacked: _Readable) -> Bundle:
        """Take in a tar archive, which is read once from its start to its end."""
        counted = _Counted(unpacked, LARGEST_TOTAL + _AROUND, self._too_much)
        with tarfile.open(fileobj=cast("IO[bytes]", counted), mode="r|") as archive:
            for member in archive:
                self._counted()
                name = _safe_name(member.name, self.where)
                if member.isdir():
                    continue
                if not member.isreg() or member.issparse():
                    raise self._refused(f"{name} is {_kind(member)}")
                content = archive.extractfile(member)
                if content is not None:
                    self.take(name, content)
        return self.bundle()

    def zip(self, file: IO[bytes]) -> Bundle:
        """Take in a zip archive."""
        if os.fstat(file.fileno()).st_size > LARGEST_TOTAL:
            raise self._too_much()
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                self._counted()
                name = _safe_name(member.filename, self.where)
                mode = stat.S_IFMT(member.external_attr >> 16)
                if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise self._refused(f"{name} is {'a link' if stat.S_ISLNK(mode) else 'a device or a pipe'}")
                if member.is_dir() or mode == stat.S_IFDIR:
                    continue
                self._of_zip(archive, member, name)
        return self.bundle()

    def _of_zip(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> None:
        if member.flag_bits & 0x1:
            self.left_out[name] = "encrypted"
        elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            self.left_out[name] = "packed in a way that is not supported"
        elif member.file_size > LARGEST_FILE:
            self.left_out[name] = _too_large()
        else:
            try:
                with archive.open(member) as content:
                    self.take(name, content)
            except (NotImplementedError, RuntimeError) as error:
                self.left_out[name] = f"cannot be unpacked: {error}"

    def take(self, name: str, content: _Readable) -> None:
        """Take in one file, or note why it is left out."""
        data = bytearray()
        while len(data) <= LARGEST_FILE and (chunk := content.read(_CHUNK)):
            data += chunk
            self._total += len(chunk)
            if self._total > LARGEST_TOTAL:
                raise self._too_much()
        self.files.pop(name, None)
        self.left_out.pop(name, None)
        if len(data) > LARGEST_FILE:
            self.left_out[name] = _too_large()
        elif kind := _archive_kind(bytes(data[:512])):
            self.left_out[name] = f"an archive ({kind}) inside"
        else:
            text = _text(bytes(data))
            if text is None:
                self.left_out[name] = "not a text file"
            else:
                self.files[name] = text

    def _counted(self) -> None:
        self._count += 1
        if self._count > MOST_FILES:
            raise self._refused(f"there are more than {MOST_FILES} files")

    def _too_much(self) -> BundleInvalid:
        return self._refused(f"there are more than {LARGEST_TOTAL // 1024 // 1024} MiB of data")

    def _refused(self, why: str) -> BundleInvalid:
        hint = "A bundle holds some dozens of text files, and no links or devices."
        return BundleInvalid(f"refused: {why}", where=self.where, hint=hint)


def _too_large() -> str:
    return f"larger than {LARGEST_FILE // 1024 // 1024} MiB"


def _kind(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return "a link"
    return "a file with holes" if member.issparse() else "a device or a pipe"


def _walk(root: Path, left_out: dict[str, str]) -> Iterator[Path]:
    def note(error: OSError) -> None:
        name = Path(os.fsdecode(error.filename or root))
        left_out[_printable(os.path.relpath(name, root))] = f"cannot be read: {error.strerror}"

    for folder, folders, files in os.walk(root, onerror=note):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        folders[:] = sorted(set(folders) - set(links))
        for name in sorted([*files, *links]):
            yield Path(folder, name)


class _Counted:
    """A stream that ends the work when more comes out of it than anybody packs in earnest."""

    def __init__(self, stream: _Readable, most: int, error: Callable[[], BundleInvalid]) -> None:
        self._stream = stream
        self._left = most
        self._error = error

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; a part of them is enough."""
        data = self._stream.read(min(size, _CHUNK) if size >= 0 else _CHUNK)
        self._left -= len(data)
        if self._left < 0:
            raise self._error()
        return data


class _Unxz:
    """xz, unpacked bit by bit and with a limit on the memory that the archive may ask for."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._unpack = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY)

    def read(self, size: int = -1) -> bytes:
        """Return at most so many bytes; none at the end of the first stream, behind which nothing is read."""
        while not self._unpack.eof:
            packed = self._file.read(_CHUNK) if self._unpack.needs_input else b""
            if self._unpack.needs_input and not packed:
                raise EOFError("the archive ends too early")
            data = self._unpack.decompress(packed, size if size >= 0 else _CHUNK)
            if data:
                return data
        return b""


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DRIVE = re.compile(r"^[A-Za-z]:")


def _safe_name(name: str, where: str) -> str:
    """Return the path of a file inside a bundle. Raises BundleInvalid when it leads anywhere else."""
    shown = _printable(name)
    path = shown.replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    why = ""
    if path.startswith("/") or _DRIVE.match(path):
        why = "is an absolute path"
    elif ".." in parts:
        why = "leads out of the bundle"
    elif _CONTROL.search(name):
        why = "has control characters in it"
    elif len(name) > _LONGEST_NAME:
        why, shown = "is too long", shown[:80] + "..."
    if why:
        raise BundleInvalid(
            f"refused: the name {shown!r} {why}", where=where, hint="Do not use this archive; ask for another one."
        )
    return "/".join(parts) or "."


def _printable(name: str) -> str:
    """Return a name in which bytes that are no UTF-8 and control characters can be printed."""
    return _CONTROL.sub("?", name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]{0,1000}(?:\x07|\x1b\\)|\x1b[ -/]{1,3}[0-~]|\x1b[0-~]"
)
_RETURN = re.compile(r"\r+\n")
_OTHER_ENDS = dict.fromkeys(map(ord, "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), " ")
"""What Python takes for the end of a line and editors do not: line numbers must be those of the editor."""
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0e-\x1b\x1f\x7f-\x9f]")


def _text(data: bytes) -> str | None:
    """Return the text without colours and odd line ends; None when the data is no text."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _tidy(data[len(bom) :].decode(encoding, "replace"))
    text = data.decode("utf-8", "replace")
    # A log that was being written when the power went has zero bytes in it, and is still a log.
    zeros = data.count(0)
    odd = sum(map(data.count, _odd_bytes())) + text.count("\ufffd")
    if zeros * 3 > len(data) or odd * 10 > len(data) - zeros > 0:
        return None
    return _tidy(text)


def _odd_bytes() -> Iterable[int]:
    return (*range(1, 8), *range(14, 27), *range(28, 32), 127)


def _tidy(text: str) -> str:
    text = _RETURN.sub("\n", _ESCAPES.sub("", text)).translate(_OTHER_ENDS)
    return _UNPRINTABLE.sub("", text)
