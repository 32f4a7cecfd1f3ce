"""A language model behind llama-server's API, from a cloud image: verified, under systemd, with a key."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from pvekit.guests._cloud import BASE_PLAYBOOK, cloud_vm
from pvekit.model.desired import DesiredVm, Provisioning
from pvekit.model.stack import SecretRef, Stack, Vm
from pvekit.model.stack.llama import Llama, LlamaInstall, LlamaModel, prompt_cache_mib
from pvekit.model.stack.secret import KEPT

LLAMA_PLAYBOOK = "llama.yml"
RELEASES = "https://api.github.com/repos/ggml-org/llama.cpp/releases"
"""Where the project lists its releases and their archives."""


def desired(stack: Stack, vm: Vm) -> DesiredVm:
    """Return the VM as llama.cpp wants it. Without a CPU type in the stack file it is chosen by the cluster."""
    llama = vm.llama
    assert llama is not None  # noqa: S101 - such a VM of a valid stack has it
    made = cloud_vm(stack, vm)
    own = {"balloon": "0"} | ({"numa": "1"} if vm.sockets > 1 else {})
    ports = (llama.port,) if llama.listen == "lan" else ()
    return replace(
        made,
        config={**made.config, **{key: value for key, value in own.items() if key not in vm.pve}},
        ready_ports=tuple(dict.fromkeys((*made.ready_ports, *ports))),
        provisioning=_provisioning(
            made.provisioning, settings(llama, len(vm.gpus), vm.memory_mib), api_key(stack, vm), llama.model
        ),
    )


def api_key(stack: Stack, vm: Vm) -> SecretRef:
    """Return where the key is that clients of this VM must give: the stack file's, or one that pvekit keeps."""
    assert vm.llama is not None  # noqa: S101 - asked for such VMs only
    return vm.llama.api_key or SecretRef(KEPT, f"{stack.name}/{vm.name}/llama-key")


def _provisioning(base: Provisioning, wanted: dict[str, Any], key: SecretRef, model: LlamaModel) -> Provisioning:
    """Return the base with llama.cpp's playbook after it, before the person's own."""
    first = base.playbooks.index(BASE_PLAYBOOK) + 1
    playbooks = (*base.playbooks[:first], LLAMA_PLAYBOOK, *base.playbooks[first:])
    variables: dict[str, Any] = {**base.variables, "pvekit_llama": wanted}
    if model.url is not None:
        variables["pvekit_llama_model"] = {"url": model.url, "sha256": model.sha256, "size": model.size_bytes}
    secrets = {**base.secrets, "pvekit_llama_key": key}
    inputs = json.dumps([base.digest, playbooks, variables["pvekit_llama"], _source(model), str(key)], sort_keys=True)
    digest = hashlib.sha256(inputs.encode()).hexdigest()[:16]
    late = None if model.url is not None else model
    return replace(base, playbooks=playbooks, variables=variables, secrets=secrets, digest=digest, model=late)


def _source(model: LlamaModel) -> list[Any]:
    """Return what makes another file of the model."""
    return [model.url, model.file, model.shape, model.quant if model.shape else None, model.sha256]


def settings(llama: Llama, gpus: int = 0, memory_mib: int = 2048) -> dict[str, Any]:
    """Return the variable ``pvekit_llama`` of llama.yml: everything but the model and the key. ``gpus``: how many."""
    return {
        "name": llama.model.name,
        "context": llama.context,
        "slots": llama.slots,
        "prompt_cache": prompt_cache_mib(memory_mib),
        "threads": llama.threads,
        "gpu_layers": llama.gpu_layers,
        "port": llama.port,
        "host": "0.0.0.0" if llama.listen == "lan" else "127.0.0.1",  # noqa: S104 - only when asked for
        "idle_unload": llama.idle_unload_s,
        "metrics": llama.metrics,
        "args": list(llama.args),
        "gpus": gpus,
        "install": _install(llama.install),
    }


def _install(install: LlamaInstall) -> dict[str, Any]:
    if install.how == "package":
        return {"how": "package"}
    found = {
        "how": install.how, "tag": install.tag, "url": install.url, "sha256": install.sha256,
        "runtime_url": install.runtime_url, "runtime_sha256": install.runtime_sha256,
        "cuda": install.cuda if install.how == "build" else None, "releases": RELEASES if install.tag else None,
    }  # fmt: skip
    return {key: value for key, value in found.items() if value is not None}
