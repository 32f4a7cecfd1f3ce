"""Says before anything is made whether a language model fits into its VM, from the model's own numbers."""

from __future__ import annotations

from collections.abc import Collection

from pvekit.model.errors import PvekitError
from pvekit.model.stack import Llama, Stack, Vm
from pvekit.model.stack.llama import prompt_cache_mib
from pvekit.model.units import GIB, MIB

_GUEST = 256 * MIB
"""What a Linux guest keeps for itself."""


def refused(stack: Stack, names: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return (what cannot fit, what could not be looked at) of the named VMs.

    Of a model at an address its header is read, some megabytes; one that cannot be reached now is noted only.
    """
    reasons: list[str] = []
    notes: list[str] = []
    for vm in stack.vms:
        if vm.llama is None or vm.name not in names or vm.gpus:
            continue
        try:
            text = _too_large(vm, vm.llama)
        except (PvekitError, KeyError, OSError) as error:
            notes.append(f"{vm.name}: whether the model fits is not known: {error}")
            continue
        if text:
            reasons.append(text)
    return tuple(reasons), tuple(notes)


def _too_large(vm: Vm, llama: Llama) -> str:
    from pvekit.inference.predict import Serving, served
    from pvekit.workflows.llm_model import demand

    model = llama.model
    wanted = demand(model.shape or model.file or model.url or "", model.quant if model.shape else None)
    use = served(wanted, Serving(llama.context, llama.slots))
    least = use.needed + _GUEST
    if least + prompt_cache_mib(vm.memory_mib) * MIB <= vm.memory_mib * MIB:
        return ""
    # Of the memory that is written then, an eighth is for finished prompts again.
    needed = min(least * 8 // 7, least + prompt_cache_mib(1 << 20) * MIB)
    return (
        f"{vm.name}: the model does not fit: {use.weights / GIB:.1f} GiB of weights, {use.cache / GIB:.1f} GiB for "
        f"{llama.context} tokens of context, {(use.compute + use.other) / GIB:.1f} GiB for the server, "
        f"{(needed - least) / GIB:.1f} GiB for finished prompts and {_GUEST / GIB:.1f} GiB for the system need "
        f"{-(-needed // GIB)} GiB, and memory is "
        f"{vm.memory_mib / 1024:.1f} GiB. Write memory: {-(-needed // GIB)}GiB, less context, or a smaller model or "
        "quantisation"
    )
