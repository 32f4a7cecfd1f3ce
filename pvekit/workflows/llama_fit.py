"""Says before anything is made whether a language model fits into its VM, from the model's own numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pvekit.adapters.gguf import GgufCut
from pvekit.model.errors import PvekitError
from pvekit.model.stack import Llama, Stack, Vm
from pvekit.model.stack.llama import SYSTEM_BYTES
from pvekit.model.units import GIB, MIB

_SYSTEM_DISK = 3 * GIB
"""What the system and llama.cpp take of the disk that the model lies on."""


def refused(stack: Stack, names: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return (what cannot work, what could not be looked at) of the named VMs.

    Of a model at an address its header is read, some megabytes; one that cannot be reached now is noted only.
    """
    reasons: list[str] = []
    notes: list[str] = []
    for vm in stack.vms:
        if vm.llama is None or vm.name not in names:
            continue
        try:
            reasons += [f"{vm.name}: {text}" for text in _too_large(vm, vm.llama)]
        except GgufCut as error:
            reasons.append(f"{vm.name}: the model is not whole: {error}. Download it again")
        except (PvekitError, KeyError, OSError) as error:
            notes.append(f"{vm.name}: whether the model fits is not known: {error}")
    return tuple(reasons), tuple(notes)


def _too_large(vm: Vm, llama: Llama) -> Iterator[str]:
    from pvekit.workflows.llm_model import demand

    model = llama.model
    wanted = demand(model.shape or model.file or model.url or "", model.quant if model.shape else None)
    cache = wanted.cache(llama.context)
    needed = wanted.held + cache + SYSTEM_BYTES
    # What a card takes is known in the guest only.
    if needed > vm.memory_mib * MIB and not vm.gpus:
        yield (
            f"the model does not fit: {wanted.held / GIB:.1f} GiB of weights, {cache / GIB:.1f} GiB for "
            f"{llama.context} tokens of context and {SYSTEM_BYTES / GIB:.1f} GiB for the system need "
            f"{-(-needed // GIB)} GiB, and memory is {vm.memory_mib / 1024:.1f} GiB. Write memory: "
            f"{-(-needed // GIB)}GiB, less context, or a smaller model or quantisation"
        )
    if vm.disks and wanted.file + _SYSTEM_DISK > vm.disks[0].size_bytes:
        yield (
            f"the system disk has no room for the model: {wanted.file / GIB:.1f} GiB and {_SYSTEM_DISK // GIB} GiB for "
            f"the system, and it has {vm.disks[0].size_bytes / GIB:.1f} GiB. Write disks: "
            f"[{{size: {-(-(wanted.file + _SYSTEM_DISK) // GIB)}GiB}}]"
        )
