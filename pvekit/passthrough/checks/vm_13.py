"""A user or API token that is not root tried to set a raw device address.

Only ``root@pam`` may name a host device by its address; PVE answers ``only root can set 'hostpci0' config for
non-mapped devices``, also to a token of root. Others need a resource mapping and the right ``Mapping.Use`` on it.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.vmrules import in_question, said

TITLE = "Only root may set a raw device address"
LAYER = Layer.VM
SOURCES = ("qemu-server PVE/API2/Qemu.pm, check_hostpci_perm()",)
_REMEDY = Remedy(
    "Make a resource mapping (Datacenter, Resource Mappings), give the user or token Mapping.Use on it, and set "
    "hostpci0: mapping=NAME; or set the address as root@pam with a password, not a token."
)


def check(vms: VmConfigs | Missing, target: Target | Missing, start: StartLog | Missing) -> Outcome | None:
    """Look for the refusal."""
    hit = said(r"only root can set '(hostpci\d+)' config for (?:non-mapped|real) devices", start)
    if hit is not None:
        return failed(f"PVE did not let this user set {hit[0][1]}", hit[1],
                      remedy=_REMEDY, confidence=Confidence.MEDIUM)  # fmt: skip
    for vm in in_question(vms, target):
        if any(entry.mapping for entry in vm.hostpci):
            return passed("the device is passed by a resource mapping", vm.hostpci[0].line)
    return None
