"""Reading bundles, most of all those that nobody should read, and writing them."""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.adapters import bundle as reader
from pvekit.adapters.bundle import read_bundle, write_bundle
from pvekit.model.errors import PvekitError

FILES = {"dmesg.txt": "[    0.000000] Linux version 6.8\nzwei\n", "modprobe.d/vfio.conf": "options vfio-pci ids=1:2\n"}


def tar(path: Path, mode: str, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def zipped(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def all_files() -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(member(name), text.encode()) for name, text in FILES.items()]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
@pytest.mark.parametrize("name", ["b.tar", "b.tgz", "report"])
def test_tar_archives_are_known_by_what_they_are(tmp_path: Path, mode: str, name: str) -> None:
    found = read_bundle(tar(tmp_path / name, mode, (member("top", tarfile.DIRTYPE), b""), *all_files()))
    assert dict(found.files) == FILES
    assert found.name == name
    assert not found.left_out


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip(tmp_path: Path, how: int) -> None:
    members = [("./sub\\dmesg.txt", b"x\n"), ("empty.txt", b""), ("folder/", b"")]
    found = read_bundle(zipped(tmp_path / "b.zip", *members, how=how))
    assert dict(found.files) == {"sub/dmesg.txt": "x\n", "empty.txt": ""}


def test_a_folder_and_a_single_file(tmp_path: Path) -> None:
    for name, text in FILES.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert dict(read_bundle(tmp_path / "in").files) == FILES
    alone = read_bundle(tmp_path / "in" / "dmesg.txt")
    assert dict(alone.files) == {"dmesg.txt": FILES["dmesg.txt"]}


def test_links_out_of_a_folder_and_other_things_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    root = tmp_path / "in"
    (root / "sub").mkdir(parents=True)
    (root / "a.txt").write_text("a")
    (root / "out.txt").symlink_to(tmp_path / "secret.txt")
    (root / "up").symlink_to(tmp_path)
    (root / "loop").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    (root / "inside.txt").symlink_to("a.txt")
    (root / "gone.txt").symlink_to("nothing")
    os.mkfifo(root / "pipe")
    found = read_bundle(root)
    assert dict(found.files) == {"a.txt": "a", "inside.txt": "a"}
    assert set(found.left_out) == {"out.txt", "up", "loop", "self", "gone.txt", "pipe"}
    assert found.left_out["out.txt"] == found.left_out["up"] == "a link that leads out of the folder"
    assert found.left_out["pipe"] == "neither a file nor a folder"


HOSTILE: dict[str, Callable[[Path], Path]] = {
    "absolute": lambda path: tar(path, "w:gz", (member("/etc/passwd"), b"x")),
    "up": lambda path: tar(path, "w", (member("a/../../b"), b"x")),
    "symlink": lambda path: tar(path, "w", (member("a", tarfile.SYMTYPE, "/etc/shadow"), b"")),
    "hard link": lambda path: tar(path, "w", (member("a", tarfile.LNKTYPE, "b"), b"")),
    "device": lambda path: tar(path, "w", (member("sda", tarfile.BLKTYPE), b"")),
    "fifo": lambda path: tar(path, "w", (member("p", tarfile.FIFOTYPE), b"")),
    "newline": lambda path: tar(path, "w", (member("a\nb"), b"x")),
    "zip absolute": lambda path: zipped(path, ("/etc/passwd", b"x")),
    "zip drive": lambda path: zipped(path, ("C:\\x.txt", b"x")),
    "zip up": lambda path: zipped(path, ("..\\x.txt", b"x")),
    "zip link": lambda path: zipped(path, (zip_link("a"), b"/etc/shadow")),
    "many": lambda path: tar(path, "w:gz", *[(member(f"f{number}"), b"") for number in range(reader.MOST_FILES + 1)]),
    "zip many": lambda path: zipped(path, *[(f"f{number}", b"") for number in range(reader.MOST_FILES + 1)]),
}


def zip_link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_hostile_archives_are_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(PvekitError, match="refused: "):
        read_bundle(HOSTILE[kind](tmp_path / "b"))
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_bombs_stop_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "LARGEST_FILE", 1 << 20)
    monkeypatch.setattr(reader, "LARGEST_TOTAL", 3 << 20)
    monkeypatch.setattr(reader, "_AROUND", 1 << 20)
    zeros = b" " * (1 << 19)
    many = [(member(f"f{number}.txt"), zeros) for number in range(8)]
    huge = [(member("huge.txt"), b" " * (5 << 20))]
    for mode in ("w", "w:gz", "w:xz"):
        for members in (many, huge):
            with pytest.raises(PvekitError, match="more than 3 MiB"):
                read_bundle(tar(tmp_path / "b", mode, *members))
    with pytest.raises(PvekitError, match="more than 3 MiB"):
        read_bundle(zipped(tmp_path / "b", *[(f"f{number}.txt", zeros) for number in range(8)]))
    large = read_bundle(tar(tmp_path / "b", "w:gz", (member("large.txt"), b" " * (2 << 20)), *all_files()))
    assert large.left_out == {"large.txt": "larger than 1 MiB"}
    assert dict(large.files) == FILES
    assert read_bundle(zipped(tmp_path / "b", ("large.txt", b" " * (2 << 20)))).left_out == large.left_out


