"""Makes installation media with programs that are not ours: wimlib, genisoimage, xorriso."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

LANG_INI = b"\r\n[Available UI Languages]\r\nen-US = 3\r\nde-DE = 2\r\n\r\n[Fallback Languages]\r\nen-US = en-us\r\n"


@dataclass(frozen=True, slots=True)
class Image:
    """One image to put into a WIM."""

    edition_id: str
    name: str
    build: int = 26100
    arch: int = 9
    languages: tuple[str, ...] = ("en-US",)


CONSUMER = (
    Image("Core", "Windows 11 Home"),
    Image("CoreN", "Windows 11 Home N"),
    Image("Education", "Windows 11 Education"),
    Image("Professional", "Windows 11 Pro"),
    Image("ProfessionalWorkstation", "Windows 11 Pro for Workstations"),
)
BOOT = (Image("", "Microsoft Windows PE (amd64)"), Image("", "Microsoft Windows Setup (amd64)"))


def need(*programs: str) -> None:
    """Skip the test when a program is missing."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def call(*argv: str | Path, cwd: Path | None = None) -> str:
    """Run a program and return what it printed."""
    done = subprocess.run([str(each) for each in argv], cwd=cwd, capture_output=True, check=False)
    assert done.returncode == 0, (argv, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout.decode("utf-8", errors="replace")


def wim(path: Path, images: Sequence[Image], *, compress: str = "LZX", solid: bool = False) -> Path:
    """Make a WIM (or, ``solid``, an ESD) of small images."""
    need("wimlib-imagex")
    content = path.parent / f"{path.name}.d"
    (content / "Windows" / "System32").mkdir(parents=True)
    for number, image in enumerate(images, 1):
        (content / "Windows" / "System32" / "license.rtf").write_bytes(f"licence {number}".encode() * 500)
        verb = "capture" if number == 1 else "append"
        extra = (f"--compress={compress}", *(("--solid",) if solid else ())) if number == 1 else ()
        call("wimlib-imagex", verb, content, path, image.name, f"{image.name}, described", *extra)
    for number, image in enumerate(images, 1):
        call("wimlib-imagex", "info", path, str(number), *_properties(image))
    shutil.rmtree(content)
    return path


def _properties(image: Image) -> list[str]:
    values = {
        "DISPLAYNAME": image.name,
        "WINDOWS/ARCH": image.arch,
        "WINDOWS/EDITIONID": image.edition_id,
        "WINDOWS/LANGUAGES/DEFAULT": image.languages[0],
        "WINDOWS/VERSION/MAJOR": 10,
        "WINDOWS/VERSION/MINOR": 0,
        "WINDOWS/VERSION/BUILD": image.build,
        "WINDOWS/VERSION/SPBUILD": 1742,
    }
    values |= {f"WINDOWS/LANGUAGES/LANGUAGE[{at}]": each for at, each in enumerate(image.languages, 1)}
    return [f"--image-property={key}={value}" for key, value in values.items() if value != ""]


def folder(root: Path, files: Mapping[str, bytes | Path]) -> Path:
    """Put files into a folder; a Path is hard-linked."""
    for name, content in files.items():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            target.hardlink_to(content)
        else:
            target.write_bytes(content)
    return root


def iso(root: Path, made: Path, *options: str, label: str = "CCCOMA_X64FRE") -> Path:
    """Make an ISO of a folder with genisoimage: a UDF bridge with Joliet names unless ``options`` say otherwise."""
    need("genisoimage")
    chosen = options or ("-udf", "-J", "-iso-level", "3", "-allow-limited-size")
    call("genisoimage", "-quiet", *chosen, "-V", label, "-o", made, root)
    return made


def windows_iso(place: Path, images: Sequence[Image] = CONSUMER, *options: str, name: str = "install.wim") -> Path:
    """Make a Windows ISO of small images, with boot.wim and lang.ini."""
    solid = name.endswith(".esd")
    install = wim(place / name, images, compress="LZMS" if solid else "LZX", solid=solid)
    boot = wim(place / "boot.wim", BOOT)
    files: dict[str, bytes | Path] = {
        f"sources/{name}": install,
        "sources/boot.wim": boot,
        "sources/lang.ini": LANG_INI,
        "setup.exe": b"MZ",
    }
    return iso(folder(place / "tree", files), place / "windows.iso", *options)
