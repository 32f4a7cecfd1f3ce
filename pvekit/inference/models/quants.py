"""Which type each tensor gets in a quantisation: the mixtures of llama.cpp's quantiser (src/llama-quant.cpp, 2026)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pvekit.inference.models.shape import Shape
from pvekit.inference.models.tensors import Slot, tensors
from pvekit.model.ggml import BY_NAME, Kind

BASE = {
    "F32": "F32", "F16": "F16", "BF16": "BF16", "Q8_0": "Q8_0",
    "Q4_0": "Q4_0", "Q4_1": "Q4_1", "Q5_0": "Q5_0", "Q5_1": "Q5_1",
    "Q2_K": "Q2_K", "Q2_K_S": "Q2_K", "Q3_K_S": "Q3_K", "Q3_K_M": "Q3_K", "Q3_K_L": "Q3_K",
    "Q4_K_S": "Q4_K", "Q4_K_M": "Q4_K", "Q5_K_S": "Q5_K", "Q5_K_M": "Q5_K", "Q6_K": "Q6_K",
    "IQ2_XXS": "IQ2_XXS", "IQ2_XS": "IQ2_XS", "IQ2_S": "IQ2_XS", "IQ2_M": "IQ2_S",
    "IQ3_XXS": "IQ3_XXS", "IQ3_XS": "IQ3_S", "IQ3_S": "IQ3_S", "IQ3_M": "IQ3_S",
    "IQ4_NL": "IQ4_NL", "IQ4_XS": "IQ4_XS", "IQ1_S": "IQ1_S", "IQ1_M": "IQ1_M", "MXFP4": "MXFP4",
}  # fmt: skip
"""The quantisations by name, and the type most of their tensors have."""

_SMALL = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"})
_FALLBACK = {
    **dict.fromkeys(("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_XS"), "IQ4_NL"),
    "Q2_K": "Q4_0", "Q3_K": "Q4_0", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0",
}  # fmt: skip
"""What a row gets whose length is no multiple of 256."""


def names() -> tuple[str, ...]:
    """Return the names of all quantisations."""
    return tuple(BASE)


def canonical(name: str) -> str:
    """Return a quantisation's name as this module writes it. Raises KeyError."""
    found = name.strip().upper().replace("-", "_").removesuffix(".GGUF")
    found = {"Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M", "Q3_K": "Q3_K_M", "FP16": "F16", "MXFP4_MOE": "MXFP4"}.get(
        found, found
    )
    if found not in BASE:
        raise KeyError(f"no quantisation is called {name}; there are {', '.join(BASE)}")
    return found


def typed(shape: Shape, quant: str) -> Iterator[tuple[Slot, Kind]]:
    """Yield each tensor with its type. Raises KeyError."""
    quant = canonical(quant)
    for slot in tensors(shape):
        yield slot, BY_NAME["F32" if slot.plain or len(slot.shape) < 2 else _fitting(slot, _wanted(shape, slot, quant))]


def _fitting(slot: Slot, name: str) -> str:
    while slot.shape[0] % BY_NAME[name].block:
        name = _FALLBACK.get(name, "F16")
    return name


def _wanted(shape: Shape, slot: Slot, quant: str) -> str:
    base = BASE[quant]
    if quant in ("F32", "F16", "BF16"):
        return base
    name = slot.name
    if name == "output.weight" or (name == "token_embd.weight" and shape.tied):
        if quant == "MXFP4" or slot.shape[0] % BY_NAME[base].block:
            return "Q8_0"
        return "Q5_K" if quant in _SMALL | {"IQ3_XXS"} else base if base == "Q8_0" else "Q6_K"
    if quant == "MXFP4":
        return "MXFP4" if "_exps" in name else "Q8_0"
    if name == "token_embd.weight":
        small = {"IQ2_S": "IQ3_S", "IQ2_M": "IQ3_S", "IQ3_XXS": "IQ3_S"}
        return small.get(quant, "Q2_K" if quant in _SMALL else base)
    layer = int(re.match(r"blk\.(\d+)\.", name)[1])  # type: ignore[index]
    part = name.split(".")[2]
    if quant in _SMALL:
        return _tiny(shape, part, layer, quant)
    if part in ("attn_v", "attn_qkv", "attn_kv_b"):
        return _values(shape, layer, quant)
    if part.startswith("ffn_down"):
        return _down(shape, layer, quant)
    return _rest(shape, part, layer, quant)


