"""A card of the Pascal generation with a driver or CUDA that no longer knows it.

Branch 580 of NVIDIA's driver is the last for Pascal (P106, P40, P100, 10xx), and CUDA 13 builds have no kernels for
it. Signs: `no kernel image is available`, `will ignore this GPU`, the CPU is used.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.weighed import Side, Weighed, because
from pvekit.inference.hardware import GpuClass

TITLE = "driver or CUDA build do not fit the Pascal card"
SIDE = Side.GPU
PRIOR = 0.05
REMEDY = "Use driver branch 580 and a build for CUDA 12.x: they are the last that know Pascal."


def judge(case: Case) -> Weighed | None:
    """Weigh it: driver branch, CUDA version, and what the log says."""
    if not (case.seen.hardware and any(gpu.kind is GpuClass.PASCAL for gpu in case.seen.hardware.gpus)):
        return None
    if seen := case.said("no kernel image", "will ignore this gpu", "legacy drivers", "unsupported toolchain"):
        words = "the log says that the card is not supported"
        return Weighed((0.02, 0.6), True, (because(words, 3.0, seen),), factor=None, proven=True)
    branch = (case.guest.driver or "").partition(".")[0]
    if branch.isdigit() and int(branch) >= 590:
        seen = case.where("guest.driver")
        return Weighed(
            (0.02, 0.6), True, (because(f"driver {case.guest.driver} no longer knows Pascal", 2.5, seen),), factor=None
        )
    if (case.guest.cuda or "").startswith("13"):
        seen = case.where("guest.cuda")
        words = f"CUDA {case.guest.cuda} has no kernels for Pascal"
        return Weighed((0.02, 0.6), case.guest.gpu_backend is False or None, (because(words, 1.5, seen),), factor=None)
    if branch.isdigit() or case.guest.gpu_backend:
        return Weighed(None, False, (because("driver and build know the card", -9.0, case.where("guest.driver")),))
    return Weighed((0.02, 0.6), None, (), ("guest.driver",), factor=None)
