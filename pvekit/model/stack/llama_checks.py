"""Mistakes in a VM for a language model that show only when several fields are seen together."""

from __future__ import annotations

from collections.abc import Iterator

from pvekit.model.errors import Problem
from pvekit.model.properties.cpu import Cpu
from pvekit.model.stack import llama_shape
from pvekit.model.stack.fields import Fields
from pvekit.model.stack.llama import SYSTEM_BYTES
from pvekit.model.stack.text import Document, Path
from pvekit.model.units import GIB, MIB, format_size

Found = Iterator[Problem]

_WITHOUT_AVX2 = frozenset(
    {
        *("kvm64", "kvm32", "qemu64", "qemu32", "486", "pentium", "pentium2", "pentium3", "coreduo", "core2duo"),
        *("athlon", "phenom", "x86-64-v1", "x86-64-v2", "x86-64-v2-AES", "Conroe", "Penryn", "Nehalem", "Westmere"),
        *("SandyBridge", "IvyBridge", "Opteron_G1", "Opteron_G2", "Opteron_G3", "Opteron_G4", "Opteron_G5"),
    }
)
"""CPU types of PVE whose guests see no AVX2; the models' variants (-IBRS) count as the model."""

_OURS = {
    "--model": "model", "-m": "model", "--host": "listen", "--port": "port", "--api-key": "api_key",
    "--api-key-file": "api_key", "--alias": "model: {name: …}", "-a": "model: {name: …}", "--ctx-size": "context",
    "-c": "context", "--parallel": "slots", "-np": "slots", "--sleep-idle-seconds": "idle_unload",
    "--metrics": "metrics", "--model-url": "model", "-mu": "model", "--hf-repo": "model", "-hf": "model",
    "--threads": "threads", "-t": "threads", "--gpu-layers": "gpu_layers", "--n-gpu-layers": "gpu_layers",
    "-ngl": "gpu_layers",
}  # fmt: skip
"""Arguments that have a key of their own."""

_SOURCES = ("url", "file", "shape")


def check(fields: Fields, document: Document) -> Found:
    """Yield every mistake of such a VM."""
    llama: llama_shape.LlamaShape | None
    llama, path = fields.find("llama")
    yield from _cpu(fields, document)
    balloon, where = fields.find("balloon")
    if balloon is not None and where[0] != "defaults":
        yield document.problem(where, "a balloon takes the memory that the model is in", "Remove balloon for this VM.")
    if llama is None:
        if not fields.was_cut(document, "llama"):
            text = "llama is missing"
            yield document.problem(("vms", fields.name), text, "Write llama: {model: {url: …, sha256: …}}.")
        return
    yield from _model(llama.model, document, (*path, "model"))
    yield from _install(llama, document, path)
    if llama.context // llama.slots < 128:
        text = f"{llama.context} tokens of context leave {llama.context // llama.slots} for each of {llama.slots} slots"
        yield document.problem((*path, "slots"), text, "Write a larger context, or fewer slots.")
    for at, argument in enumerate(llama.args):
        key = _OURS.get(argument.partition("=")[0])
        if key is not None:
            yield document.problem((*path, "args", at), f"{argument} is set by pvekit", f"Write {key} instead.")
    yield from _cards(llama, fields, document, path)
    yield from _fits(llama, fields, document, (*path, "model"))


def _gpus(fields: Fields) -> bool:
    return bool(getattr(fields.layers[0][1], "gpus", None))


def _cards(llama: llama_shape.LlamaShape, fields: Fields, document: Document, path: Path) -> Found:
    if llama.gpu_layers and not _gpus(fields):
        yield document.problem((*path, "gpu_layers"), "the VM has no GPU", "Add gpus, or remove gpu_layers.")
    if not _gpus(fields) or llama.gpu_layers == 0:
        return
    packages = fields["packages"] or []
    if llama.install == "package" and not any("vulkan" in name or "hip" in name for name in packages):
        text = "the distribution's package does not use the VM's card"
        hint = (
            "Write install: release (NVIDIA), build, packages: [libggml0-backend-vulkan], or gpu_layers: 0 to leave "
            "the card alone."
        )
        yield document.problem((*path, "install"), text, hint)


