"""The change was made while the VM ran, and waits for the next start.

Devices, machine type and firmware cannot change in a running VM. PVE keeps such changes as pending; a restart from
inside the guest does not apply them, because QEMU goes on running.
"""

from __future__ import annotations

from pvekit.model.bundle import Line
from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfig, VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.vmrules import in_question, named

TITLE = "The change is still pending"
LAYER = Layer.VM
SOURCES = ("qemu-server PVE/QemuServer.pm, vmconfig_hotplug_pending() and vmconfig_apply_pending()",)
_MATTERS = ("machine", "bios", "cpu", "vga", "args", "efidisk0", "memory", "hugepages")
_REMEDY = Remedy(
    "Shut the VM down and start it again from PVE (qm shutdown, then qm start); a restart inside is not enough."
)


def check(vms: VmConfigs | Missing, target: Target | Missing) -> Outcome | None:
    """Look at what is pending."""
    for vm in in_question(vms, target):
        waiting = [key for key in vm.pending if key.startswith("hostpci")]
        lacking = [key for key in waiting if vm.pending[key] is not None and key not in vm.values]
        if lacking:
            return failed(f"{named(vm)} has {', '.join(lacking)} only as a pending change",
                          *_waiting(vm, lacking), remedy=_REMEDY)  # fmt: skip
        others = [key for key in vm.pending if key in _MATTERS or key in waiting]
        if others:
            return noted(f"changes of {', '.join(others)} wait for the next start", *_waiting(vm, others),
                         remedy=_REMEDY)  # fmt: skip
        if vm.hostpci:
            return passed(f"nothing is pending for {named(vm)}", vm.hostpci[0].line)
    return None


def _waiting(vm: VmConfig, keys: list[str]) -> tuple[Line, ...]:
    return tuple(dict.fromkeys(vm.waiting[key] for key in keys if key in vm.waiting))
