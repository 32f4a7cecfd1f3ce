"""``args: -cpu ...`` replaces the processor line that PVE writes.

QEMU takes the last ``-cpu``. What PVE set (the type, hidden=1, the Hyper-V options for Windows) is then lost, and old
guides made people add it for NVIDIA cards, which is no longer needed. It works as long as the line is right, so this
is a note.
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, noted, passed
from pvekit.passthrough.vmrules import at, complete, in_question

TITLE = "args replaces PVE's processor line"
LAYER = Layer.VM
SOURCES = ("qemu-server PVE/QemuServer.pm, config_to_command()", "QEMU system/vl.c, QEMU_OPTION_cpu")
_REMEDY = Remedy("Take -cpu out of args and set it with PVE's own option, for example cpu: host.")


def check(vms: VmConfigs | Missing, target: Target | Missing) -> Outcome | None:
    """Look at args."""
    for vm in in_question(vms, target):
        if "-cpu" in vm.values.get("args", "").split():
            return noted("args sets a processor line of its own; PVE's is lost", *at(vm, "args", "cpu"), remedy=_REMEDY)
        if complete(vm):
            return passed("PVE writes the processor line", vm.hostpci[0].line) if vm.hostpci else None
    return None
