"""The answer ISO as Windows reads it: names under Joliet and UDF, seen by programs that are not ours."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycdlib import PyCdlib

from pvekit.adapters.iso import write_iso
from pvekit.adapters.media import BytesSource, iso9660, udf
from pvekit.adapters.media.tree import Volume, find, find_file

FILES = {
    "autounattend.xml": b"<unattend/>\r\n" * 400,
    "pvekit/pe.cmd": b"@echo off\r\n" * 300,
    "pvekit/first-logon.ps1": b"\xef\xbb\xbf# first\r\n",
    "pvekit/empty": b"",
    "pvekit/virtio-win-guest-tools.exe": b"MZ" + bytes(70_000),
    "pvekit/OpenSSH-Win64.msi": b"\xd0\xcf\x11\xe0" * 5000,
    **{
        f"pvekit/drivers/{driver}/{driver.lower()}.{ending}": f"{driver}.{ending}".encode() * 700
        for driver in ("vioscsi", "viostor", "NetKVM", "vioserial", "Balloon")
        for ending in ("inf", "sys", "cat")
    },
    **{f"pvekit/many/a rather long name of file number {number}.txt": b"%d" % number for number in range(90)},
    "pvekit/größe/日本.txt": b"x",
}


def image() -> bytes:
    return write_iso(FILES, "PVEKIT_ANS", udf=True)


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def call(*argv: str, cwd: Path) -> str:
    done = subprocess.run(argv, cwd=cwd, capture_output=True, check=False)
    assert done.returncode == 0, (argv, done.stdout[-1000:], done.stderr[-1000:])
    return done.stdout.decode("utf-8", errors="replace")


def test_equal_input_gives_equal_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for zone, now in (("UTC", 1.7e9), ("Asia/Tokyo", 1.8e9), ("America/St_Johns", 1.9e9)):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        monkeypatch.setattr(time, "time", lambda now=now: now)
        made.append(write_iso(dict(reversed(FILES.items())) if zone == "UTC" else FILES, "PVEKIT_ANS", udf=True))
    monkeypatch.undo()
    time.tzset()
    assert len({hashlib.sha256(each).hexdigest() for each in made}) == 1
    assert b"20000101" in made[0]
    assert made[0] != write_iso({**FILES, "pvekit/pe.cmd": b""}, "PVEKIT_ANS", udf=True)


def test_7z_sees_udf_names_and_equal_contents(tmp_path: Path) -> None:
    need("7z")
    (tmp_path / "a.iso").write_bytes(image())
    listed = call("7z", "l", "-tudf", "a.iso", cwd=tmp_path)
    assert "Type = Udf" in listed
    assert "VolumeId: PVEKIT_ANS" in listed
    assert "Created = 2000-01-01" in listed
    for kind in ("udf", "iso"):  # 7z takes Joliet's names when it reads an ISO as such
        call("7z", "x", f"-t{kind}", f"-o{kind}", "a.iso", cwd=tmp_path)
        assert {name: (tmp_path / kind / name).read_bytes() for name in FILES} == FILES


def test_isoinfo_and_xorriso_see_joliet_and_rock_ridge_names(tmp_path: Path) -> None:
    need("isoinfo", "xorriso")
    (tmp_path / "a.iso").write_bytes(image())
    ascii_names = {f"/{name}" for name in FILES if name.isascii()}
    assert ascii_names <= set(call("isoinfo", "-J", "-f", "-i", "a.iso", cwd=tmp_path).splitlines())
    found = call("xorriso", "-indev", "a.iso", "-find", "/", "-type", "f", cwd=tmp_path)
    assert {f"/{name}" for name in FILES} == {line.strip("'") for line in found.splitlines()}
    out = call("isoinfo", "-J", "-x", "/pvekit/pe.cmd", "-i", "a.iso", cwd=tmp_path)
    assert out.encode() == FILES["pvekit/pe.cmd"]


def test_pycdlib_reads_its_own_back() -> None:
    import io

    iso = PyCdlib()
    iso.open_fp(io.BytesIO(image()))
    out = io.BytesIO()
    iso.get_file_from_iso_fp(out, udf_path="/pvekit/drivers/NetKVM/netkvm.inf")
    iso.close()
    assert out.getvalue() == FILES["pvekit/drivers/NetKVM/netkvm.inf"]


def check(volume: Volume, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        source = find_file(volume, name)
        assert source is not None, name
        assert source.read_at(0, source.size) == content


def test_our_own_readers_agree() -> None:
    source = BytesSource(image())
    universal = udf.read_volume(source)
    assert universal is not None
    joliet, plain = iso9660.read_volumes(source)
    assert [universal.label, joliet.label, plain.label] == ["PVEKIT_ANS"] * 3
    check(universal, FILES)
    check(joliet, FILES)
    assert find(plain, "autounattend.xml") is None, "which is why Windows needs the other two"


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"[a-zA-Z0-9äß€ ]{1,20}(/[a-z.]{2,30}x){0,2}", fullmatch=True).map(str.strip).filter(bool),
        st.binary(max_size=5000),
        max_size=8,
    )
)
def test_whatever_the_files(files: dict[str, bytes]) -> None:
    folders = {"/".join(name.split("/")[:n]).casefold() for name in files for n in range(1, name.count("/") + 1)}
    kept = {name: content for name, content in files.items() if name.casefold() not in folders}
    kept = {name.lower(): content for name, content in kept.items()}
    made = write_iso(kept, "x", udf=True)
    assert made == write_iso(kept, "x", udf=True)
    universal = udf.read_volume(BytesSource(made))
    assert universal is not None
    check(universal, kept)


def test_large_files_are_not_copied_about() -> None:
    files = {"pvekit/guest-tools.exe": b"\1" * 30_000_000, "autounattend.xml": b"x"}
    tracemalloc.start()
    made = write_iso(files, "PVEKIT_ANS", udf=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * len(made)


def test_names_that_windows_cannot_tell_apart() -> None:
    with pytest.raises(ValueError, match="upper and lower case"):
        write_iso({"A.txt": b"", "a.TXT": b""}, "x")
