"""What is known about versions and cards, in one place and with a date; checks carry no lists of their own.

Sources: the PCI ID database (version 2026.08.22); gnif/vendor-reset src/device-db.h (084881c); Debian changelogs of
proxmox-kernel up to 7.0.14-14 and of qemu-server up to 9.2.6 (August 2026); NVIDIA/open-gpu-kernel-modules README.md
and osapi.c (515.43.04 to 595.45.04); NVIDIA's driver installation guide, "Kernel Modules", and its forum's UNIX feature
deprecation schedule; the NixOS wiki, NVIDIA (branch 580 for Maxwell to Volta; open modules for Blackwell);
NVIDIA/cuDecomp#97 (CUDA 13); pve-docs qm-pci-passthrough.adoc (e5010dc); Intel ARK as quoted in
QubesOS/qubes-issues#6741, and QubesOS/qubes-hcl.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.pattern import Pattern

AS_OF = "2026-08-22"

NVIDIA = "10de"
AMD = "1002"
INTEL = "8086"

_NVIDIA_RANGES: tuple[tuple[int, int, str], ...] = (
    (0x0FC0, 0x103F, "kepler"), (0x1040, 0x109B, "fermi"), (0x1140, 0x1140, "fermi"), (0x1180, 0x11FF, "kepler"),
    (0x1200, 0x1251, "fermi"), (0x1280, 0x130B, "kepler"), (0x1340, 0x1436, "maxwell"), (0x15C2, 0x15FF, "pascal"),
    (0x1613, 0x1676, "maxwell"), (0x1725, 0x172F, "pascal"), (0x174D, 0x17FD, "maxwell"), (0x1B00, 0x1D56, "pascal"),
    (0x1D81, 0x1DF6, "volta"), (0x1E02, 0x1FF9, "turing"), (0x2080, 0x20FF, "ampere"), (0x2182, 0x21D1, "turing"),
    (0x2200, 0x227F, "ampere"), (0x2302, 0x23F0, "hopper"), (0x2414, 0x25FB, "ampere"), (0x2681, 0x28F8, "ada"),
    (0x2900, 0x2F7F, "blackwell"), (0x3180, 0x3340, "blackwell"),
)  # fmt: skip
"""First and last device id of a run of cards of one architecture, both included (audio and USB functions left out)."""

_AMD_RANGES: tuple[tuple[int, int, str], ...] = (
    (0x6640, 0x665F, "gcn2"), (0x66A0, 0x66AF, "vega"), (0x67A0, 0x67BE, "gcn2"), (0x67C0, 0x67FF, "polaris"),
    (0x6860, 0x687F, "vega"), (0x6920, 0x693F, "gcn3"), (0x694C, 0x694F, "polaris"), (0x6980, 0x699F, "polaris"),
    (0x69A0, 0x69AF, "vega"), (0x6FDF, 0x6FDF, "polaris"), (0x7300, 0x7300, "gcn3"), (0x7310, 0x7312, "navi1"),
    (0x7318, 0x731F, "navi1"), (0x7340, 0x734F, "navi1"), (0x7360, 0x7362, "navi1"), (0x7388, 0x738E, "cdna"),
    (0x73A0, 0x73A3, "navi2"), (0x73A5, 0x73C3, "navi2"), (0x73C5, 0x73E3, "navi2"), (0x73E5, 0x73EF, "navi2"),
    (0x73F0, 0x73F0, "navi3"), (0x73F1, 0x73FF, "navi2"), (0x7408, 0x7410, "cdna"), (0x7420, 0x743F, "navi2"),
    (0x7448, 0x749F, "navi3"), (0x74A0, 0x74BD, "cdna"), (0x7550, 0x7551, "rdna4"), (0x7590, 0x7590, "rdna4"),
    (0x75A0, 0x75A8, "cdna"),
)  # fmt: skip

_CHIPS: tuple[tuple[str, str], ...] = (
    (r"\bGF1[0-9]{2}", "fermi"), (r"\bGK[0-9]{3}", "kepler"), (r"\bGM[0-9]{3}", "maxwell"),
    (r"\bGP10[0-9]|\bP10[246]-\d", "pascal"), (r"\bGV100", "volta"), (r"\bTU1[0-9]{2}", "turing"),
    (r"\bGA10[0-9]", "ampere"), (r"\bAD10[0-9]", "ada"), (r"\bGH100", "hopper"), (r"\bGB[123][0-9]{2}", "blackwell"),
    (r"\b(?:Ellesmere|Baffin|Lexa|Polaris ?[0-9]+)", "polaris"), (r"\bVega (?:10|12|20)", "vega"),
    (r"\bNavi 1[0-4]", "navi1"), (r"\bNavi 2[0-9]", "navi2"), (r"\bNavi 3[0-9]", "navi3"), (r"\bNavi 4[0-9]", "rdna4"),
)  # fmt: skip

RESET_BUG_IDS: frozenset[str] = frozenset(
    f"{AMD}:{device}"
    for device in (
        "67c0",
        "67c1",
        "67c2",
        "67c4",
        "67c7",
        "67c8",
        "67c9",
        "67ca",
        "67cc",
        "67cf",
        "67d0",
        "67df",
        "6fdf",
        "67e0",
        "67e1",
        "67e3",
        "67e7",
        "67e8",
        "67e9",
        "67eb",
        "67ef",
        "67ff",
        "6980",
        "6981",
        "6985",
        "6986",
        "6987",
        "6995",
        "6997",
        "699f",
        "6860",
        "6861",
        "6862",
        "6863",
        "6864",
        "6867",
        "6868",
        "6869",
        "686a",
        "686b",
        "686c",
        "686d",
        "686e",
        "686f",
        "687f",
        "66a0",
        "66a1",
        "66a2",
        "66a3",
        "66a4",
        "66a7",
        "66af",
        "7310",
        "7312",
        "7318",
        "7319",
        "731a",
        "731b",
        "731e",
        "731f",
        "7340",
        "7341",
        "7347",
        "734f",
        "7360",
        "7362",
        "738c",
    )
)
"""``vendor:device`` of the AMD cards that the vendor-reset module can reset (Polaris, Vega, Navi 1x, MI100)."""

HEADLESS_IDS: frozenset[str] = frozenset(f"{NVIDIA}:{device}" for device in ("1b07", "1b87", "1bc7", "1c07", "1c09"))
"""Mining cards of the Pascal series without outputs: P102-100, P104-100, P104-101, P106-100, P106-090."""

LAST_NVIDIA_BRANCH: dict[str, int] = {
    "fermi": 390, "kepler": 470, "maxwell": 580, "pascal": 580, "volta": 580,
}  # fmt: skip
"""The newest driver branch that still supports an architecture; those that are not named have not ended."""

FIRST_NVIDIA_BRANCH: dict[str, int] = {"ada": 520, "hopper": 515, "blackwell": 570}
"""No branch before this one knows an architecture (by the lists of cards of the open kernel modules, rounded down)."""

NVIDIA_OPEN_MODULES_WORK = frozenset({"turing", "ampere", "ada", "hopper", "blackwell"})
"""Architectures with a GSP, which NVIDIA's open kernel modules need."""

