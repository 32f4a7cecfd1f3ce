"""The signed chain on FAT: Debian's shim, its GRUB, and the two configurations of that GRUB."""

from __future__ import annotations

import string
import struct
from pathlib import Path

from tests.standin.guest.disk import EXTENTS
from tests.standin.packages import run
from tests.standin.switches import PROMPT, PROMPT_SECONDS

_SHIM = "usr/lib/shim/shimx64.efi.signed"
_GRUB = "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
_ARGUMENTS = (
    "quiet loglevel=2 mitigations=off nokaslr audit=0 lsm=lockdown random.trust_cpu=on tsc=nowatchdog nowatchdog "
    "cryptomgr.notests psi=0 console=ttyS0,115200 console=tty0"
)
_KEYS = string.ascii_letters + string.digits
_SLACK, _STEP = 2 << 20, 1 << 20
_BLOCK = 1 << 16

# GRUB has no name for the return key, and drops it from its own configuration, but not from an environment block.
RETURN_KEY = b"# GRUB Environment Block\nreturn=\r\n".ljust(1024, b"#")

CD_FOLDER = "EFI/debian"
"""Where the signed GRUB looks for its configuration: on the CD's own file system, not on the boot image."""


def cd_config() -> bytes:
    """Return the menu of the CD: hidden, with a hotkey for every key; without a key the firmware goes on.

    Setup's own prompt comes from the CD's boot program, and takes any key within about five seconds.
    """
    start = f"linux /boot/vmlinuz standin=setup {_ARGUMENTS}\n  initrd /boot/initrd\n"
    keys = " ".join(_KEYS)
    return (
        PROMPT % PROMPT_SECONDS
        + (
            "load_env --file $prefix/return.env return\n"
            f"function begin {{\n  echo 'Loading files...'\n  {start}  boot\n}}\n"
            "if [ $prompt = 00 ]; then begin; fi\n"
            "menuentry 'next' { exit 1 }\n"
            f"for key in {keys}; do\n  menuentry 'Setup' --hotkey=$key {{ begin }}\ndone\n"
            "menuentry 'Setup' --hotkey=\"$return\" { begin }\n"
            "menuentry 'Setup' --hotkey=' ' { begin }\n"
            "echo 'Press any key to boot from CD or DVD......'\n"
            "set default=0\nset timeout_style=hidden\nset timeout=$prompt\n"
        ).encode()
    )


def disk_config() -> bytes:
    """Return the configuration on the installed disk."""
    return f"linux /vmlinuz standin=windows {_ARGUMENTS}\ninitrd /initrd\nboot\n".encode()


def efi_cd(tree: Path, work: Path) -> Path:
    """Return the boot image of the CD."""
    return _fat(work / "cd.img", _chain(tree), work)


def efi_disk(tree: Path, work: Path, initrd: bytes) -> Path:
    """Return the EFI partition of the installed disk: all that its boot needs."""
    files = {**_chain(tree), "EFI/debian/grub.cfg": disk_config(), "vmlinuz": kernel(tree), "initrd": initrd}
    return _fat(work / "esp.img", files, work)


def kernel(tree: Path) -> bytes:
    """Return the signed kernel."""
    (found,) = tree.glob("boot/vmlinuz-*")
    return found.read_bytes()


def _chain(tree: Path) -> dict[str, bytes]:
    return {
        "EFI/BOOT/BOOTX64.EFI": (tree / _SHIM).read_bytes(),
        "EFI/BOOT/grubx64.efi": (tree / _GRUB).read_bytes(),
    }


def _fat(image: Path, files: dict[str, bytes], work: Path) -> Path:
    size = (sum(map(len, files.values())) + _SLACK) // _STEP * _STEP + _STEP
    with image.open("wb") as file:
        file.truncate(size)
    run("mformat", "-i", image, "-T", str(size // 512), "-h", "64", "-s", "32", "-N", "50564b54", "-v", "ESP", "::")
    run("mmd", "-i", image, "::/EFI", "::/EFI/BOOT", "::/EFI/debian")
    for name, content in files.items():
        source = work / "fat-file"
        source.write_bytes(content)
        run("mcopy", "-i", image, source, f"::/{name}")
    return image


def extents(image: Path) -> bytes:
    """Return the used parts of an image, as the guest writes them to the disk."""
    data = image.read_bytes()
    parts: list[tuple[int, int]] = []
    for at in range(0, len(data), _BLOCK):
        block = data[at : at + _BLOCK]
        if not any(block):
            continue
        if parts and sum(parts[-1]) == at:
            parts[-1] = (parts[-1][0], parts[-1][1] + len(block))
        else:
            parts.append((at, len(block)))
    head = struct.pack("<8sI", EXTENTS, len(parts)) + b"".join(struct.pack("<QQ", *part) for part in parts)
    return head + b"".join(data[offset : offset + length] for offset, length in parts)
