"""Windows media made by wimlib, genisoimage and xorriso: what we read is what they say."""

from __future__ import annotations

import io
import re
import struct
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from pycdlib import PyCdlib

from pvekit.adapters.media import BytesSource, choose, open_source, read_media
from pvekit.adapters.media.source import Meter
from pvekit.model.errors import ImageInvalid
from pvekit.model.media import WindowsImage, WindowsMedia
from tests.media import make

BRIDGE = ("-udf", "-J", "-iso-level", "3")
LAYOUTS = {
    "UDF bridge, install.wim": (BRIDGE, "install.wim", "UDF"),
    "UDF bridge, install.esd": (BRIDGE, "install.esd", "UDF"),
    "Joliet": (("-J",), "install.wim", "Joliet"),
    "plain ISO": (("-iso-level", "2"), "install.esd", "ISO 9660"),
    "plain ISO with Rock Ridge": (("-R", "-iso-level", "4"), "install.wim", "ISO 9660"),
}


def read(path: Path) -> WindowsMedia:
    with open_source(path) as source:
        return read_media(source, where=path.name)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_says_what_the_tools_say(layout: str, tmp_path: Path) -> None:
    options, name, filesystem = LAYOUTS[layout]
    iso = make.windows_iso(tmp_path, make.CONSUMER, *options, name=name)
    media = read(iso)
    assert (media.label, media.filesystem) == ("CCCOMA_X64FRE", filesystem)
    assert media.install_path == f"sources/{name}"
    assert media.install_bytes == (tmp_path / name).stat().st_size
    assert media.setup_languages == ("en-US", "de-DE")
    assert [image.name for image in media.boot_images] == [image.name for image in make.BOOT]
    assert [seen(image) for image in media.images] == wimlib(tmp_path / name)
    assert choose(media, "pro", "en-US", 11).index == 4


def seen(image: WindowsImage) -> tuple[object, ...]:
    return (
        *(image.index, image.name, image.display_name, image.edition_id, image.languages, image.build),
        image.total_bytes,
    )


def wimlib(path: Path) -> list[tuple[object, ...]]:
    """Return the same of each image as wimlib prints it."""
    make.call("wimlib-imagex", "info", path, f"--extract-xml={path}.xml")
    xml = ET.fromstring(Path(f"{path}.xml").read_bytes().decode("utf-16"))
    return [
        (
            int(each.get("INDEX", "")),
            *(each.findtext("NAME"), each.findtext("DISPLAYNAME"), each.findtext("WINDOWS/EDITIONID") or ""),
            tuple(language.text for language in each.findall("WINDOWS/LANGUAGES/LANGUAGE")),
            *(int(each.findtext(part) or 0) for part in ("WINDOWS/VERSION/BUILD", "TOTALBYTES")),
        )
        for each in xml.findall("IMAGE")
    ]


def test_7z_and_isoinfo_see_the_same_files(tmp_path: Path) -> None:
    make.need("7z", "isoinfo")
    iso = make.windows_iso(tmp_path)
    listed = make.call("7z", "l", "-slt", iso)
    size = re.search(r"Path = sources/install\.wim\n(?:.*\n)*?Size = (\d+)", listed)
    assert size is not None
    assert int(size[1]) == read(iso).install_bytes
    assert "/sources/install.wim" in make.call("isoinfo", "-J", "-f", "-i", iso)


def test_xorriso_media(tmp_path: Path) -> None:
    make.need("xorriso")
    install = make.wim(tmp_path / "install.wim", make.CONSUMER)
    root = make.folder(tmp_path / "tree", {"sources/install.wim": install})
    iso = tmp_path / "x.iso"
    make.call("xorriso", "-as", "mkisofs", "-quiet", "-J", "-R", "-V", "XO", "-o", iso, root)
    media = read(iso)
    assert (media.label, media.filesystem, len(media.images)) == ("XO", "Joliet", 5)
    assert media.boot_images == ()


def test_laid_out_as_microsofts_own(tmp_path: Path) -> None:
    """ISO 9660 has nothing but a readme, all else has UDF names only: so do the ISOs that Microsoft offers."""
    install = make.wim(tmp_path / "install.wim", make.CONSUMER).read_bytes()
    readme = b"This disc contains a UDF file system and requires an operating system that supports it."
    iso = PyCdlib()
    iso.new(interchange_level=3, vol_ident="CCCOMA_X64FRE_EN-US_DV9", udf="2.60")
    iso.add_fp(io.BytesIO(readme), len(readme), "/README.TXT;1", udf_path="/readme.txt")
    iso.add_directory(udf_path="/sources")
    iso.add_fp(io.BytesIO(install), len(install), udf_path="/sources/install.wim")
    out = io.BytesIO()
    iso.write_fp(out)
    iso.close()
    media = read_media(BytesSource(out.getvalue()))
    assert (media.label, media.filesystem, len(media.images)) == ("CCCOMA_X64FRE_EN-US_DV9", "UDF", 5)


def test_an_install_image_beyond_4_gib(tmp_path: Path) -> None:
    """The list of images stands behind 4.4 GiB of nothing: found through several extents, by reading few bytes."""
    wim = make.wim(tmp_path / "small.wim", make.CONSUMER)
    content = bytearray(wim.read_bytes())
    packed, start = struct.unpack_from("<QQ", content, 72)
    xml = content[start : start + (packed & 0xFFFFFFFF)]
    far = 4_700_000_123
    struct.pack_into("<Q", content, 80, far)
    content[124:148] = bytes(24)  # no integrity table
    root = make.folder(tmp_path / "tree", {"sources/boot.wim": wim})
    large = root / "sources" / "install.wim"
    with large.open("wb") as out:
        out.write(content)
        out.seek(far)
        out.write(xml)
    iso = tmp_path / "large.iso"
    sparse_iso(root, iso)
    with open_source(iso) as source:
        meter = Meter(source, bytes_limit=1 << 30)
        begin = time.monotonic()
        media = read_media(meter)
        took = time.monotonic() - begin
    assert media.filesystem == "UDF"
    assert media.install_bytes == large.stat().st_size > 1 << 32
    assert [seen(image) for image in media.images] == wimlib(large)
    assert meter.used < 100_000
    assert meter.reads < 60
    assert took < 5


def sparse_iso(root: Path, iso: Path) -> None:
    """Make the ISO through a pipe, so that its zeros take no room and no time on the disk."""
    make.need("genisoimage", "cp")
    argv = ["genisoimage", "-quiet", *BRIDGE, "-allow-limited-size", "-V", "LARGE", "-o", "-", str(root)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as writer:
        subprocess.run(["cp", "--sparse=always", "/dev/stdin", str(iso)], stdin=writer.stdout, check=True)
    assert writer.returncode == 0
    assert iso.stat().st_blocks * 512 < 64 << 20


def test_few_bytes_are_read(tmp_path: Path) -> None:
    iso = make.windows_iso(tmp_path)
    with open_source(iso) as source:
        meter = Meter(source, bytes_limit=1 << 30)
        read_media(meter)
    assert meter.used < 100_000 < iso.stat().st_size


def test_a_source_that_fails_while_reading(tmp_path: Path) -> None:
    class Failing:
        size = 1 << 30

        def read_at(self, offset: int, length: int) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(ImageInvalid, match="somewhere: cannot be read: Input/output error"):
        read_media(Failing(), where="somewhere")
    with pytest.raises(ImageInvalid, match="No such file"), open_source(tmp_path / "none.iso"):
        pass