NVIDIA_OPEN_MODULES_NEEDED = frozenset({"blackwell"})
"""Architectures that the closed kernel modules do not support."""

CUDA_13_DROPPED = frozenset({"maxwell", "pascal", "volta"})
"""Architectures (sm_50 to sm_70) for which CUDA 13 builds no code."""

CODE_43_GONE_SINCE = 465
"""NVIDIA's Windows driver runs in a VM without hiding the hypervisor from this branch on."""

IOMMU_DEFAULT_ON_PVE = (6, 8)
"""Proxmox VE kernels from this version on enable Intel's IOMMU without an option."""

IOMMU_DEFAULT_ON_DEBIAN = (6, 12)
"""Debian kernels that were seen to do so without an option; older ones were not looked at."""

SIMPLEDRM_PVE = (5, 15, 19, 2)
"""Proxmox VE kernels from this version and ABI on hand the firmware's framebuffer to simpledrm."""

VFIO_VIRQFD_GONE = (6, 2)
"""From this version on vfio_virqfd is no module any more (it is built into vfio)."""

_DEBIAN = Pattern(r"\+deb\d+|-(?:amd64|cloud-amd64|rt-amd64)$")
_RELEASE = Pattern(r"(\d+)\.(\d+)(?:\.(\d+))?(?:-(\d+))?")


def architecture(vendor: str, device: str, name: str = "") -> str:
    """Return the architecture of a GPU, such as ``pascal`` or ``navi1``; "" when it is not known.

    ``vendor`` and ``device`` are four hex digits (or ""); ``name`` is lspci's, used where the numbers do not tell.
    """
    ranges = {NVIDIA: _NVIDIA_RANGES, AMD: _AMD_RANGES}.get(vendor.lower(), ())
    try:
        number = int(device, 16)
    except ValueError:
        number = -1
    for first, last, found in ranges:
        if first <= number <= last:
            return found
    if re.search(r"audio|usb|switch", name, re.IGNORECASE):
        return ""
    return next((found for pattern, found in _CHIPS if re.search(pattern, name)), "")


