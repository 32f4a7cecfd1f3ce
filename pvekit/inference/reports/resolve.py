"""From names to what is known of them: shapes of models, presets of processors and cards.

The only module of this room that asks the rooms of models and of machines.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from math import log

from pvekit.inference import machines, models
from pvekit.inference.demand import Attention, Demand, Layer
from pvekit.inference.hardware import Gpu
from pvekit.inference.machines import KnownCpu
from pvekit.inference.models.demand import of_shape
from pvekit.inference.models.shapes import billions
from pvekit.inference.reports import names
from pvekit.inference.reports.found import ModelSeen

_ACTIVE = re.compile(r"(?<![A-Za-z0-9.])a(\d{1,2}(?:\.\d)?)b(?![a-z0-9])", re.IGNORECASE)
"""Billions of parameters that a mixture of experts uses for one token, as its name says them."""
_MIXED = 0.6
"""How far the whole size of a mixture may lie from that of one that stands for it, as a logarithm."""
_NEAR = 0.13
"""How far a number of parameters may lie from a shape's that stands for it, as a fraction."""


def demand(model: ModelSeen) -> tuple[Demand | None, str]:
    """Return the demand of a model, and what was assumed for it in one sentence (empty: nothing)."""
    shape, assumed = _shape(model)
    found = None
    if shape is not None:
        usual = "MXFP4" if model.family == "gpt-oss" else "Q4_K_M"
        found = _of(shape, model.quant or usual) or _of(shape, model.quant or "Q4_K_M")
        ours, theirs = _ACTIVE.search(model.text), _ACTIVE.search(shape)
        if found is not None and assumed and ours and theirs and model.size:
            found = scaled(found, model.size / billions(shape), float(ours[1]) / float(theirs[1]))
        if found is not None and not model.quant:
            assumed = f"{assumed} The quantisation is not said; {found.quant} is assumed.".strip()
        elif found is not None and model.guessed:
            assumed = f"{assumed} {model.quant} stands for the bits that were named.".strip()
        if found is not None and model.layers is not None and abs(len(found.layers) - model.layers) > 1:
            found, assumed = None, ""
    if found is None:
        built = _built(model)
        return built, "" if built is None else f"{model.text} is no known shape; its layers are taken as equal."
    if model.bytes and abs(model.bytes - found.file) > 0.01 * found.file and model.bytes > 0.3 * found.file:
        found = scaled(found, model.bytes / found.file)
    return found, assumed


def scaled(demand: Demand, factor: float, read: float | None = None) -> Demand:
    """Return the demand with every number of bytes of weights multiplied, for a file of another size.

    ``read`` multiplies what one token reads, where that is another factor.
    """
    reads = factor if read is None else read

    def one(layer: Layer) -> Layer:
        return replace(
            layer, read=round(layer.read * reads), held=round(layer.held * factor),
            experts_held=round(layer.experts_held * factor), experts_read=round(layer.experts_read * reads),
        )  # fmt: skip

    return replace(
        demand,
        layers=tuple(one(layer) for layer in demand.layers),
        embedding=round(demand.embedding * factor),
        output=round(demand.output * factor),
        file=round(demand.file * factor),
        types={name: round(size * factor) for name, size in demand.types.items()},
    )


@lru_cache(maxsize=256)
def _of(shape: str, quant: str) -> Demand | None:
    try:
        return of_shape(models.shape(shape), quant)
    except KeyError:
        return None


@lru_cache(maxsize=1)
def _shapes() -> tuple[tuple[str, str, tuple[float, ...]], ...]:
    """Return name, family and billions of parameters (counted, and as the name says) of every known shape."""
    found = []
    for name in models.names():
        named = next((model for _, _, model in names.models(name) if model.family), None)
        family, said = (named.family, named.size) if named is not None else ("", None)
        found.append((name, family, (billions(name), *([said] if said else []))))
    return tuple(found)


