"""Logs of llama.cpp's programs, old and new, and of what embeds them: how the model was loaded, and timings."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from pvekit.inference.observed import Run
from pvekit.inference.reports import isa, names, numbers
from pvekit.inference.reports.found import PRINTED, Found, ModelSeen, Part
from pvekit.inference.reports.lines import Line, Text

_TIMING = re.compile(
    r"(prompt )?eval time\s{0,12}=\s{0,12}(\d{1,9}(?:[.,]\d{1,9})?) ms\s{0,8}/\s{0,8}(\d{1,9}) (?:tokens|runs)\s{0,8}"
    r"\(\s{0,8}(\d{1,9}(?:[.,]\d{1,9})?|inf|nan) ms per token(?:,\s{0,8}(\d{1,9}(?:[.,]\d{1,9})?|inf"
    r"|nan) tokens per second)?"
)
_PREDICT = re.compile(r"\bpredict time\s*=\s*(\d{1,9}(?:\.\d{1,9})?) ms\s*/\s*(\d{1,9}(?:\.\d{1,9})?) ms per token")
"""What the first versions printed."""
_NOISE = re.compile(
    r"\b(?:load time|sample time|sampling time|total time|print_timings?|llama_perf\w*|graphs reused)\b"
)
_VARIANT = re.compile(r"loaded CPU backend from .{0,300}?ggml-cpu(?:-([a-z0-9_]+))?\.(?:so|dll|dylib)")
_BACKEND = re.compile(r"loaded (CUDA|Vulkan|ROCm|HIP|SYCL|Metal|MTL) backend")
_DEVICES = re.compile(r"found (\d{1,2}) (?:CUDA|ROCm|HIP|SYCL|Vulkan) devices?|Found (\d{1,2}) Vulkan devices")
_DEVICE = re.compile(r"Device \d{1,2}: ([^,]{3,60}), (?:compute capability|gfx|\w+ \()|ggml_vulkan: \d = ([^(|]{3,60})")
_THREADS = re.compile(r"n_threads = (\d{1,4})(?: \(n_threads_batch = \d+\))? / (\d{1,4})")
_COUNTED = re.compile(r"\bn_threads\"?[=:] ?(\d{1,4})\b.{0,900}\btotal_threads\"?[=:] ?(\d{1,4})\b")
_OFFLOADED = re.compile(r"offloaded (\d{1,4})/(\d{1,4}) layers to GPU")
_BUFFER = re.compile(
    r"\b(CPU_Mapped|CPU\w*|\w+_Host|CUDA\d+|ROCm\d+|Vulkan\d+|SYCL\d+|MTL\d*\w*"
    r"|Metal\w*) (?:model )?buffer size\s{0,4}=\s{0,8}(\d{1,9}(?:\.\d{1,9})?) MiB"
)
_USED = re.compile(r"(?:VRAM used|total VRAM used)\s*[=:]\s*(\d{1,9}(?:\.\d{1,9})?) ?M")
_META = re.compile(
    r"(?:print_info|llm_load_print_meta|llama_model_load|llama_model_load_internal|llama_context"
    r"|llama_new_context_with_model|llama_init_from_model"
    r"|model_loader|- kv +\d+): +([A-Za-z0-9_. -]{2,40}?)(?: (?:str|u32|f32|bool|u64))? *= +(.{1,120})"
)
_LOADING = re.compile(
    r"loaded meta data with .* from (\S.*?) \(version"
    r"|loading model (?:tensors |part \d+/\d+ )?(?:from )'?([^' ]+)'?|^\s*model\s+: (\S+\.gguf)"
)
_OLD_SIZE = re.compile(r"model size\s*=\s*(\d{1,9}(?:\.\d{1,9})?) ?(MB|MiB|GiB|GB)")
_PARAMETERS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ([BMT])\b")
_OURS = re.compile(
    r"^(?:ggml_|llama_|llm_load|load_tensors|load_backend|load:|print_info|common_|main:|srv "
    r"|slot |system_info|sched_|sampler |build:|INFO \[)"
)


@dataclass(slots=True)
class _Load:
    """One model being loaded, and how."""

    model: ModelSeen | None = None
    shape: dict[str, int] = field(default_factory=dict)
    layers: int | None = None
    gpu: dict[str, float] = field(default_factory=dict)
    gpu_at: Line | None = None
    flash: bool | None = None
    threads: int | None = None
    variant: str | None = None
    prompt: int = 0


def read(text: Text, found: Found) -> None:
    """Read the file from its start to its end; a new load forgets the one before."""
    load = _Load()
    for line in text.lines:
        if _OURS.match(line.text):
            found.take(line)
        if _NOISE.search(line.text):
            found.take(line)
        _machine(line, load, found)
        load = _loading(line, load, found)
        _timing(line, load, found)
    _close(load, found)


def _machine(line: Line, load: _Load, found: Found) -> None:
    if match := _VARIANT.search(line.text):
        load.variant = match.group(1) or load.variant
        found.say("guest.variant", match.group(1), line)
        found.take(line)
    if match := _COUNTED.search(line.text):
        load.threads = int(match.group(1))
        found.say("guest.threads", load.threads, line)
        found.say("guest.cpus", int(match.group(2)), line)
        found.say("llama.isa", isa.of_features(line.text), line)
        found.take(line)
    if match := _DEVICES.search(line.text):
        found.say("guest.gpu_backend", int(match.group(1) or match.group(2)) > 0, line)
    if (match := _DEVICE.search(line.text)) and "llvmpipe" not in line.text:
        name = (match.group(1) or match.group(2)).strip()
        found.gpus.append(Part(name, line.seen(), PRINTED))
        found.take(line)
    if "system_info" in line.text or " AVX2 = " in line.text or "CPU.0." in line.text:
        found.take(line)
        found.say("llama.isa", isa.of_features(line.text), line)
        if match := _THREADS.search(line.text):
            load.threads = int(match.group(1))
            found.say("guest.threads", load.threads, line)
            found.say("guest.cpus", int(match.group(2)), line)


def _loading(line: Line, load: _Load, found: Found) -> _Load:
    if match := _LOADING.search(line.text):
        name = next(part for part in match.groups() if part)
        found.take(line)
        new = names.one(re.split(r"[/\\]", name)[-1], line.seen(), printed=True)
        if load.model is None or load.shape or load.layers is not None or new is None:
            if load.shape or load.layers is not None:
                _close(load, found)
                load = _Load(threads=load.threads, variant=load.variant)
            load.model = new or load.model or ModelSeen(name, strength=PRINTED, seen=line.seen())
        return load
    if match := _OFFLOADED.search(line.text):
        load.layers = int(match.group(1))
        load.shape.setdefault("n_layer", max(1, int(match.group(2)) - 1))
        found.say("guest.gpu_layers", load.layers, line)
        found.take(line)
    elif (match := _BUFFER.search(line.text)) and "load_tensors" in line.text:
        place = match.group(1)
        if not (place.startswith("CPU") or place.endswith("_Host")):
            load.gpu[place] = float(match.group(2)) * 1024**2
            load.gpu_at = load.gpu_at or line
        found.take(line)
    elif match := _USED.search(line.text):
        load.gpu["all"], load.gpu_at = float(match.group(1)) * 1024**2, line
    elif match := _META.search(line.text):
        found.take(line)
        _meta(match.group(1).strip(), match.group(2).strip(), line, load, found)
    return load


_SHAPE = {
    "n_layer", "n_embd", "n_vocab", "n_head", "n_head_kv", "n_embd_k_gqa", "n_expert", "n_expert_used",
}  # fmt: skip
_ENDS = {
    "block_count": "n_layer", "embedding_length": "n_embd", "vocab_size": "n_vocab", "expert_count": "n_expert",
    "expert_used_count": "n_expert_used", "attention.head_count": "n_head", "attention.head_count_kv": "n_head_kv",
}  # fmt: skip


def _meta(key: str, value: str, line: Line, load: _Load, found: Found) -> None:
    ending = next((name for end, name in _ENDS.items() if key.endswith("." + end)), key)
    first = re.match(r"\d{1,9}\b", value)
    if ending in _SHAPE and first:
        load.shape[ending] = int(first.group())
    elif key in {"n_ctx", "n_ctx_per_seq"} and first:
        if key == "n_ctx":
            found.say("guest.context", int(first.group()), line)
    elif key == "flash_attn":
        load.flash = {"1": True, "0": False, "enabled": True, "disabled": False}.get(value)
    else:
        load.model = _described(key, value, line, load.model)


def _described(key: str, value: str, line: Line, model: ModelSeen | None) -> ModelSeen | None:
    """Return the model with what one line more says of it."""
    base = model or ModelSeen(value[:80], strength=PRINTED, seen=line.seen())
    if key in {"file type", "model ftype", "ftype"}:
        return replace(base, quant=names.printed_quant(value) or base.quant, guessed=False)
    if key in {"file size", "model size"}:
        match = _OLD_SIZE.search(f"model size = {value}")
        return replace(base, bytes=numbers.size(f"{match.group(1)} {match.group(2)}")) if match else model
    if key in {"model params", "model type"}:
        match = _PARAMETERS.match(value)
        if match and base.size is None:
            return replace(base, size=float(match.group(1)) * {"B": 1.0, "M": 0.001, "T": 1000.0}[match.group(2)])
        return model
    if key in {"general.name", "general.basename"}:
        named = names.one(value, line.seen(), printed=True)
        if named is not None and not base.family:
            return replace(base, family=named.family, size=base.size or named.size, text=named.text)
    return model


def _close(load: _Load, found: Found) -> None:
    """Keep what the whole load says."""
    if load.gpu_at is not None:
        found.say("guest.gpu_bytes", round(sum(load.gpu.values())), load.gpu_at)
        every = load.shape.get("n_layer", 0) + 1
        if load.layers and every > load.layers and (load.model is None or not load.model.bytes):
            # Layers are about equal, so those on the card say how large all are.
            found.say("model.bytes", round(sum(load.gpu.values()) * every / load.layers), load.gpu_at)
            found.say("model.layers", every - 1, load.gpu_at)
    if load.model is not None and (load.model.family or load.model.size or load.model.bytes):
        found.model(_shaped(load))


def _shaped(load: _Load) -> ModelSeen:
    assert load.model is not None  # noqa: S101 the caller looked
    shape = load.shape
    heads, kv, width = shape.get("n_head"), shape.get("n_head_kv"), shape.get("n_embd")
    cache = shape.get("n_embd_k_gqa") or (width * kv // heads if width and kv and heads else None)
    return replace(
        load.model, layers=shape.get("n_layer"), embedding=width, vocabulary=shape.get("n_vocab"), heads=heads,
        cache_width=cache, experts=shape.get("n_expert") or None, experts_used=shape.get("n_expert_used") or None,
    )  # fmt: skip


def _timing(line: Line, load: _Load, found: Found) -> None:
    if old := _PREDICT.search(line.text):
        found.take(line)
        each = float(old.group(2))
        if each > 0:
            run = Run("decode", 1000 / each, threads=load.threads, gpu_layers=load.layers, seen=line.seen())
            found.run(run, _shaped(load) if load.model else None)
    match = _TIMING.search(line.text)
    if match is None:
        return
    found.take(line)
    milliseconds, tokens = float(match.group(2).replace(",", ".")), int(match.group(3))
    if milliseconds <= 0 or tokens < 2:
        return
    prompt = match.group(1) is not None
    if prompt:
        load.prompt = tokens
    run = Run(
        "prefill" if prompt else "decode",
        tokens * 1000 / milliseconds,
        depth=load.prompt if not prompt and load.prompt >= 512 else 0,
        tokens=tokens,
        threads=load.threads,
        gpu_layers=load.layers,
        device=None if load.layers is None else "gpu" if load.layers else "cpu",
        variant=load.variant,
        flash_attention=load.flash,
        seen=line.seen(),
    )
    found.run(run, _shaped(load) if load.model else None)