def release_key(release: str) -> tuple[int, int, int, int]:
    """Return what kernel releases and package versions are compared by: ``6.14.8-2-pve`` gives (6, 14, 8, 2).

    Numbers that are not there count as 0. Raises ValueError for a text that is no version.
    """
    found = _RELEASE.match(release.strip())
    if found is None:
        raise ValueError(f"not a kernel version: {release!r}")
    major, minor, patch, abi = (int(part or "0") for part in found.groups())
    return (major, minor, patch, abi)


def kernel_key(kernel: Kernel) -> tuple[int, int, int, int]:
    """Return the key of a running kernel: that of its package where it is known, else that of its release."""
    return release_key(kernel.package or kernel.release)


def iommu_on_by_default(kernel: Kernel) -> bool | None:
    """Return whether this kernel enables Intel's IOMMU without an option; None for kernels that nobody here knows."""
    if kernel.pve:
        return kernel.version[:2] >= IOMMU_DEFAULT_ON_PVE
    if _DEBIAN.search(kernel.release):
        return True if kernel.version[:2] >= IOMMU_DEFAULT_ON_DEBIAN else None
    return None


@dataclass(frozen=True, slots=True)
class Regression:
    """One known fault of Proxmox VE kernels: from ``first`` up to, but without, ``fixed`` (package versions).

    ``word`` names it for the checks; ``fixed`` None: no fixed release is known.
    """

    word: str
    text: str
    first: tuple[int, int, int, int]
    fixed: tuple[int, int, int, int] | None
    remedy: str
    source: str

    def has(self, kernel: Kernel) -> bool:
        """Return whether a kernel is one of those."""
        if not kernel.pve:
            return False
        key = kernel_key(kernel)
        return self.first <= key and (self.fixed is None or key < self.fixed)


KERNEL_REGRESSIONS: tuple[Regression, ...] = (
    Regression(
        "acs-quirk", "a fault in the ACS quirks joins IOMMU groups that were separate before",
        (6, 11, 0, 1), (6, 11, 0, 2),
        "Install proxmox-kernel-6.11 6.11.0-2 or newer.", "proxmox-kernel-6.11 changelog, 6.11.0-2 (#5926)",
    ),
    Regression(
        "no-pm", "a device without a PCI power management capability cannot be passed through",
        (6, 14, 0, 1), (6, 14, 8, 2),
        "Install proxmox-kernel-6.14 6.14.8-2 or newer.", "proxmox-kernel-6.14 changelog, 6.14.8-2",
    ),
    Regression(
        "nova-core", "nova_core, a driver that is not of use yet, takes NVIDIA cards", (7, 0, 2, 1), (7, 0, 2, 3),
        "Install proxmox-kernel-7.0 7.0.2-3 or newer, or blacklist nova_core.",
        "proxmox-kernel-7.0 changelog, 7.0.2-3",
    ),
    Regression(
        "amdgpu-ism", "taking an AMD card from amdgpu hangs (Idle State Manager of the display code)", (7, 0, 14, 1),
        (7, 0, 14, 3), "Install proxmox-kernel-7.0 7.0.14-3 or newer.", "proxmox-kernel-7.0 changelog, 7.0.14-3",
    ),
)  # fmt: skip
"""Known faults of Proxmox VE kernels that break passthrough."""

_NO_DIRECTED_IO = Pattern(r"\bi5-(?:2500K|3570K|2410M)\b|\bi7-4770K\b")
"""Processors that Intel lists without VT-d (i5-3570K), or that testers of Qubes OS found to have none."""


def lacks_directed_io(model: str) -> bool:
    """Return whether this processor is known to have no IOMMU at all. ``model`` as in /proc/cpuinfo."""
    return _NO_DIRECTED_IO.search(model) is not None


@dataclass(frozen=True, slots=True)
class PackageRegression:
    """One known fault of a Proxmox VE package before version ``fixed``; ``sign`` is a pattern of what it prints."""

    package: str
    text: str
    sign: str
    fixed: tuple[int, ...]
    remedy: str
    source: str


PACKAGE_REGRESSIONS: tuple[PackageRegression, ...] = (
    PackageRegression(
        "qemu-server", "a device that cannot be reset ends the start of the VM", r"can't reset PCI device '", (8, 2, 6),
        "Install qemu-server 8.2.6 or newer.", "qemu-server changelog, 8.2.6",
    ),
)  # fmt: skip
"""Known faults of other packages that break passthrough, with what they print."""


def package_key(version: str) -> tuple[int, ...]:
    """Return what package versions are compared by: ``8.2.6`` gives (8, 2, 6); an epoch is left out."""
    return tuple(int(part) for part in re.findall(r"\d+", version.rpartition(":")[2].partition("~")[0]))
