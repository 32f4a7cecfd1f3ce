"""The driver in the guest does not fit the vGPU that the host gives it.

A vGPU needs NVIDIA's guest driver of a release that fits the host's vGPU manager: ``Incompatible Guest/Host
drivers``, or ``The NVIDIA vGPU ... is not supported by open nvidia.ko``. The ordinary driver says of a vGPU that the
GPU ``is not supported by the NVIDIA ... driver release``, although its branch supports such cards. A card that is
passed as a whole takes the ordinary driver.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.guestdriver import GuestDriver
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.guestcard import fits
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.pattern import Pattern
from pvekit.passthrough.vmrules import in_question, said

TITLE = "Guest driver does not fit the vGPU"
LAYER = Layer.GUEST
SOURCES = (
    "NVIDIA open-gpu-kernel-modules src/nvidia/src/kernel/vgpu/rpc.c",
    "NVIDIA open-gpu-kernel-modules src/nvidia/arch/nvalloc/unix/src/osapi.c, rm_is_supported_device()",
)
_SAID = (
    r"Incompatible Guest/Host drivers: (?:Guest|Host) VGX version is (?:older|newer) than the |"
    r"NVRM: The NVIDIA vGPU .*is not supported by open\s+nvidia\.ko"
)
_ORDINARY = Pattern(r"NVRM: The NVIDIA GPU .*installed in this system is not supported by the\s+NVIDIA (\d+)\S* driver")
_REMEDY = Remedy("Install the guest driver that comes with the host's vGPU software, of the same release.")


def check(
    vms: VmConfigs | Missing, target: Target | Missing, log: GuestLog | Missing, host: KernelLog | Missing,
    start: StartLog | Missing, driver: GuestDriver | Missing,
) -> Outcome | None:  # fmt: skip
    """Look for the refusal."""
    hit = said(_SAID, log, host, start)
    if hit is not None:
        return failed("the guest's driver and the host's vGPU software do not fit", hit[1], remedy=_REMEDY,
                      confidence=Confidence.MEDIUM)  # fmt: skip
    shared = [entry for vm in in_question(vms, target) for entry in vm.hostpci if "mdev" in entry.options]
    plain = said(_ORDINARY, log)
    if plain is not None and shared:
        return failed("the guest has an ordinary driver, and a vGPU needs the one of the vGPU software", plain[1],
                      shared[0].line, remedy=_REMEDY)  # fmt: skip
    if plain is not None and fits(plain[0][0], int(plain[0][1])):
        return failed("the ordinary driver refuses a card that its branch supports, as it does with a vGPU", plain[1],
                      remedy=_REMEDY, confidence=Confidence.LOW)  # fmt: skip
    if shared and not isinstance(driver, Missing) and driver.works:
        return passed("the guest's driver drives the vGPU", *driver.evidence)
    return None