def _more(layer: int, layers: int) -> bool:
    """Tell whether the mixtures give this layer more bits: the first and last eighth, and every third between."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def _eight(shape: Shape) -> bool:
    return shape.experts is not None and shape.experts.count == 8


def _grouped(shape: Shape) -> bool:
    return shape.heads // shape.kv_heads >= 4


def _tiny(shape: Shape, part: str, layer: int, quant: str) -> str:
    better = "IQ3_S" if quant in ("IQ2_S", "IQ2_M") else "Q2_K"
    if part in ("attn_v", "attn_qkv", "attn_kv_b"):
        return "Q4_K" if _grouped(shape) or (shape.experts and shape.experts.count >= 4) else better
    if part == "attn_k" and _eight(shape):
        return "Q4_K"
    if part.startswith("ffn_down") and layer < shape.layers // 8:
        return better
    if part == "attn_output":
        if _eight(shape):
            return "Q5_K"
        return {"IQ1_S": "IQ2_XXS", "IQ1_M": "IQ2_XXS", "IQ2_S": "IQ3_S", "IQ2_M": "IQ3_S"}.get(quant, BASE[quant])
    return BASE[quant]


def _values(shape: Shape, layer: int, quant: str) -> str:
    found = BASE[quant]
    grouped = _grouped(shape)
    fixed = {
        "Q2_K": "Q4_K" if grouped else "Q3_K", "IQ3_XXS": "Q4_K" if grouped else "IQ3_S", "IQ3_M": "Q4_K",
        "Q3_K_M": "Q5_K" if layer < 2 else "Q4_K", "Q3_K_L": "Q5_K",
    }  # fmt: skip
    if quant in fixed:
        found = fixed[quant]
    elif quant in ("Q2_K_S", "IQ3_XS", "IQ3_S") and grouped:
        found = "Q4_K"
    elif quant in ("IQ4_NL", "IQ4_XS") and grouped:
        found = "Q5_K"
    elif quant in ("Q4_K_M", "Q5_K_M") and _more(layer, shape.layers):
        found = "Q6_K"
    elif quant == "Q4_K_S" and layer < 4:
        found = "Q5_K"
    # llama.cpp calls every model of 80 layers with grouped heads a 70B.
    if shape.layers == 80 and shape.heads != shape.kv_heads and found in ("Q3_K", "Q4_K"):
        found = "Q5_K"
    return "Q8_0" if _eight(shape) else found


def _down(shape: Shape, layer: int, quant: str) -> str:
    early = layer < shape.layers // 8
    fixed = {"Q2_K": "Q3_K", "Q3_K_L": "Q5_K", "IQ3_XXS": "Q4_K" if early else "Q3_K",
             "Q3_K_M": "Q5_K" if layer < shape.layers // 16 else "Q4_K"}  # fmt: skip
    if quant in fixed:
        return fixed[quant]
    if quant in ("Q4_K_M", "Q5_K_M") and _more(layer, shape.layers):
        return "Q6_K"
    if early and quant in ("Q2_K_S", "IQ3_M"):
        return "Q4_K"
    if early and quant in ("IQ4_NL", "IQ4_XS", "Q4_K_S"):
        return "Q5_K"
    if quant == "IQ3_M" and _eight(shape) and _more(layer, shape.layers):
        return "Q4_K"
    return BASE[quant]


def _rest(shape: Shape, part: str, layer: int, quant: str) -> str:
    if part == "attn_k" and _eight(shape):
        return "Q8_0"
    if part in ("attn_k", "attn_q"):
        return {"IQ3_XS": "IQ3_XXS", "IQ3_XXS": "IQ2_S"}.get(quant, BASE[quant])
    if part == "attn_output":
        if _eight(shape):
            full = {
                "Q2_K",
                "IQ3_XS",
                "IQ3_XXS",
                "Q3_K_S",
                "Q3_K_M",
                "IQ4_NL",
                "Q4_K_S",
                "Q4_K_M",
                "IQ3_S",
                "IQ3_M",
                "IQ4_XS",
            }
            return "Q5_K" if quant in full else BASE[quant]
        more = {"Q2_K": "Q3_K", "IQ3_XXS": "IQ3_S", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K", "IQ3_M": "Q4_K"}
        return more.get(quant, BASE[quant])
    if quant == "IQ3_XS" and part.startswith(("ffn_gate", "ffn_up")):
        middle = shape.layers // 8 <= layer < 7 * shape.layers // 8
        return "IQ3_XXS" if middle else BASE[quant]
    return BASE[quant]
