"""What this machine lacks, and the command that installs it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that pvekit uses. ``fix`` is the command that helps, empty when all is well."""

    what: str
    why: str
    ok: bool
    found: str
    fix: str = ""


def environment() -> tuple[Check, ...]:
    """Return all checks of this machine: what every use needs, then what only the embedded node needs."""
    return (*_everywhere(), *_lab())


def _everywhere() -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Check("python", "runs pvekit", sys.version_info >= (3, 11), version, "install Python 3.11 or newer")
    yield _program("ssh", "openssh-client", "Ansible and pvekit ssh")


def _lab() -> Iterator[Check]:
    from pvekit.lab.qemu.kvm import accelerator
    from pvekit.lab.qemu.needs import NEEDS

    for need in NEEDS:
        yield _program(need.program, need.package, need.why)
    chosen = accelerator()
    yield Check("acceleration", "embedded node: guests are about ten times faster with KVM", True, chosen)


def _program(name: str, package: str, why: str) -> Check:
    path = shutil.which(name) or ""
    return Check(name, why, bool(path), path or "not found", "" if path else f"apt-get install {package}")
