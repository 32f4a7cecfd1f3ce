"""The qemu-server package is too old for NVIDIA's vGPU here.

Before 7.2-4 PVE did not give QEMU the ``-uuid`` that NVIDIA's vGPU manager wants, and people had to write it into
``args``. Before 8.2.5 it did not know the interface that NVIDIA's host driver has on kernels from 6.8 on.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.pveversion import PveVersion
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, passed, unknown
from pvekit.passthrough.vmrules import in_question, numbers, said

TITLE = "qemu-server is too old for this vGPU"
LAYER = Layer.VM
SOURCES = ("qemu-server changelog, 7.2-4 (uuid for NVIDIA vGPU) and 8.2.5 (NVIDIA's interface with kernel >= 6.8)",)
_UUID = (7, 2, 4)
_NEW_INTERFACE = (8, 2, 5)
_NEW_KERNEL = (6, 8)
_REMEDY = Remedy("Update Proxmox VE.")


def check(
    vms: VmConfigs | Missing, target: Target | Missing, version: PveVersion | Missing, kernel: Kernel | Missing,
    start: StartLog | Missing,
) -> Outcome | None:  # fmt: skip
    """Compare the package with what the vGPU needs."""
    for vm in in_question(vms, target):
        entry = next((item for item in vm.hostpci if item.options.get("mdev", "").startswith("nvidia-")), None)
        if entry is None:
            continue
        refused = said(r"does not support mediated devices", start)
        package = "" if isinstance(version, Missing) else version.packages.get("qemu-server", "")
        if isinstance(version, Missing) or not package:
            return (
                None
                if refused is None
                else unknown(
                    "whether qemu-server knows this vGPU depends on its release",
                    refused[1],
                    missing=("pveversion.txt",),
                )
            )
        line = version.lines["qemu-server"]
        if numbers(package) < _UUID and "-uuid" not in vm.values.get("args", ""):
            return failed(f"qemu-server {package} gives QEMU no -uuid, which NVIDIA's vGPU needs", entry.line, line,
                          remedy=_REMEDY)  # fmt: skip
        new = not isinstance(kernel, Missing) and kernel.version[:2] >= _NEW_KERNEL
        if numbers(package) < _NEW_INTERFACE and new and refused is not None:
            return failed(f"qemu-server {package} does not know NVIDIA's interface on this kernel", refused[1], line,
                          entry.line, remedy=_REMEDY, confidence=Confidence.MEDIUM)  # fmt: skip
        return passed(f"qemu-server {package} knows NVIDIA's vGPU", line)
    return None
