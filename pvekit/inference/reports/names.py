"""Models and quantisations named in text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from pvekit.inference.observed import Seen
from pvekit.inference.reports.families import FAMILIES, OLLAMA_DEFAULT, R1
from pvekit.inference.reports.found import PRINTED, SAID, ModelSeen

_QUANT = re.compile(
    r"(?<![A-Za-z0-9])(?:UD-)?((?:i1-)?(?:IQ[1-4]_(?:XXS|XS|S|M|NL)|Q[2-6]_K(?:_(?:XXL|XL"
    r"|[SML]))?|Q[458]_[01]|Q[2-8]_K|T?Q[12]_0"
    r"|MXFP4|BF16|FP?16|FP?32|F16|F32))(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_LACKS = re.compile(r"\b(?:no|without|lacks) $", re.IGNORECASE)
"""Before the name of a type that a processor does not have."""
_LOOSE = re.compile(
    r"(?<![A-Za-z0-9])(?:Q([2-8])(?![A-Za-z0-9_])|(?<!-)([2-8])[ -]?bits?\b|int([48])\b|FP(8)\b)", re.IGNORECASE
)
_PRINTED_TYPE = re.compile(
    r"\b(Q[2-6]_K) - (Small|Medium|Large)\b|\b((?:IQ[1-4]_[A-Z]+|Q[458]_[01]|Q[2-8]_K|F16|BF16"
    r"|MXFP4(?: MoE)?)\b)(?: - [\d.]+ bpw)?"
)
_ABOUT = {"2": "Q2_K", "3": "Q3_K_M", "4": "Q4_K_M", "5": "Q5_K_M", "6": "Q6_K", "8": "Q8_0"}
_SIZE = re.compile(
    r"(?<![A-Za-z0-9.])(?:(\d{1,2})x)?(\d{1,4}(?:\.\d{1,2})?)[- ]?b(?:illion)?(?![a-z0-9])(?:[ -]?"
    r"a(\d{1,2}(?:\.\d)?)b)?",
    re.IGNORECASE,
)
_MILLIONS = re.compile(r"(?<![A-Za-z0-9.])(\d{2,4})m(?![a-z0-9])", re.IGNORECASE)
_MIXTURES = {(8, 7.0): 46.7, (8, 22.0): 141.0}
_SEPARATORS = str.maketrans(dict.fromkeys(" _:/\\", "-"))
_FOREIGN = re.compile(r"\s?(?:gb|gib|mb|ram|vram|memory)", re.IGNORECASE)


@cache
def _families() -> tuple[tuple[re.Pattern[str], str, float | None], ...]:
    return tuple(
        (re.compile(rf"(?<![a-z0-9])(?:{pattern})(?:(?<=\d)(?!\d)|(?<!\d))(?![a-z])"), family, size)
        for pattern, family, size in FAMILIES
    )


def quant(text: str) -> str:
    """Return the exact quantisation that a text names first, in llama.cpp's spelling; empty where none."""
    match = next((one for one in _QUANT.finditer(text) if not _LACKS.search(text[: one.start()])), None)
    if match is None:
        return ""
    found = match.group(1).upper().removeprefix("I1-")
    found = {"FP16": "F16", "FP32": "F32", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M", "Q3_K": "Q3_K_M"}.get(found, found)
    return re.sub(r"_X+L$", "_M", found)


def loose_quant(text: str) -> str:
    """Return the usual quantisation of so many bits, for ``4-bit`` and ``Q5``."""
    match = _LOOSE.search(text)
    return "" if match is None else _ABOUT.get(next(one for one in match.groups() if one), "")


def printed_quant(text: str) -> str:
    """Return the quantisation as llama.cpp prints a file type, such as ``Q4_K - Medium``."""
    match = _PRINTED_TYPE.search(text)
    if match is None:
        return quant(text)
    if match.group(1):
        return f"{match.group(1)}_{match.group(2)[0]}"
    return match.group(3).removesuffix(" MoE")


def models(text: str) -> Iterator[tuple[int, int, ModelSeen]]:
    """Return start, end and model of every model that a text names, in order.

    A size alone (``a 14B model``) is one as well; a family alone only where the family has one size.
    """
    flat = text.lower().translate(_SEPARATORS)
    sizes = [(match.start(), match.end(), *_size(match)) for match in _SIZE.finditer(flat) if not _memory(text, match)]
    sizes += [(match.start(), match.end(), float(match[1]) / 1000, False) for match in _MILLIONS.finditer(flat)]
    families = _named(flat)
    used: set[int] = set()
    for start, end, family, implied in families:
        near = next((one for one in sorted(sizes) if one[0] not in used and _belongs(one, start, end, families)), None)
        if near is not None:
            used.add(near[0])
            yield _model(text, min(start, near[0]), max(end, near[1]), family, near[2])
        elif implied is not None:
            yield _model(text, start, end, family, implied)
        else:
            yield _model(text, start, end, family, None)
    for start, end, size, mixture in sorted(sizes):
        if start not in used and not _MILLIONS.match(flat, start):
            yield _model(text, start, end, "mixtral" if mixture else "", size)


def _size(match: re.Match[str]) -> tuple[float, bool]:
    size = float(match.group(2))
    if match.group(1) is None:
        return size, False
    many = int(match.group(1))
    return _MIXTURES.get((many, size), many * size), (many, size) in _MIXTURES


def _memory(text: str, match: re.Match[str]) -> bool:
    """Return whether what looks like a size of a model is something else."""
    return float(match.group(2)) == 0 or _FOREIGN.match(text, match.end()) is not None


def _named(flat: str) -> list[tuple[int, int, str, float | None]]:
    """Return the families in a text, the more special name first where several fit at one place."""
    found: list[tuple[int, int, str, float | None]] = []
    for pattern, family, size in _families():
        for match in pattern.finditer(flat):
            start, end = match.span()
            behind = flat[end : end + 4]
            # llama.cpp and its programs are no model.
            if match.group() == "llama" and behind.startswith((".cpp", "-cpp", "-ser", "-ben", "-cli", "-com")):
                continue
            if family in {"yi", "phi", "solar", "falcon", "aya", "grok", "granite"} and not _SIZE.match(
                flat, min(end + 1, len(flat))
            ):
                continue
            if all(end <= other[0] or start >= other[1] for other in found):
                found.append((start, end, family, size))
    return sorted(found)


def _belongs(
    size: tuple[int, int, float, bool], start: int, end: int, families: list[tuple[int, int, str, float | None]]
) -> bool:
    """Return whether a size belongs to the family at a place: close behind it, or right before it."""
    if size[0] >= end:
        following = min((one[0] for one in families if one[0] >= end), default=1 << 30)
        return size[0] - end <= 24 and size[0] < following
    return 0 <= start - size[1] <= 1


def _model(text: str, start: int, end: int, family: str, size: float | None) -> tuple[int, int, ModelSeen]:
    if family == "deepseek-r1":
        family = R1.get(size, "deepseek-v3") if size is not None else "deepseek-r1"
    if family == "gpt-oss" and size is not None:
        size = 116.8 if size > 100 else 20.9
    # The quantisation stands behind the name in most texts, and in the same word in file names.
    around = text[start : min(len(text), end + 40)]
    exact = quant(around)
    about = "" if exact else loose_quant(around)
    return start, end, ModelSeen(text[start:end], family, size, exact or about, guessed=bool(about))


def one(text: str, seen: Seen, *, printed: bool = False, tag: bool = False) -> ModelSeen | None:
    """Return the model of a name (a file, an ollama tag, a title), or None. ``tag``: an ollama name without a size."""
    found = next((model for _, _, model in models(text) if model.family or model.size), None)
    if found is None:
        return None
    if tag and found.size is None:
        found = replace(found, size=OLLAMA_DEFAULT.get(found.family))
        if found.family == "deepseek-r1":
            found = replace(found, family="qwen2.5")
    exact = quant(text)
    return replace(
        found,
        text=text.strip()[:120],
        quant=exact or found.quant,
        guessed=found.guessed and not exact,
        strength=PRINTED if printed else SAID,
        seen=seen,
    )
