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
    from pvekit.lab.qemu.kvm import choose
    from pvekit.lab.qemu.needs import NEEDS

    for need in NEEDS:
        there = need.present()
        fix = "" if there or need.optional else f"apt-get install {need.package}"
        yield Check(need.what, f"embedded node: {need.why}", there or need.optional, "yes" if there else "no", fix)
    if all(need.present() for need in NEEDS):
        chosen = choose()
        yield Check("acceleration", "embedded node: KVM is some ten times faster", True, f"{chosen.name}: {chosen.why}")


def _program(name: str, package: str, why: str) -> Check:
    path = shutil.which(name) or ""
    return Check(name, why, bool(path), path or "no", "" if path else f"apt-get install {package}")
