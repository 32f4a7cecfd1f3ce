"""Says before anything is made whether a language model fits into its VM, from the model's own numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pvekit.adapters.gguf import GgufCut
from pvekit.model.errors import PvekitError
from pvekit.model.stack import Llama, Stack, Vm
from pvekit.model.stack.llama import prompt_cache_mib
from pvekit.model.units import GIB, MIB

_GUEST = 256 * MIB
"""What a Linux guest keeps for itself."""
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
    from pvekit.inference.predict import Serving, served
    from pvekit.workflows.llm_model import demand

    model = llama.model
    wanted = demand(model.shape or model.file or model.url or "", model.quant if model.shape else None)
    use = served(wanted, Serving(llama.context, llama.slots))
    least = use.needed + _GUEST
    # What a card takes is known in the guest only.
    if least + prompt_cache_mib(vm.memory_mib) * MIB > vm.memory_mib * MIB and not vm.gpus:
        # Of the memory that is written then, an eighth is for finished prompts again.
        needed = min(least * 8 // 7, least + prompt_cache_mib(1 << 20) * MIB)
        yield (
            f"the model does not fit: {use.weights / GIB:.1f} GiB of weights, {use.cache / GIB:.1f} GiB for "
            f"{llama.context} tokens of context, {(use.compute + use.other) / GIB:.1f} GiB for the server, "
            f"{(needed - least) / GIB:.1f} GiB for finished prompts and {_GUEST / GIB:.1f} GiB for the system need "
            f"{-(-needed // GIB)} GiB, and memory is {vm.memory_mib / 1024:.1f} GiB. Write memory: "
            f"{-(-needed // GIB)}GiB, less context, or a smaller model or quantisation"
        )
    if vm.disks and wanted.file + _SYSTEM_DISK > vm.disks[0].size_bytes:
        yield (
            f"the system disk has no room for the model: {wanted.file / GIB:.1f} GiB and {_SYSTEM_DISK // GIB} GiB for "
            f"the system, and it has {vm.disks[0].size_bytes / GIB:.1f} GiB. Write disks: "
            f"[{{size: {-(-(wanted.file + _SYSTEM_DISK) // GIB)}GiB}}]"
        )
