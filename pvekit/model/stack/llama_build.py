"""From the shape of ``llama:`` to values."""

from __future__ import annotations

from pvekit.model.stack import llama, llama_shape
from pvekit.model.stack.include import Includer
from pvekit.model.stack.text import Path


def build(shape: llama_shape.LlamaShape, include: Includer, path: Path) -> llama.Llama:
    """Return the server; ``path`` is where it stands in the stack file."""
    return llama.Llama(
        model=_model(shape.model, include, (*path, "model")),
        context=shape.context,
        slots=shape.slots,
        threads=shape.threads,
        gpu_layers=shape.gpu_layers,
        api_key=shape.api_key,
        port=shape.port,
        listen=shape.listen,
        idle_unload_s=shape.idle_unload,
        install=_install(shape),
        args=tuple(shape.args),
        metrics=shape.metrics,
    )


def _model(model: llama_shape.LlamaModelShape, include: Includer, path: Path) -> llama.LlamaModel:
    quant = model.quant or "Q4_K_M"
    whole = model.url or model.file or ""
    stem = whole.partition("?")[0].rpartition("/")[2].removesuffix(".gguf")
    return llama.LlamaModel(
        name=model.name or (f"{model.shape}-{quant.lower()}" if model.shape else stem) or "model",
        url=model.url,
        file=include.locate(model.file, (*path, "file")) if model.file else None,
        shape=model.shape,
        quant=quant,
        sha256=model.sha256,
        size_bytes=model.size,
    )


def _install(shape: llama_shape.LlamaShape) -> llama.LlamaInstall:
    if shape.install == "release" and shape.release is not None:
        found = shape.release
        return llama.LlamaInstall(
            "release", found.tag, found.url, found.sha256, found.runtime_url, found.runtime_sha256
        )
    if shape.install == "build" and shape.build is not None:
        return llama.LlamaInstall("build", None, shape.build.url, shape.build.sha256, cuda=shape.build.cuda)
    return llama.LlamaInstall()
