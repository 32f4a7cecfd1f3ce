"""The guest's firmware or kernel has no room for the card's BAR, although the host has.

The host gave the BAR an address, but in the guest ``BAR 1 [mem size 0x... 64bit pref]: can't assign; no space`` or
``NVRM: BAR1 is 0M @ 0x0`` says that the guest found none. SeaBIOS with i440fx, a small address width (kvm64, or OVMF
limited to 40 bits) and OVMF's default window are the usual reasons for cards with large BARs. When the host itself
has no address for the BAR, that is the cause (BA-01); when the guest's window is large enough, see BA-06.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough import guestbars
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, passed, unknown

TITLE = "The guest's memory window is too small for the card's BAR"
LAYER = Layer.BARS
FOLLOWS = ("BA-01", "BA-03")
SOURCES = (
    "Linux drivers/pci/setup-res.c, pci_assign_resource() (in the guest)",
    "NVIDIA open-gpu-kernel-modules kernel-open/nvidia/nv-pci.c, nv_pci_validate_bars()",
    "edk2 OvmfPkg/Library/PlatformInitLib (opt/ovmf/X-PciMmio64Mb)",
    "qemu-server PVE/QemuServer/CPUConfig.pm, check_phys_bits_above_40_compat()",
)
_REMEDY = Remedy(
    "Use bios: ovmf with machine: q35 and cpu: host. For a BAR of 16 GiB or more add to the VM: "
    "args: -fw_cfg name=opt/ovmf/X-PciMmio64Mb,string=65536 (a window of 64 GiB)."
)


def check(guest: GuestLog | Missing, target: Target | Missing) -> Outcome | None:
    """Compare what the guest lacks with what the host has."""
    lost = guestbars.lost(guest)
    if lost is None:
        return None
    host = guestbars.host_places(target)
    if host is False:
        return passed("the host itself has no address for the BAR", *lost.evidence)
    if lost.window and lost.size and lost.window >= lost.size:
        return passed("the guest's window is large enough for the BAR", *lost.evidence)
    if lost.size is None and host is None:
        return unknown(
            "the guest sees a BAR without an address; the host's side is not known",
            *lost.evidence,
            missing=("pci_sysfs.txt", "lspci.txt"),
        )
    what = f"a BAR of {guestbars.human(lost.size)}" if lost.size else "the card's BAR"
    return failed(
        f"the guest has no room for {what}",
        *lost.evidence,
        remedy=_REMEDY,
        confidence=Confidence.HIGH if host and lost.size and lost.window else Confidence.MEDIUM,
    )
