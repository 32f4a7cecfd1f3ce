"""Software plays the VM's processor.

Without KVM, QEMU translates each instruction (TCG): 10 to 100 times slower, and the wide vector instructions gain
nothing. It happens with `kvm: 0`, with virtualisation off in the firmware, and on a node that is a VM itself without
nested virtualisation. Sign: the guest's processor is called `QEMU TCG CPU`.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.weighed import Side, Weighed, because

TITLE = "software plays the VM's processor (no KVM)"
SIDE = Side.CPU
PRIOR = 0.02
REMEDY = (
    "Run the VM with KVM: switch on VT-x or AMD-V in the firmware, kvm: 1 and cpu: host in the VM; where the node is a "
    "VM itself, give that one nested virtualisation."
)


def judge(case: Case) -> Weighed | None:
    """Weigh it where somebody looked; a guest that runs at all says nothing of it otherwise."""
    if not case.guest.emulated:
        return None
    read = because("the guest's processor is emulated", 9.0, case.where("guest.emulated"))
    # What it costs is known beforehand: no measured speed has to be compared.
    return Weighed((0.01, 0.1), True, (read,), factor=20.0, proven=True)
