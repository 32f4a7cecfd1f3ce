"""Secure Boot lets the kernel refuse a module that passthrough wants.

Modules built on the machine (vendor-reset, NVIDIA's driver on the host) are not signed with a key that the firmware
knows. The kernel says ``Loading of unsigned module is rejected`` or ``Lockdown: modprobe: unsigned module loading
is restricted``, modprobe ``Key was rejected by service``. ``module verification failed ... tainting kernel`` is not
that: the module was loaded. Modules of the kernel package itself, vfio-pci among them, are signed.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.boot import Boot
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.modules import LoadedModules
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "Secure Boot: the kernel refuses a module"
LAYER = Layer.RESET
SOURCES = (
    "Linux kernel/module/signing.c, module_sig_check()",
    "Linux security/lockdown/lockdown.c, lockdown_is_locked_down()",
)
_REJECTED = Pattern(
    r"Loading of (?:unsigned module|module with unsupported crypto|module with unavailable key) is rejected"
    r"|Lockdown: \S+ unsigned module loading is restricted"
)
_NAMED = Pattern(r"(vendor[-_]reset|nvidia)\S*: Key was rejected by service|"
                    r"Failed to insert module '(vendor[-_]reset|nvidia)\w*': Key was rejected")  # fmt: skip
_REMEDY = Remedy(
    "Enrol the key that DKMS signs with (mokutil --import), or switch Secure Boot off in the firmware setup.",
    risk="without Secure Boot the machine starts any boot loader",
)


def check(
    log: KernelLog | Missing, boot: Boot | Missing, modprobe: Modprobe | Missing, modules: LoadedModules | Missing
) -> Outcome | None:  # fmt: skip
    """Look for a refusal, and for what was refused."""
    hit = None if isinstance(log, Missing) else log.first(_REJECTED)
    if hit is None or isinstance(log, Missing):
        if isinstance(boot, Missing) or boot.secure_boot is not False:
            return None
        return passed("Secure Boot is off", *boot.evidence)
    named = log.first(_NAMED)
    wanted = None if isinstance(modprobe, Missing) else next(
        (item.line for item in modprobe.settings if item.kind == "load" and item.module == "vendor_reset"), None
    )  # fmt: skip
    loaded = not isinstance(modules, Missing) and "vendor_reset" in modules.lines
    if named is not None or (wanted is not None and not loaded):
        lines = [line for line in (hit[1], named[1] if named else None, wanted) if line is not None]
        return failed("the kernel refuses an unsigned module", *lines, remedy=_REMEDY, confidence=Confidence.MEDIUM)
    return noted("the kernel refuses a module that is not signed; nothing tells which", hit[1], remedy=_REMEDY)