def _shape(model: ModelSeen) -> tuple[str | None, str]:
    """Return the name of the shape that a model has, with what is assumed."""
    if model.size is None:
        return None, ""
    version = re.search(r"\d\.\d", model.text)
    near = [
        (version is not None and version.group() not in name, min(abs(one - model.size) for one in sizes), name, family)
        for name, family, sizes in _shapes()
        if any(abs(one - model.size) <= _NEAR * model.size for one in sizes)
    ]
    same = sorted(one for one in near if model.family and one[3] == model.family)
    if same:
        return same[0][2], ""
    if active := _ACTIVE.search(model.text):
        return _mixture(model, float(active.group(1)))
    dense = sorted(one for one in near if not re.search(r"x\d|a\d+b|moe|mixtral|oss|deepseek-v", one[2]))
    if not dense or model.family in {"mixtral", "gpt-oss", "deepseek-v3", "deepseek-v2", "llama4", "glm-4.5"}:
        return None, ""
    if model.family == "llama" and (late := next((one for one in dense if one[3] == "llama3" and one[1] < 0.1), None)):
        return late[2], f"{model.text.strip()} is taken as {late[2]}."
    preferred = next((one for family in _preferred(model) for one in dense if one[3] == family), dense[0])
    # pvekit keeps a VM's models under their sums, which tell nobody anything.
    what = re.sub(r"^[0-9a-f]{64}(?:\.gguf)?$", "", model.text.strip()) or "The model"
    return preferred[2], f"{what} is taken as {preferred[2]}, which has about as many parameters."


def _mixture(model: ModelSeen, active: float) -> tuple[str | None, str]:
    """Return the mixture of experts that has about as many parameters in all and for one token."""
    near = []
    for name, _, sizes in _shapes():
        known = _ACTIVE.search(name)
        if known is None or model.size is None:
            continue
        share, whole = float(known.group(1)) / active, min(abs(log(one / model.size)) for one in sizes)
        if 0.7 <= share <= 1.4 and whole <= _MIXED:
            near.append((whole + abs(log(share)), name))
    if not near:
        return None, ""
    name = min(near)[1]
    return name, f"{model.text.strip()} is taken as {name}, which has about as many parameters for one token."


def _preferred(model: ModelSeen) -> tuple[str, ...]:
    """Return the families whose shape stands for an unknown one of the size; the old ones for an old name."""
    return ("llama2", "llama", "llama3") if model.family in {"llama", "llama2"} else ("llama3", "qwen2.5", "llama2")


def _built(model: ModelSeen) -> Demand | None:
    """Return a demand from what a log prints of a model that is no known shape; None where it says too little."""
    size, layers, width, vocabulary = model.bytes, model.layers, model.embedding, model.vocabulary
    if not (size and layers) or layers > 500:
        return None
    # A layer of a transformer has about 12 times its width squared of parameters.
    width = width or max(128, round((size / 0.6 / 12 / layers) ** 0.5 / 128) * 128)
    parameters = (model.size or 0.0) * 1e9
    bits = size / parameters if parameters > 1e6 else 0.6
    table = round((vocabulary or 32000) * width * bits)
    if table * 2 > 0.6 * size:
        table = round(0.1 * size)
    each = (size - 2 * table) // layers
    share = 1.0
    if model.experts and model.experts_used and model.experts > model.experts_used:
        # Nine tenths of the weights of a mixture are routed experts.
        share = 0.1 + 0.9 * model.experts_used / model.experts
    read = round(each * share)
    cache = model.cache_width or width
    weights = round((parameters or size / 0.6) / layers * share)
    layer = Layer(
        read, each, weights, Attention(cache, cache, width),
        experts_held=round(0.9 * each) if share < 1 else 0,
        experts_read=max(0, read - round(0.1 * each)) if share < 1 else 0,
    )  # fmt: skip
    name = model.text[:60] or "model"
    return Demand(
        name, model.quant or "unknown", "unknown", (layer,) * layers, table, table, (vocabulary or 32000) * width,
        width, vocabulary or 32000, 0, size,
    )  # fmt: skip


_BARE = (
    (re.compile(r"(?:[23456]0[5-9]0)\b"), "RTX"), (re.compile(r"(?:9|10|16)[5-8]0\b"), "GTX"),
    (re.compile(r"[5679][5-9]\d0 ?XTX?\b", re.IGNORECASE), "RX"),
)  # fmt: skip
"""Numbers that people write without the name before them."""


