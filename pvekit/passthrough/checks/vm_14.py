"""The rules for an Intel GPU in legacy mode (``legacy-igd=1``) are broken; PVE refuses such a start.

It needs the machine type i440fx, ``vga: none``, the ROM (``rombar`` on), the device 00:02.0 alone, no ``x-vga`` and
no ``mdev``. Where the emulated display is still there, QEMU says ``slot 2 function 0 not available for vfio-pci, in use
by VGA``.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import HostPci, VmConfig, VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.vmrules import at, in_question, lacks, named, off, on, q35, said, vga

TITLE = "Rules of legacy-igd are broken"
LAYER = Layer.VM
SOURCES = (
    "qemu-server PVE/QemuServer/PCI.pm, parse_hostpci_devices()",
    "QEMU hw/pci/pci.c, do_pci_register_device()",
)
_SAID = (
    r"legacy IGD assignment .*|only one device can be assigned in legacy-igd mode|"
    r"PCI: slot 2 function 0 not available for vfio-pci, in use by \S+"
)
_REMEDY = Remedy(
    "For legacy-igd=1 set vga: none, take the machine line out (i440fx), pass 00:02.0 alone, and leave rombar on; "
    "newer Intel GPUs are passed without legacy-igd."
)


def _broken(vm: VmConfig, entry: HostPci) -> str:
    """Return the rule that is broken; "" when none is."""
    rules = (
        (q35(vm), "the machine type is q35"),
        (vga(vm) not in {"", "none"} or lacks(vm, "vga"), "vga is not none"),
        (off(entry.options.get("rombar")), "rombar is off"),
        (on(entry.options.get("x-vga")), "x-vga is set"),
        ("mdev" in entry.options, "mdev is set"),
        (bool(entry.addresses) and not entry.addresses[0].endswith(("02.0", ":02")), "the device is not 00:02.0"),
    )
    return next((text for broken, text in rules if broken), "")


def check(vms: VmConfigs | Missing, target: Target | Missing, start: StartLog | Missing) -> Outcome | None:
    """Compare the configuration with PVE's rules."""
    hit = said(_SAID, start)
    seen = None
    for vm in in_question(vms, target):
        for entry in vm.hostpci:
            if not on(entry.options.get("legacy-igd")):
                continue
            seen = entry
            rule = _broken(vm, entry)
            if rule:
                return failed(f"{named(vm)} passes {entry.key} in legacy mode, and {rule}", entry.line,
                              *at(vm, "machine", "vga"), *((hit[1],) if hit else ()), remedy=_REMEDY)  # fmt: skip
    if hit is not None:
        return failed(f"the start was refused: {hit[0][0]}", hit[1], remedy=_REMEDY, confidence=Confidence.MEDIUM)
    return None if seen is None else passed("the rules of legacy-igd are kept", seen.line)
