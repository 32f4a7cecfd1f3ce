"""Small doors to the kernel, by way of busybox."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_MODULES = Path("/modules")
_SECURE_BOOT = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_Found = TypeVar("_Found")


def busybox(*argv: str) -> subprocess.CompletedProcess[bytes]:
    """Run one of busybox's programs and return how it ended."""
    return subprocess.run(["/bin/busybox", *argv], stdin=subprocess.DEVNULL, capture_output=True, check=False)


def load(group: str) -> None:
    """Load a group of kernel modules (a driver), in the order in which the build listed them."""
    for name in (_MODULES / f"{group}.order").read_text().split():
        busybox("insmod", str(_MODULES / name))


def wait(look: Callable[[], _Found | None], seconds: float) -> _Found | None:
    """Return what ``look`` finds, None if it finds nothing in time."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None or time.monotonic() > end:
            return found
        time.sleep(0.1)


def evidence() -> dict[str, object]:
    """Return what this boot shows of Secure Boot, the kernel's lockdown and the TPM."""
    variables = Path("/sys/firmware/efi/efivars")
    busybox("mount", "-t", "efivarfs", "-o", "ro", "efivarfs", str(variables))
    secure = variables / _SECURE_BOOT
    lockdown = Path("/sys/kernel/security/lockdown")
    version = Path("/sys/class/tpm/tpm0/tpm_version_major")
    return {
        "secure_boot": secure.read_bytes()[4] if secure.exists() else None,
        "lockdown": lockdown.read_text().strip() if lockdown.exists() else None,
        "tpm": Path("/dev/tpm0").exists(),
        "tpm_version": int(version.read_text()) if version.exists() else None,
    }


def power_off() -> None:
    """Switch the machine off."""
    busybox("sync")
    busybox("poweroff", "-f")
