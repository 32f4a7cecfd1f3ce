from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from pycdlib import PyCdlib

from pvekit.adapters.iso import write_iso

FILES = {
    "user-data": b"#cloud-config\n" + b"x" * 5000,
    "meta-data": b"instance-id: 1\n",
    "empty": b"",
    "$WinPEDriver$/a folder/Autounattend.xml": b"<unattend/>",
    **{f"many/file {number}.txt": str(number).encode() for number in range(100)},
}


def test_equal_input_gives_equal_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    images = []
    for zone, now in (("UTC", 1.7e9), ("Asia/Tokyo", 1.8e9), ("America/St_Johns", 1.9e9)):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        monkeypatch.setattr(time, "time", lambda now=now: now)
        images.append(write_iso(dict(reversed(FILES.items())) if zone == "UTC" else FILES, "cidata"))
    monkeypatch.undo()
    time.tzset()
    assert len({hashlib.sha256(image).hexdigest() for image in images}) == 1


@pytest.mark.parametrize("names", ["rr", "joliet"])
def test_reads_back(names: str) -> None:
    iso = PyCdlib()
    iso.open_fp(io.BytesIO(write_iso(FILES, "cidata")))
    for path, content in FILES.items():
        out = io.BytesIO()
        iso.get_file_from_iso_fp(out, **{f"{names}_path": f"/{path}"})
        assert out.getvalue() == content
    assert iso.pvd.volume_identifier.rstrip() == b"cidata"
    iso.close()


def test_other_programs_read_it(tmp_path: Path) -> None:
    if shutil.which("xorriso") is None:
        pytest.skip("xorriso is not installed")
    (tmp_path / "seed.iso").write_bytes(write_iso(FILES, "cidata"))
    argv = ["xorriso", "-osirrox", "on", "-indev", "seed.iso", "-extract", "/", "out"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "cidata" in done.stderr
    for path, content in FILES.items():
        assert (tmp_path / "out" / path).read_bytes() == content
    subprocess.run(["chmod", "-R", "u+w", "out"], cwd=tmp_path, check=True)


@pytest.mark.parametrize(
    ("files", "label"),
    [({"a": b""}, ""), ({"a": b""}, "x" * 17), ({"a/../b": b""}, "ok"), ({"x" * 65: b""}, "ok")],
)
def test_what_cannot_be_stored(files: dict[str, bytes], label: str) -> None:
    with pytest.raises(ValueError, match=r"stored|label"):
        write_iso(files, label)
