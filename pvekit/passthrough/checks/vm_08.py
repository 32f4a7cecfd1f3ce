"""The guest starts with Secure Boot and refuses the GPU driver, which nobody signed for it.

``modprobe`` says ``Key was rejected by service`` (older: ``Required key not available``), the guest's kernel
``Loading of ... is rejected``. On PVE an EFI disk with ``pre-enrolled-keys=1`` brings Microsoft's keys and switches
Secure Boot on. ``module verification failed: signature and/or required key missing - tainting kernel`` is harmless:
it is printed where an unsigned module was let in.
"""

from __future__ import annotations

import re

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.vmrules import at, in_question, on, options, said

TITLE = "Secure Boot in the guest rejects the driver"
LAYER = Layer.GUEST
SOURCES = ("Linux kernel/module/signing.c, module_sig_check()", "pve-docs qm.adoc, OVMF and pre-enrolled-keys")
_REMEDY = Remedy(
    "Enrol the key that signs the driver in the guest (mokutil --import), or switch Secure Boot off in the guest's "
    "firmware menu, or make a new EFI disk with pre-enrolled-keys=0.",
    risk="A new EFI disk loses the guest's boot entries.",
)
_REJECTED = r"(?:insert|insmod).*(?:Key was rejected by service|Required key not available)|Loading of .* is rejected"
_DRIVERS = ("nvidia", "amdgpu", "i915", "xe", "module")


def check(vms: VmConfigs | Missing, target: Target | Missing, log: GuestLog | Missing) -> Outcome | None:
    """Look for the rejection."""
    hit = said(_REJECTED, log)
    keyed = [
        vm
        for vm in in_question(vms, target)
        if on(options(vm.values.get("efidisk0", ""), "file").get("pre-enrolled-keys"))
    ]
    keys = at(keyed[0], "efidisk0") if keyed else ()
    if hit is not None:
        module = re.search(r"(?:module |insert )'?(?:\S*/)?([\w-]+?)(?:\.ko\S*)?'?[:,]", hit[0][0])
        if module is not None and not module[1].startswith(_DRIVERS):
            return noted(f"Secure Boot rejected the module {module[1]}, which is no GPU driver", hit[1], *keys)
        return failed("the guest's kernel rejected a module because of Secure Boot", hit[1], *keys,
                      remedy=_REMEDY, confidence=Confidence.MEDIUM)  # fmt: skip
    loaded = said(r"NVRM: loading NVIDIA|nvidia-modeset: Loading|\[drm\] amdgpu kernel modesetting enabled", log)
    if loaded is not None:
        return passed("the guest's kernel took the driver", loaded[1])
    if keyed and not keyed[0].values.get("ostype", "").startswith("win"):
        return noted("the EFI disk brings Secure Boot keys: the guest takes only signed drivers", *keys)
    return None
