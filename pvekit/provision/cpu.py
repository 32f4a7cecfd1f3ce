"""Which CPU type a Windows or llama VM gets where the stack file names none. Decided once, when it is created.

For a language model AVX2 decides: see ``choose_for_llama``. For Windows: with ``host`` it sees every fault of an Intel
processor that needs a cure by software (MDS, L1TF) and applies the cures, flushing caches all the time; people measured
memory latencies of 2000 ns instead of 100 ns on Xeons E5 v2 and v3
(rebjak.com "proxmox-host-cpu-windows-vm", blog.bairuo.net of 2025-03-03, forum.proxmox.com thread 136059). ``host``
also shows nested virtualisation, on which a new Windows 11 switches on VBS by itself, and that can freeze on some
Intel processors (qemu-server commit 30531026). A named type shows neither. Its price: the guest does not know of these
faults, and VBS, WSL2 and Hyper-V do not work in it; so ``windows: {vbs: true}`` gives ``host``.

What a named type needs is AVX2 for ``x86-64-v3`` (Haswell, Zen and later: the x86-64 psABI) and AES-NI for
``x86-64-v2-AES``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from pvekit.adapters import pve as api
from pvekit.model.desired import DesiredVm
from pvekit.model.errors import PermissionDenied
from pvekit.model.facts import Facts

MODERN, SAFE = "x86-64-v3", "x86-64-v2-AES"

_XEON = re.compile(r"Xeon\(R\) (?:CPU )?E[357]-\d{4}[A-Z]{0,2}(?: v(\d))?\b")
"""Model names as Linux shows them: ``Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz``; v3 is Haswell, v4 Broadwell."""
_AFFECTED = re.compile(
    r"Xeon\(R\) (?:CPU )?D-15\d\d"  # Broadwell
    r"|Xeon\(R\) (?:Platinum|Gold|Silver|Bronze) \d1\d\d"  # Skylake-SP
    r"|Xeon\(R\) (?:CPU )?(?:D-21|W-21|W-31)\d\d"  # Skylake
    r"|Core\(TM\) i[3579]-[4-8]\d{3}[A-Z]*\b"  # Haswell to Coffee Lake
)
_NEWER = re.compile(
    r"Xeon\(R\) (?:Platinum|Gold|Silver|Bronze) \d[2-9]\d\d|Xeon\(R\) 6\d{3}|Xeon\(R\) (?:CPU )?[DEW]-?\d{4}"
    r"|Xeon\(R\) [wW]\d-|Core\(TM\) (?:i[3579]-(?:9|1\d)\d{3}|Ultra|[3579] \d{3})|Intel\(R\) N\d{2,3}\b"
    r"|AMD (?:EPYC|Ryzen)"
)


def _affected(model: str) -> bool:
    """Return whether the model is one of Haswell's to Skylake's generations: AVX2, and MDS and L1TF in silicon."""
    xeon = _XEON.search(model)
    if xeon is not None:
        return int(xeon[1] or 1) >= 3
    return _AFFECTED.search(model) is not None


def slow_with_host(model: str) -> bool:
    """Return whether Windows with ``host`` is slow on this processor: Intel's generations before Cascade Lake."""
    return _affected(model) or _XEON.search(model) is not None


def choose_cpu(model: str, vbs: bool) -> tuple[str, str]:
    """Return a CPU type for Windows and why. ``model`` is the processor's name (empty: unknown), ``vbs`` as asked."""
    if vbs:
        price = "; Windows is many times slower with it on this processor" if slow_with_host(model) else ""
        return "host", f"VBS is asked for and needs nested virtualisation{price}"
    if _affected(model):
        return MODERN, (
            f"with cpu: host, Windows is many times slower on {model}: it cures MDS and L1TF by software. VBS and "
            "nested VMs are off; windows: {vbs: true} changes that"
        )
    if _NEWER.search(model):
        return MODERN, (
            f"{model} can do all of it, and it keeps VBS off, which Windows switches on by itself with cpu: host; "
            "windows: {vbs: true} changes that"
        )
    if model:
        return SAFE, f"nothing newer is known to work on {model}"
    return SAFE, "the processor is not known (the token may not see it: Sys.Audit on the node)"


def choose_for_llama(nodes: int, cards: bool) -> tuple[str, str]:
    """Return a CPU type for a language model and why. ``nodes``: how many the cluster has; ``cards``: it gets some.

    Without AVX2 llama.cpp was measured to decode 3 to 7 times and to read prompts 5 to 14 times slower per core.
    """
    if cards:
        return "host", "llama.cpp uses all that the processor can, and a VM with cards stays on its node"
    if nodes > 1:
        return MODERN, f"it has AVX2, and the VM can move between {nodes} nodes; cpu: host uses all of a processor"
    return "host", "llama.cpp uses all that the processor can, and there is one node"


def choose(pve: api.Pve, vms: Iterable[DesiredVm], facts: Facts) -> tuple[tuple[DesiredVm, ...], tuple[str, ...]]:
    """Return the VMs with the CPU type of those that are new and name none, and a note on each.

    An existing VM keeps what it has. One request per node that has such a Windows VM, none otherwise.
    """
    models: dict[str, str] = {}
    found: list[DesiredVm] = []
    reasons: dict[tuple[str, str], list[str]] = {}
    for vm in vms:
        if vm.name in facts.own or "cpu" in vm.config or "cpu" in vm.left:
            found.append(vm)
            continue
        if vm.install is not None:
            if vm.node not in models:
                models[vm.node] = model_of(pve, vm.node)
            chosen = choose_cpu(models[vm.node], vm.install.windows.vbs)
        elif vm.kind == "llama":
            chosen = choose_for_llama(len(facts.nodes), any(key.startswith("hostpci") for key in vm.config))
        else:
            found.append(vm)
            continue
        found.append(replace(vm, config={**vm.config, "cpu": chosen[0]}))
        reasons.setdefault(chosen, []).append(vm.name)
    return tuple(found), tuple(f"{', '.join(names)}: cpu {kind}: {why}" for (kind, why), names in reasons.items())


def model_of(pve: api.Pve, node: str) -> str:
    """Return the processor's model name; empty when the token may not see it."""
    try:
        return api.node_status(pve, node).cpu
    except PermissionDenied:
        return ""
