"""What the embedded node needs from the host, and how to get it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from pvekit.lab.doors import DoorError

OVMF = Path("/usr/share/OVMF")


@dataclass(frozen=True, slots=True)
class Need:
    """One program (a name) or file (an absolute path), the Debian package that brings it, and what it is for."""

    what: str
    package: str
    why: str
    optional: bool = False

    def present(self) -> bool:
        """Return whether the host has it."""
        return Path(self.what).exists() if self.what.startswith("/") else shutil.which(self.what) is not None


NEEDS = (
    Need("qemu-system-x86_64", "qemu-system-x86", "runs the VMs"),
    Need("qemu-img", "qemu-utils", "makes, copies and snapshots disks"),
    Need(f"{OVMF}/OVMF_CODE_4M.secboot.fd", "ovmf", "UEFI firmware", optional=True),
    Need("swtpm", "swtpm", "TPM of Windows 11 VMs", optional=True),
    Need("mmdebstrap", "mmdebstrap", "builds the base image from packages"),
    Need("mke2fs", "e2fsprogs", "builds the base image: file system"),
    Need("sfdisk", "fdisk", "builds the base image: partitions"),
    Need("mformat", "mtools", "builds the base image: EFI partition"),
    Need("grub-mkimage", "grub-common", "builds the base image: boot loader"),
    Need("xz", "xz-utils", "builds the base image: kernel modules"),
    Need("setpriv", "util-linux", "ends a build's children with it"),
    Need("/usr/lib/grub/i386-pc/boot.img", "grub-pc-bin", "builds the base image: boot under SeaBIOS"),
    Need("/usr/lib/shim/shimx64.efi.signed", "shim-signed", "builds the base image: boot with Secure Boot"),
    Need("/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", "grub-efi-amd64-signed", "builds the base image: UEFI"),
    Need("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring", "checks Debian's signatures"),
)


def missing() -> tuple[Need, ...]:
    """Return what the host lacks."""
    return tuple(need for need in NEEDS if not need.present())


def install_command(needs: tuple[Need, ...]) -> str:
    """Return the command that installs these needs on Debian and Ubuntu."""
    return "apt-get install --no-install-recommends " + " ".join(sorted({need.package for need in needs}))


def require(*names: str) -> None:
    """Raise DoorError with the install command for each of these programs or files that is missing."""
    lacking = tuple(need for need in NEEDS if need.what in names and not need.present())
    if lacking:
        listed = ", ".join(f"{need.what} ({need.why})" for need in lacking)
        raise DoorError(f"this host lacks {listed}; install it: {install_command(lacking)}")