def _cpu(fields: Fields, document: Document) -> Found:
    cpu, path = fields.find("cpu")
    if not cpu or fields.was_cut(document, "cpu"):
        return
    kind = Cpu.parse(cpu).cputype or ""
    if kind in _WITHOUT_AVX2 or kind.partition("-")[0] in _WITHOUT_AVX2:
        text = (
            f"{kind} hides AVX2 from the guest: llama.cpp was measured to answer 3 to 7 times slower without it, and "
            "to read prompts 5 to 14 times slower"
        )
        hint = "Write cpu: host, or x86-64-v3 where VMs move between nodes; or remove it under the VM and in defaults."
        yield document.problem(path, text, hint)


def _model(model: llama_shape.LlamaModelShape, document: Document, path: Path) -> Found:
    if document.was_cut(*((*path, key) for key in _SOURCES)):
        return
    given = [key for key in _SOURCES if getattr(model, key)]
    if len(given) != 1:
        text = "there is no model" if not given else f"{' and '.join(given)} exclude each other"
        yield document.problem(path, text, "Write one of url, file and shape.")
    if model.url and model.sha256 is None and not document.was_cut((*path, "sha256")):
        hint = "Write sha256: as the publisher gives it (sha256sum shows a file's)."
        yield document.problem(path, "a downloaded model needs its sha256", hint)
    if model.shape is None and model.quant is not None:
        yield document.problem((*path, "quant"), "a file has its own quantisation", "Remove quant.")
    for key in ("sha256", "size"):
        if model.shape is not None and getattr(model, key) is not None:
            yield document.problem((*path, key), f"a made-up model has no {key} beforehand", f"Remove {key}.")


def _install(llama: llama_shape.LlamaShape, document: Document, path: Path) -> Found:
    for key in ("release", "build"):
        given = getattr(llama, key)
        if llama.install == key and given is None and not document.was_cut((*path, key)):
            yield document.problem((*path, "install"), f"{key} is missing", f"Write {key}: {{url: …, sha256: …}}.")
        elif llama.install != key and given is not None:
            yield document.problem((*path, key), f"{key} goes with install: {key}", f"Write install: {key}.")
    release = llama.release
    if release is None:
        return
    here = (*path, "release")
    if (release.tag is None) == (release.url is None) and not document.was_cut((*here, "tag"), (*here, "url")):
        yield document.problem(here, "a release is named by its tag or by an address", "Write one of tag and url.")
    if release.runtime_url is not None and release.runtime_sha256 is None:
        yield document.problem((*here, "runtime_url"), "runtime_sha256 is missing", "Add it.")
    if release.runtime_url is not None and release.tag is not None:
        yield document.problem((*here, "runtime_url"), "with a tag it is found in the list", "Remove runtime_url.")


def _fits(llama: llama_shape.LlamaShape, fields: Fields, document: Document, path: Path) -> Found:
    """Yield a problem where the size that the file states shows that the model cannot fit."""
    size = llama.model.size
    if size is None or fields.was_cut(document, "memory"):
        return
    memory = fields["memory"] * MIB
    if size + SYSTEM_BYTES > memory and not _gpus(fields):
        text = f"{format_size(-(-size // MIB) * MIB)} and 512MiB for the system do not fit into {fields['memory']}MiB"
        least = -(-(size + SYSTEM_BYTES) // GIB)
        yield document.problem((*path, "size"), text, f"Write memory: {least}GiB or more, or take a smaller model.")
    disks = fields["disks"]
    room = disks[0].size if disks else 20 * GIB
    if disks != [] and size + 3 * GIB > room:
        text = f"the system disk of {format_size(room)} has no room for a model of {size / GIB:.1f} GiB"
        yield document.problem((*path, "size"), text, f"Write disks: [{{size: {-(-(size + 4 * GIB) // GIB)}GiB}}].")
