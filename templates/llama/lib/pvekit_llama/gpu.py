"""Which cards the guest sees, which driver it has, and which CUDA goes with both."""

import re
from pathlib import Path

from pvekit_llama.run import Failed, run

DEVICES = Path("/sys/bus/pci/devices")
DRIVER = Path("/proc/driver/nvidia/version")
NVIDIA = 0x10DE
LAST_OF_OLD = 580
"""NVIDIA's last driver branch for Maxwell, Pascal and Volta; CUDA 13 and the branches after it have dropped them."""
FIRST_FOR_13, FIRST_FOR_12 = 580, 525
"""The driver branches that CUDA 13 and CUDA 12 ask for."""


def cards(folder=None):
    """Return (vendor, device) of every display controller."""
    found = []
    for path in sorted((folder or DEVICES).glob("*")):
        try:
            kind, vendor, device = (int((path / name).read_text(), 16) for name in ("class", "vendor", "device"))
        except (OSError, ValueError):
            continue
        # QEMU's own displays are of other vendors
        if kind >> 16 == 0x03 and vendor in (NVIDIA, 0x1002, 0x8086):
            found.append((vendor, device))
    return found


def old(vendor, device):
    """Return whether it is a card of Maxwell, Pascal or Volta: NVIDIA's ids below Turing's first, 1e02."""
    return vendor == NVIDIA and 0x1340 <= device < 0x1E00


def too_old(vendor, device):
    """Return whether no CUDA of today knows the card (Kepler and before)."""
    return vendor == NVIDIA and device < 0x1340


def driver(path=None):
    """Return the major number of the loaded NVIDIA driver; None when there is none."""
    try:
        text = (path or DRIVER).read_text()
    except OSError:
        return None
    found = re.search(r"\b(\d{3})\.\d+(?:\.\d+)?\b", text)
    return int(found[1]) if found else None


def cuda_for(found, branch):
    """Return the major number of CUDA that goes with the cards and the driver; None without a card of NVIDIA.

    Failed when nothing goes with them.
    """
    nvidia = [card for card in found if card[0] == NVIDIA]
    if not nvidia:
        return None
    names = ", ".join(f"{vendor:04x}:{device:04x}" for vendor, device in nvidia)
    aged = any(old(*card) for card in nvidia)
    if any(too_old(*card) for card in nvidia):
        raise Failed(f"the card {names} is older than what CUDA 12 knows. Write gpu_layers: 0, or give the VM another.")
    if branch is None:
        which = (
            f"branch {LAST_OF_OLD} (later ones have dropped this card)" if aged else f"branch {FIRST_FOR_13} or later"
        )
        raise Failed(
            f"no NVIDIA driver is loaded in the guest, which has the card {names}. Install {which}, for example with "
            "packages: or a playbook of your own, restart the VM, and run pvekit up again."
        )
    if aged and branch > LAST_OF_OLD:
        raise Failed(
            f"the driver {branch} has dropped the card {names}. Install branch {LAST_OF_OLD}, and run pvekit up again."
        )
    if branch < FIRST_FOR_12:
        raise Failed(f"the driver {branch} is too old for CUDA 12, which needs {FIRST_FOR_12} or later.")
    return 13 if branch >= FIRST_FOR_13 and not aged else 12


def toolkit():
    """Return the major number of CUDA's compiler. Failed when it is not there."""
    try:
        text = run("nvcc", "--version")
    except Failed:
        raise Failed(
            "CUDA's compiler nvcc is missing in the guest. Install the toolkit (12.x for Maxwell, Pascal and Volta)."
        ) from None
    found = re.search(r"release (\d+)\.", text)
    if not found:
        raise Failed("nvcc does not say its release.")
    return int(found[1])


def judge(config, found=None, branch=None, compiler=toolkit):
    """Return the CUDA to take (12 or 13), or None for none. Failed when it cannot work: before anything is fetched."""
    if not config.gpus or config.settings.get("gpu_layers") == 0:
        return None
    seen = cards() if found is None else found
    if not seen:
        raise Failed(
            f"the stack file gives the VM {config.gpus} card(s), and the guest sees none. See: pvekit passthrough"
        )
    wanted = cuda_for(seen, driver() if branch is None else branch or None)
    aged = any(old(*card) for card in seen)
    if config.install["how"] == "build" and config.install.get("cuda") and aged and compiler() > 12:
        raise Failed("CUDA 13 has dropped this card: install the CUDA 12 toolkit, and run pvekit up again.")
    address = config.install.get("url") or ""
    if config.install["how"] == "release" and aged and re.search(r"cuda-?13", address):
        raise Failed("this archive is for CUDA 13, which has dropped the card: take the one for CUDA 12.")
    return wanted
