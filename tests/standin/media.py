"""The Setup CD: boot image, kernel, WIM files with Windows' own properties, and the disk to come."""

from __future__ import annotations

import json
from pathlib import Path

from tests.standin import boot
from tests.standin.packages import run
from tests.standin.switches import default_block

LABEL = "CCCOMA_X64FRE_EN-US_DV9"
BUILD = "26200"
EDITIONS = {"Windows 11 Home": "Core", "Windows 11 Pro": "Professional"}
"""Image names of install.wim, and their editions."""
_DRIVE_C_MIB = 64


def wims(folder: Path, work: Path) -> None:
    """Write install.wim and boot.wim with tiny images; their properties read like those of build 26200."""
    content = work / "wim-content"
    (content / "Windows/System32").mkdir(parents=True)
    (content / "Windows/System32/license.rtf").write_text("A stand-in: there is no Windows in here.\n")
    install = folder / "install.wim"
    for number, (name, edition) in enumerate(EDITIONS.items(), 1):
        _add(install, number, content, name, edition, "Client")
    for number, name in enumerate(("Microsoft Windows PE (amd64)", "Microsoft Windows Setup (amd64)"), 1):
        _add(folder / "boot.wim", number, content, name, "WindowsPE", "WindowsPE")


def _add(wim: Path, number: int, content: Path, name: str, edition: str, kind: str) -> None:
    run("wimlib-imagex", "capture" if number == 1 else "append", content, wim, name, name, "--compress=none")
    properties = {
        "ARCH": "9",
        "PRODUCTNAME": "Microsoft® Windows® Operating System",
        "EDITIONID": edition,
        "INSTALLATIONTYPE": kind,
        "PRODUCTTYPE": "WinNT",
        "LANGUAGES/LANGUAGE": "en-US",
        "LANGUAGES/DEFAULT": "en-US",
        "VERSION/MAJOR": "10",
        "VERSION/MINOR": "0",
        "VERSION/BUILD": BUILD,
        "VERSION/SPBUILD": "1",
        "SYSTEMROOT": "WINDOWS",
    }
    options = [f"--image-property=WINDOWS/{key}={value}" for key, value in properties.items()]
    shown = [f"--image-property=DISPLAYNAME={name}", f"--image-property=DISPLAYDESCRIPTION={name}",
             f"--image-property=FLAGS={edition}"]  # fmt: skip
    run("wimlib-imagex", "info", wim, str(number), *options, *shown)


def drive_c(work: Path) -> Path:
    """Return the file system that becomes drive C:."""
    folder, image = work / "drive-c", work / "drive-c.img"
    (folder / "Windows/System32").mkdir(parents=True)
    (folder / "Users").mkdir()
    options = "lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0"
    run("mke2fs", "-q", "-t", "ext4", "-b", "4096", "-J", "size=4", "-L", "STANDIN-C", "-E", options, "-d", folder,
        image, f"{_DRIVE_C_MIB}M")  # fmt: skip
    return image


def iso(tree: Path, work: Path, setup_initrd: bytes, windows_initrd: bytes, target: Path) -> None:
    """Write the CD to ``target``."""
    root = work / "cd"
    for folder in ("boot", boot.CD_FOLDER, "sources/standin"):
        (root / folder).mkdir(parents=True)
    efi = boot.efi_disk(tree, work, windows_initrd)
    files = {
        "standin.cfg": default_block(),
        f"{boot.CD_FOLDER}/grub.cfg": boot.cd_config(),
        f"{boot.CD_FOLDER}/return.env": boot.RETURN_KEY,
        "boot/vmlinuz": boot.kernel(tree),
        "boot/initrd": setup_initrd,
        "boot/efisys.bin": boot.efi_cd(tree, work).read_bytes(),
        "sources/standin/efi.ext": boot.extents(efi),
        "sources/standin/windows.ext": boot.extents(drive_c(work)),
        "sources/standin/facts.json": json.dumps({"efi_bytes": efi.stat().st_size}).encode(),
    }
    for name, content in files.items():
        (root / name).write_bytes(content)
    wims(root / "sources", work)
    run("genisoimage", "-quiet", "-V", LABEL, "-iso-level", "3", "-J", "-joliet-long", "-udf", "-r",
        "-e", "boot/efisys.bin", "-no-emul-boot", "-o", target, root)  # fmt: skip