def test_a_zip_that_lies_about_sizes_gives_no_more_than_it_says(tmp_path: Path) -> None:
    path = zipped(tmp_path / "b", ("a.txt", b"x" * 100_000))
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", 10)
    path.write_bytes(data)
    with pytest.raises(PvekitError, match="damaged"):
        read_bundle(path)


def test_sparse_members_are_refused(tmp_path: Path) -> None:
    info = member("holes.txt")
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,1",
                        "GNU.sparse.size": "99999999999", "GNU.sparse.name": "holes.txt"}  # fmt: skip
    with pytest.raises(PvekitError, match="refused: "):
        read_bundle(tar(tmp_path / "b.tar", "w", (info, b"x")))


def test_what_is_no_text_is_left_out(tmp_path: Path) -> None:
    inner = gzip.compress(b"x")
    found = read_bundle(
        zipped(
            tmp_path / "b.zip",
            ("rom.bin", bytes(range(256)) * 40),
            ("zeros", bytes(5000)),
            ("old.tar.gz", inner),
            ("utf16.txt", "größe\n".encode("utf-16")),
            ("utf16be.txt", b"\xfe\xff" + "größe\n".encode("utf-16-be")),
            ("bom.txt", b"\xef\xbb\xbfa\r\nb\r\r\nc"),
            ("latin1.txt", "größe und mehr als das".encode("latin-1")),
            ("colour.txt", b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07plain\x1b(B\x08\x0cx\n"),
            ("kern.log", b"line one\n" + bytes(10) + b"line two\n" * 9),
        )
    )
    assert found.left_out == {
        "rom.bin": "not a text file", "zeros": "not a text file", "old.tar.gz": "an archive (gzip) inside",
    }  # fmt: skip
    assert found.files["utf16.txt"] == found.files["utf16be.txt"] == "größe\n"
    assert found.files["bom.txt"] == "a\nb\nc"
    assert found.files["latin1.txt"].startswith("gr\ufffd\ufffde und") or "\ufffd" in found.files["latin1.txt"]
    assert found.files["colour.txt"] == "red plain x\n"
    assert found.files["kern.log"].startswith("line one\nline two")


def test_a_zip_of_unknown_packing_is_left_out(tmp_path: Path) -> None:
    found = read_bundle(zipped(tmp_path / "b.zip", ("a.txt", b"x" * 1000), how=zipfile.ZIP_BZIP2))
    assert found.left_out == {"a.txt": "packed in a way that is not supported"}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (gzip.compress(b"no archive at all" * 100), "damaged or not an archive"),
        (b"\x1f\x8b\x08\x00rubbish", "damaged or not an archive"),
        (b"\xfd7zXZ\x00rubbish", "damaged or not an archive"),
        (b"PK\x03\x04rubbish", "damaged or not an archive"),
        (b"BZh91AY", "not supported"),
        (b"7z\xbc\xaf\x27\x1c", "not supported"),
        (bytes(range(256)), "not a text file"),
    ],
    ids=["gzip-no-tar", "gzip", "xz", "zip", "bzip2", "7z", "binary"],
)
def test_damaged_and_foreign_files(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "b"
    path.write_bytes(content)
    with pytest.raises(PvekitError, match=match):
        read_bundle(path)


def test_a_cut_archive_is_damaged(tmp_path: Path) -> None:
    path = tar(tmp_path / "b.tgz", "w:gz", (member("a.txt"), os.urandom(50_000).hex().encode()))
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(PvekitError, match="damaged"):
        read_bundle(path)


def test_a_path_that_is_not_there_and_a_pipe(tmp_path: Path) -> None:
    with pytest.raises(PvekitError, match="No such file"):
        read_bundle(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PvekitError, match="neither a folder nor a file"):
        read_bundle(tmp_path / "pipe")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", b"\x1f\x8b", b"PK\x03\x04", b"\xfd7zXZ\x00", b"\xff\xfe"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes, start: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "b.tar"
    path.write_bytes(start + data)
    try:
        found = read_bundle(path)
    except PvekitError:
        return
    for text in found.files.values():
        assert text.splitlines() == text.split("\n")[: len(text.splitlines())]


def test_writing_is_reproducible_and_private(tmp_path: Path) -> None:
    write_bundle(tmp_path / "one.tar.gz", FILES)
    write_bundle(tmp_path / "two.tar.gz", dict(reversed(FILES.items())))
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    assert stat.S_IMODE((tmp_path / "one.tar.gz").stat().st_mode) == 0o600
    assert dict(read_bundle(tmp_path / "one.tar.gz").files) == FILES
    with tarfile.open(tmp_path / "one.tar.gz") as archive:
        assert [(info.mtime, info.uid, info.uname) for info in archive] == [(0, 0, "")] * 2


@pytest.mark.parametrize("name", ["../x", "/x", "a//b", "", "a\nb"])
def test_names_that_could_not_be_read_back_are_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(PvekitError):
        write_bundle(tmp_path / "b.tar.gz", {name: "x"})
    assert not list(tmp_path.iterdir())


NAMES = st.text(st.characters(whitelist_categories=("L", "N")), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES.map(lambda name: f"d/{name}.txt"), st.text("abc äöü\n\t[]", max_size=200), max_size=5))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, files: dict[str, str]) -> None:
    path = tmp_path_factory.mktemp("round") / "b.tar.gz"
    write_bundle(path, files)
    assert dict(read_bundle(path).files) == files
