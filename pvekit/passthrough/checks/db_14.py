"""QEMU may not open the VFIO device files.

``/dev/vfio/N`` belongs to root alone unless udev says otherwise, so a QEMU of an ordinary user gets ``Permission
denied``. ``Operation not permitted`` when opening comes from a device filter (cgroup) of a container or of libvirt.
On Proxmox VE QEMU is root and outside of containers; there it does not arise. ``/dev/vfio/vfio`` is open for
everybody.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.outcome import Outcome, failed
from pvekit.passthrough.pattern import Pattern

TITLE = "QEMU may not open the VFIO device files"
LAYER = Layer.BINDING
SOURCES = (
    "QEMU hw/vfio/container.c, vfio_group_get() and vfio_container_connect()",
    "Linux Documentation/driver-api/vfio.rst, section on the ownership of /dev/vfio/GROUP",
    "https://github.com/systemd/systemd/issues/6648",
)
_DENIED = Pattern(
    r"(?i)(?:failed to open|error opening|could not open) '?/dev/vfio/\S+?'?: (Permission denied|Operation "
    r"not permitted)"
)
_REMEDY = Remedy(
    'Let the management layer start QEMU, or give the file to the user with a udev rule (SUBSYSTEM=="vfio"); in '
    "containers allow the device in the device filter."
)


def check(start: StartLog | Missing) -> Outcome | None:
    """Look for the refusal."""
    if isinstance(start, Missing):
        return None
    hit = start.first(_DENIED)
    if hit is None:
        return None
    return failed(f"QEMU may not open a VFIO file: {hit[0][1]}", hit[1], remedy=_REMEDY, confidence=Confidence.MEDIUM)
