"""Makes a bootable disk from a directory tree with plain file tools: no loop device, no mount, no root.

One GPT disk for both firmwares. SeaBIOS runs the boot sector, which loads GRUB from the BIOS boot partition; OVMF
loads Debian's signed shim and GRUB from the EFI system partition, so Secure Boot works. Both then read the same
``/boot/grub/grub.cfg`` in the root file system.

Partition numbers follow Debian's own cloud images: 1 root (last on the disk, so that growpart can grow it),
14 BIOS boot, 15 EFI.
"""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

from pvekit.lab.doors import DoorError

SECTOR = 512
MIB = 1024 * 1024
_BIOS_START, _BIOS_SIZE = 1 * MIB, 1 * MIB
_ESP_START, _ESP_SIZE = 2 * MIB, 30 * MIB
_ROOT_START = 32 * MIB
_BACKUP_GPT = 1 * MIB

_GRUB = Path("/usr/lib/grub/i386-pc")
_SHIM = Path("/usr/lib/shim/shimx64.efi.signed")
_SIGNED_GRUB = Path("/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed")
_GRUB_MODULES = ("biosdisk", "part_gpt", "ext2", "normal", "linux", "search", "search_fs_uuid", "configfile", "serial",
                 "terminal", "test", "echo", "ls", "minicmd", "loadenv")  # fmt: skip
"""No module lies in the image itself: what a menu needs is in the core. Debian's signed GRUB brings its own."""

# Offsets in GRUB's boot.img and in the first sector of core.img (diskboot.img), from GRUB's boot.h and diskboot.S.
_BOOT_CODE_BYTES = 440
_KERNEL_SECTOR = 0x5C
_DRIVE_CHECK = 0x66
_FIRST_BLOCK = 0x1F4


def make_disk(root: Path, work: Path, target: Path, uuid: str, size: int) -> None:
    """Write ``target`` (qcow2, ``size`` bytes virtual) from the tree; scratch files go into ``work``."""
    raw = work / "disk.raw"
    with raw.open("wb") as file:
        file.truncate(size)
    _partition(raw, size)
    _root(raw, root, uuid, size - _ROOT_START - _BACKUP_GPT)
    pointer = work / "grub-pointer.cfg"
    pointer.write_text(first_stage(uuid))
    _efi(raw, pointer)
    _bios(raw, pointer, work / "core.img")
    _run("qemu-img", "convert", "-q", "-O", "qcow2", "-o", "lazy_refcounts=on", str(raw), str(target))
    raw.unlink()


def first_stage(uuid: str) -> str:
    """Return the configuration that finds the real one.

    ``normal`` reads the list of commands below the prefix, where a guest has installed GRUB's modules; ``configfile``
    does not, and a menu of update-grub would be without load_env.
    """
    return f"search.fs_uuid {uuid} root\nset prefix=($root)/boot/grub\nnormal $prefix/grub.cfg\n"


def _partition(raw: Path, size: int) -> None:
    root_sectors = (size - _ROOT_START - _BACKUP_GPT) // SECTOR
    layout = (
        "label: gpt\nfirst-lba: 34\n"
        f"14: start={_BIOS_START // SECTOR}, size={_BIOS_SIZE // SECTOR}, type=21686148-6449-6E6F-744E-656564454649\n"
        f"15: start={_ESP_START // SECTOR}, size={_ESP_SIZE // SECTOR}, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\n"
        f"1: start={_ROOT_START // SECTOR}, size={root_sectors}, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n"
    )
    _run("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", str(raw), stdin=layout)


def _root(raw: Path, root: Path, uuid: str, size: int) -> None:
    options = f"offset={_ROOT_START},lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0"
    _run("mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-L", "root", "-U", uuid, "-E", options, "-d", str(root),
         str(raw), f"{size // 1024}k")  # fmt: skip


def _efi(raw: Path, pointer: Path) -> None:
    volume = f"{raw}@@{_ESP_START}"
    _run("mformat", "-i", volume, "-T", str(_ESP_SIZE // SECTOR), "-h", "64", "-s", "32", "-v", "ESP", "::")
    _run("mmd", "-i", volume, "::/EFI", "::/EFI/BOOT", "::/EFI/debian")
    for source, name in ((_SHIM, "BOOT/BOOTX64.EFI"), (_SIGNED_GRUB, "BOOT/grubx64.efi"),
                         (pointer, "BOOT/grub.cfg"), (pointer, "debian/grub.cfg")):  # fmt: skip
        _run("mcopy", "-i", volume, str(source), f"::/EFI/{name}")


def _bios(raw: Path, pointer: Path, core: Path) -> None:
    _run(
        "grub-mkimage", "-O", "i386-pc", "-p", "(,gpt1)/boot/grub", "-c", str(pointer), "-o", str(core), *_GRUB_MODULES
    )
    first = _BIOS_START // SECTOR
    boot, body = boot_sector((_GRUB / "boot.img").read_bytes(), first), core_image(core.read_bytes(), first)
    if len(body) > _BIOS_SIZE:
        raise DoorError(f"GRUB's core image has {len(body)} bytes, the BIOS boot partition {_BIOS_SIZE}")
    with raw.open("r+b") as file:
        file.write(boot)
        file.seek(_BIOS_START)
        file.write(body)


def boot_sector(image: bytes, first: int) -> bytes:
    """Return the boot code that loads sector ``first`` (LBA); the partition table behind it is not touched."""
    code = bytearray(image)
    code[_KERNEL_SECTOR : _KERNEL_SECTOR + 8] = struct.pack("<Q", first)
    code[_DRIVE_CHECK : _DRIVE_CHECK + 2] = b"\x90\x90"  # trust the drive number that the firmware passes
    return bytes(code[:_BOOT_CODE_BYTES])


def core_image(image: bytes, first: int) -> bytes:
    """Return GRUB's core with its block list pointing to the sector after ``first``, where its second part lies."""
    body = bytearray(image)
    body[_FIRST_BLOCK : _FIRST_BLOCK + 8] = struct.pack("<Q", first + 1)
    return bytes(body)


def _run(*argv: str, stdin: str | None = None) -> None:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DoorError(f"{argv[0]} ended with status {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