_XEON = re.compile(r"\b([Ee][357])[- ]?(\d{4})([A-Z]{0,2})[- ]?[vV]([2-6])\b")
_CORE = re.compile(r"\b[iI]([3579])[- ](\d{3,5}[A-Za-z]{0,2}\d?[A-Za-z]?)\b")
_BARE_INTEL = re.compile(r"^(?:Intel )?(1[0-4])([1-9]\d0)([A-Z]{0,2})$", re.IGNORECASE)
_BARE_AMD = re.compile(r"^(?:AMD ?)?(?:Ryzen )?(([1-9])(\d)[05]0(?:X ?-?3D|WX|X|G|GE|HX|HS|H|U|XT)?)$", re.IGNORECASE)
_INTEL_GRADE = {"9": "9", "7": "7", "6": "5", "5": "5", "4": "5", "3": "3", "1": "3"}
_AMD_GRADE = {"9": "9", "8": "7", "7": "7", "6": "5", "5": "5", "4": "5", "3": "3", "2": "3", "1": "3"}


def cpu_name(name: str) -> str:
    """Return a processor's name as its maker writes it: people leave out words, dashes and capitals.

    The grade of a bare number follows from its hundreds: 12900K is an i9, 5600G a Ryzen 5, 3990X a Threadripper.
    """
    name = _XEON.sub(lambda m: f"{m[1].upper()}-{m[2]}{m[3]} v{m[4]}", name)
    name = _CORE.sub(lambda m: f"i{m[1]}-{m[2].upper()}", name)
    if intel := _BARE_INTEL.match(name):
        return f"i{_INTEL_GRADE.get(intel[2][0], '5')}-{intel[1]}{intel[2]}{intel[3].upper()}"
    if amd := _BARE_AMD.match(name):
        model = re.sub(r"[ -]", "", amd[1].upper())
        if re.fullmatch(r"[123]9[2-9]0(?:X|WX)|[12]950X", model) and model != "3950X":
            return f"Threadripper {model}"
        return f"Ryzen {_AMD_GRADE.get(amd[3], '5')} {model}"
    if apple := re.fullmatch(r"(M[1-6])(?: ?(Pro|Max|Ultra))?", name):
        return " ".join(one for one in ("Apple", *apple.groups()) if one)
    if name.lower() == "orange pi 5":
        return "RK3588"
    return re.sub(
        r"(?i)(threadripper(?: pro)? |ryzen [3579] |epyc )(\w+)", lambda m: f"{m[1]}{m[2].upper()}", name
    ).replace("RK3588S", "RK3588").replace("rk3588s", "RK3588")  # fmt: skip


def cpu(name: str) -> KnownCpu | None:
    """Return what is known of a processor by the name that a program or a person gives it, or None."""
    plain = cpu_name(name)
    found, tail = _by_name(plain), re.search(r"(E[57]-\d{4})[A-Z] (v\d)", plain)
    if found is not None and found.cpu.cores is None and tail:
        # A letter of one buyer's variant does not change what matters here.
        return _by_name(f"{tail[1]} {tail[2]}") or found
    return found


def _by_name(name: str) -> KnownCpu | None:
    bare = re.fullmatch(r"(?:Intel )?Xeon(?:\(R\))? (?:CPU )?(([3-9])[1-5]\d\d\w?)", name)
    if bare is not None:
        grade = {"3": "Bronze", "4": "Silver", "5": "Gold", "6": "Gold"}.get(bare.group(2), "Platinum")
        name = f"Xeon {grade} {bare.group(1)}"
    return machines.match_cpu(name)


def gpu(name: str) -> Gpu | None:
    """Return a card by its name, or None."""
    name = re.sub(r"\s*\.\.\.$", "", name)
    name = re.sub(r"^(?:AMD )?(?:ATI )?Radeon (?=[5679]\d{2}0)", "RX ", name)
    for pattern, maker in _BARE:
        if pattern.match(name):
            name = f"{maker} {name}"
    return machines.match_gpu(name)
