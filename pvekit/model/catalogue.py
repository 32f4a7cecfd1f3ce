"""What pvekit fetches itself, pinned: address, version, size and sha256. As of 22 November 2026.

Every checksum was found in at least two places that do not copy from each other; they are named with each entry.
Nothing here follows "latest": virtio-win 0.1.262 to 0.1.266 lost network cards on upgrade.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Pinned:
    """One file. ``size`` in bytes; ``sha256`` 64 lower-case digits; ``sources`` say where the checksum stands."""

    name: str
    version: str
    filename: str
    url: str
    size: int
    sha256: str
    sources: tuple[str, ...]


_ALL = (
    Pinned(
        name="virtio-win",
        version="0.1.285",
        filename="virtio-win-0.1.285.iso",
        url="https://fedorapeople.org/groups/virt/virtio-win/direct-downloads/archive-virtio/"
        "virtio-win-0.1.285-1/virtio-win-0.1.285.iso",
        size=789_645_312,
        sha256="e14cf2b94492c3e925f0070ba7fdfedeb2048c91eea9c5a5afb30232a3976331",
        sources=(
            "Pumba98/proxmox-packer-templates, windows-11.pkrvars.hcl",
            "the virtio-win package script of a Windows package collection (checksum in capitals)",
            "two records of downloads from stable-virtio in 2026; the size also in a PVE configuration (771138K)",
        ),
    ),
    Pinned(
        name="openssh",
        version="10.0.0.0p2-Preview",
        filename="OpenSSH-Win64-v10.0.0.0.msi",
        url="https://github.com/PowerShell/Win32-OpenSSH/releases/download/10.0.0.0p2-Preview/"
        "OpenSSH-Win64-v10.0.0.0.msi",
        size=6_586_368,
        sha256="ddec9c53864280759cf9f74791cefd387100e3946aa849a1c138a4ed1b96b7d9",
        sources=(
            "microsoft/winget-pkgs, Microsoft.OpenSSH.Preview 10.0.0.0 (2025-10-27)",
            "GitHub's digest of the release file, as several projects that pin it record",
        ),
    ),
)

CATALOGUE: Mapping[str, Pinned] = MappingProxyType({each.name: each for each in _ALL})
