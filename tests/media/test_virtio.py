"""Drivers out of an ISO that is laid out as virtio-win's."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvekit.adapters.media import DRIVERS, GUEST_TOOLS, BytesSource, drivers, open_source
from pvekit.adapters.media.source import Meter
from pvekit.model.errors import ImageInvalid
from tests.media import make

STEMS = {"vioscsi": "vioscsi", "viostor": "viostor", "NetKVM": "netkvm", "vioserial": "vioser", "Balloon": "balloon"}
EXTRA = {"NetKVM": ("netkvmco.exe", "netkvmp.exe"), "Balloon": ("blnsvr.exe",)}


def layout() -> dict[str, bytes]:
    """Return the part of virtio-win's files that matters, and some that do not."""
    files = {GUEST_TOOLS: b"MZ" * 40_000, "virtio-win_license.txt": b"x", "guest-agent/qemu-ga-x86_64.msi": b"x"}
    for driver, stem in STEMS.items():
        for release in ("w10", "w11", "2k25", "xp"):
            for arch in ("amd64", "x86") if release in ("w10", "xp") else ("amd64", "ARM64"):
                names = [f"{stem}.{ending}" for ending in ("inf", "sys", "cat", "pdb")] + list(EXTRA.get(driver, ()))
                for name in names:
                    path = f"{driver}/{release}/{arch}/{name}"
                    files[path] = path.encode() * (9000 if name.endswith("pdb") else 10)
    return files


def made(tmp_path: Path, files: dict[str, bytes]) -> Path:
    """virtio-win is made by mkisofs with Joliet and Rock Ridge names; its plain names are cut."""
    options = ("-R", "-J", "-joliet-long")
    root = make.folder(tmp_path / "tree", dict(files))
    return make.iso(root, tmp_path / "virtio.iso", *options, label="virtio-win-0.1.285")


@pytest.mark.parametrize("release", [10, 11])
def test_takes_what_an_installation_needs(release: int, tmp_path: Path) -> None:
    files = layout()
    with open_source(made(tmp_path, files)) as source:
        meter = Meter(source, bytes_limit=1 << 30)
        found = drivers(meter, release)
    expected = {
        path.replace(f"/w{release}/amd64/", "/"): content
        for path, content in files.items()
        if f"/w{release}/amd64/" in path and not path.endswith(".pdb")
    }
    assert found == {**expected, GUEST_TOOLS: files[GUEST_TOOLS]}
    assert {f"{driver}/{stem}.inf" for driver, stem in STEMS.items()} <= set(found)
    assert meter.used < 500_000


def test_only_those_asked_for(tmp_path: Path) -> None:
    with open_source(made(tmp_path, layout())) as source:
        found = drivers(source, 11, ["netkvm"])
    assert set(found) == {GUEST_TOOLS, "netkvm/netkvmco.exe", "netkvm/netkvmp.exe"} | {
        f"netkvm/netkvm.{ending}" for ending in ("inf", "sys", "cat")
    }


def test_names_all_that_is_missing(tmp_path: Path) -> None:
    files = layout()
    kept = {
        path: content
        for path, content in files.items()
        if not path.startswith("viostor/w11/") and path not in (GUEST_TOOLS, "NetKVM/w11/amd64/netkvm.sys")
    }
    with open_source(made(tmp_path, kept)) as source, pytest.raises(ImageInvalid) as caught:
        drivers(source, 11, where="virtio.iso")
    assert str(caught.value) == (
        f"virtio.iso: not on the driver ISO: viostor/w11/amd64, NetKVM/w11/amd64/*.sys, {GUEST_TOOLS}"
    )
    assert "0.1.285" in caught.value.hint


def test_another_iso(tmp_path: Path) -> None:
    with open_source(made(tmp_path, {"readme": b"x"})) as source, pytest.raises(ImageInvalid) as caught:
        drivers(source, 11)
    assert all(name in str(caught.value) for name in DRIVERS)
    with pytest.raises(ImageInvalid, match="not an ISO image"):
        drivers(BytesSource(b"PK" * 50_000), 11)
