"""From the shape of ``gpus:`` to values."""

from __future__ import annotations

from pvekit.model.stack import gpu_shape, gpus


def gpu(name: str, shape: gpu_shape.GpuShape) -> gpus.Gpu:
    """Return a card, its ids and address in the form in which PVE writes them."""
    match = shape.match
    found = gpus.GpuMatch(_lower(match.id), _lower(match.subsystem), match.slot, _address(match.address))
    return gpus.Gpu(name, found, shape.node, shape.functions)


def vm_gpu(shape: gpu_shape.VmGpuShape) -> gpus.VmGpu:
    """Return a card in a VM."""
    return gpus.VmGpu(shape.name, shape.primary, shape.rombar, shape.romfile)


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _address(text: str | None) -> str | None:
    if text is None:
        return None
    return text.lower() if text.count(":") == 2 else f"0000:{text.lower()}"
