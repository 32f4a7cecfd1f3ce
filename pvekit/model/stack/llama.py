"""What ``kind: llama`` wants beyond a plain VM: a model, and the server that answers with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pvekit.model.stack.secret import SecretRef

SYSTEM_BYTES = 512 << 20
"""What a Linux guest and llama-server itself take beside the model and its cache."""


@dataclass(frozen=True, slots=True)
class LlamaModel:
    """The model: exactly one of ``url``, ``file`` (a path on this machine) and ``shape`` (a made-up one) is there.

    ``name`` is what clients call it. ``sha256`` is always there with ``url``; ``size_bytes`` None means unknown.
    """

    name: str
    url: str | None = None
    file: str | None = None
    shape: str | None = None
    quant: str = "Q4_K_M"
    sha256: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class LlamaInstall:
    """Where llama.cpp comes from.

    ``release`` has ``tag`` or ``url``; ``build`` has ``url``. ``runtime_url`` and ``runtime_sha256`` are the archive
    with CUDA's libraries that goes with a release; ``cuda`` builds with CUDA.
    """

    how: Literal["package", "release", "build"] = "package"
    tag: str | None = None
    url: str | None = None
    sha256: str | None = None
    runtime_url: str | None = None
    runtime_sha256: str | None = None
    cuda: bool = False


@dataclass(frozen=True, slots=True)
class Llama:
    """A VM that serves a language model.

    ``context`` is in tokens, for all ``slots`` together. None: ``threads`` and ``gpu_layers`` are left to llama.cpp,
    ``api_key`` is made at random, ``idle_unload_s`` keeps the model in memory.
    """

    model: LlamaModel
    context: int = 8192
    slots: int = 1
    threads: int | None = None
    gpu_layers: int | None = None
    api_key: SecretRef | None = None
    port: int = 8080
    listen: Literal["loopback", "lan"] = "loopback"
    idle_unload_s: int | None = None
    install: LlamaInstall = LlamaInstall()
    args: tuple[str, ...] = ()
    metrics: bool = True


def prompt_cache_mib(memory_mib: int) -> int:
    """Return how much llama-server may keep of finished prompts in a VM with so much memory, both in MiB."""
    return min(memory_mib // 8, 2048)
