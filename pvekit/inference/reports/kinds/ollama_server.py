"""The log of ollama's server (``key=value`` lines), old and new."""

from __future__ import annotations

import re

from pvekit.inference.hardware import Isa
from pvekit.inference.reports import isa, names, numbers
from pvekit.inference.reports.found import PRINTED, Found, ModelSeen, Part
from pvekit.inference.reports.lines import Line, Text

_LOG = re.compile(r"\blevel=(?:INFO|DEBUG|WARN|ERROR)\b|\bsource=\w+\.go:\d+|^\[GIN")
_PAIR = re.compile(r'([\w.]{2,40})=(?:"([^"]{0,300})"|(\S{1,200}))')
_OFFLOADED = re.compile(r"offloaded (\d{1,4})/(\d{1,4}) layers to GPU")
_THREADS = re.compile(r"--threads (\d{1,4})\b|NumThreads:(\d{1,4})")
_CONTEXT = re.compile(r"--ctx-size (\d{1,8})\b|KvSize:(\d{1,8})")
_RUNNER = re.compile(
    r"runners/(cpu_avx2|cpu_avx|cpu)/|library=cpu variant=\"?(avx2|avx|no vector extensions)?"
    r"|\bDynamic LLM library \w*(cpu_avx2|cpu_avx|cpu)\b"
)
_HAS = re.compile(r'msg="CPU has (AVX2|AVX)"|CPU does not have (?:AVX|vector)|CPU does not have minimum vector')
_KINDS = {
    "cpu_avx2": Isa.AVX2,
    "avx2": Isa.AVX2,
    "cpu_avx": Isa.AVX,
    "avx": Isa.AVX,
    "cpu": Isa.SSE42,
    "no vector extensions": Isa.SSE42,
}


def read(text: Text, found: Found) -> None:
    """Read each line for itself; only the buffers of the model are added up, with those of a load before replaced."""
    cards: dict[str, int] = {}
    at: Line | None = None
    for line in text.lines:
        if _LOG.search(line.text) is None:
            _process(line, found)
            continue
        found.take(line)
        pairs = {key: quoted or plain for key, quoted, plain in _PAIR.findall(line.text)}
        _cpu(line, found)
        _message(pairs, line, found)
        _model(pairs, line, found)
        place = pairs.get("device") or pairs.get("buffer") or ""
        if pairs.get("msg") == "model weights" and place and not place.upper().startswith("CPU"):
            cards[place], at = numbers.size(pairs.get("size", "")) or 0, line
        if match := _OFFLOADED.search(line.text):
            found.say("guest.gpu_layers", int(match.group(1)), line)
            found.say("model.layers", max(1, int(match.group(2)) - 1), line)
    if at is not None:
        found.say("guest.gpu_bytes", sum(cards.values()), at)


def _process(line: Line, found: Found) -> None:
    """Keep what ``ps`` says of a running model: which of ollama's programs it is."""
    if (match := _RUNNER.search(line.text)) and "ollama_llama_server" in line.text:
        found.take(line)
        found.say("llama.isa", _KINDS.get(match.group(1) or ""), line)
        found.say("ollama.only_cpu", True, line)
        if context := _CONTEXT.search(line.text):
            found.say("guest.context", int(context.group(1) or context.group(2)), line)


def _message(pairs: dict[str, str], line: Line, found: Found) -> None:
    message = pairs.get("msg", "")
    if message == "inference compute":
        _compute(pairs, line, found)
    elif message.startswith("offload"):
        _offload(message, pairs, line, found)
    elif message == "system memory":
        found.say("guest.memory", numbers.size(pairs.get("total", "")), line)
        found.say("guest.available", numbers.size(pairs.get("free", "")), line)


def _cpu(line: Line, found: Found) -> None:
    if "CPU.0." in line.text:
        found.say("llama.isa", isa.of_features(line.text), line)
    elif match := _RUNNER.search(line.text):
        found.say("llama.isa", _KINDS.get(next((one for one in match.groups() if one), "")), line)
    if match := _HAS.search(line.text):
        found.say("guest.isa", {"AVX2": Isa.AVX2, "AVX": Isa.AVX}.get(match.group(1) or "", Isa.SSE42), line)
    if match := _THREADS.search(line.text):
        found.say("knob.threads", int(match.group(1) or match.group(2)), line)
        found.say("guest.threads", int(match.group(1) or match.group(2)), line)
    if match := _CONTEXT.search(line.text):
        found.say("guest.context", int(match.group(1) or match.group(2)), line)


def _compute(pairs: dict[str, str], line: Line, found: Found) -> None:
    library = pairs.get("library", "").lower()
    if library.startswith("cpu"):
        found.say("ollama.only_cpu", True, line)
        return
    found.say("guest.gpu_backend", True, line)
    name = pairs.get("name") or pairs.get("description", "")
    if pairs.get("description"):
        name = pairs["description"]
    if name and not re.match(r"^(?:CUDA|ROCm|\d+:|[0-9a-f]{4}:)\S*$", name):
        found.gpus.append(Part(name, line.seen(), PRINTED, memory=numbers.size(pairs.get("total", ""))))


def _offload(message: str, pairs: dict[str, str], line: Line, found: Found) -> None:
    layers, all_ = numbers.whole(pairs.get("layers.offload", "")), numbers.whole(pairs.get("layers.model", ""))
    weights = numbers.size(pairs.get("memory.weights.total", "")) if "memory.weights.total" in pairs else None
    if all_:
        found.say("model.layers", max(1, all_ - 1), line)
    found.say("model.bytes", weights, line)
    _room(pairs, weights, line, found)
    if message.endswith("cpu") or pairs.get("library") == "cpu":
        found.say("guest.gpu_layers", 0, line)
    else:
        found.say("guest.gpu_layers", layers, line)
        found.say("guest.gpu_backend", True, line)


def _room(pairs: dict[str, str], weights: int | None, line: Line, found: Found) -> None:
    """Say what found no room on the cards: the weights alone, or only together with cache and buffers."""
    room = sum(numbers.size(one) or 0 for one in re.findall(r"[\d.]+ [KMGT]i?B", pairs.get("memory.available", "")))
    needs = numbers.size(pairs.get("memory.required.full", ""))
    if not room or not needs or pairs.get("library") == "cpu":
        return
    if weights is not None and weights > room:
        found.say("guest.gpu_short", "weights", line)
    elif needs > room:
        found.say("guest.gpu_short", "cache", line)


def _model(pairs: dict[str, str], line: Line, found: Found) -> None:
    kind = pairs.get("file_type")
    if kind is None or "architecture" not in pairs:
        return
    name = pairs.get("name", "")
    model = names.one(name, line.seen(), printed=True) if name else None
    family = model.family if model else ""
    if pairs["architecture"] in {"gptoss", "gpt-oss"}:
        family = "gpt-oss"
    found.model(
        ModelSeen(
            name or pairs["architecture"], family, model.size if model else None, names.printed_quant(kind),
            strength=PRINTED, seen=line.seen(),
        )
    )  # fmt: skip
