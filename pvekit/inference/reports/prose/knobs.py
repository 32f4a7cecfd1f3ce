"""Threads, layers on the card and the like, in a few words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pvekit.inference.reports import numbers

_THREADS = re.compile(
    r"(?:^|(?<!dmidecode)(?<!lspci)(?<!timeout)[\s(])(?:-t|--threads)[ =](\d{1,3})\b|\b(?:num_threads?"
    r"|n_threads|threads?)\s{0,2}(?:="
    r"|:|set to|of|at|is)\s{0,2}(\d{1,3})\b|\b(\d{1,3})[ -](?:cpu )?threads?\b(?! \w* ?per)",
    re.IGNORECASE,
)
_SPEC = re.compile(r"(?:cores?|c)\s{0,2}(?:,|/|&|and|\+|\(|with)?\s{0,2}$|\d\s?[cC]\s?/\s?$|/\s?$", re.IGNORECASE)
_SPEC_BEHIND = re.compile(
    r"^\s?(?:cpu|processor|xeon|epyc|ryzen|total|available|machine|server|in total|\))", re.IGNORECASE
)
_CPU = re.compile(r"(?:xeon|epyc|ryzen|core|i\d-\d|E5|E7|threadripper|v[2345])\S{0,12}[ (,]{0,3}$", re.IGNORECASE)
_LAYERS = re.compile(
    r"\b(?:num_gpu|n_gpu_layers|ngl|-ngl|--n-gpu-layers|gpu layers?|gpulayers"
    r"|layers? offloaded)\s{0,2}(?:=|:|set to|of|at|is|to)?\s{0,2}(\d{1,7})\b"
    r"|\b(?:only |just )?(\d{1,3})(?: ?(?:/|of|out of) ?\d{1,3})? (?:\w+ )?layers? (?:were |are "
    r"|is |get |got |being |could be |fit |went )?(?:offloaded|on(?:to)? (?:the |my )?(?:gpu|card"
    r"|p\d+|rtx|gtx|vram)|in(?:to)? (?:the )?(?:gpu|vram)|to (?:the |my )?(?:gpu|card|vram|p\d+|rtx|gtx))"
    r"|\boffload(?:s|ed|ing)? (?:only |just |about )?(\d{1,3}|one|two)(?: ?(?:/|of|out of) ?\d{1,3})? layers?",
    re.IGNORECASE,
)
_ONLY_CPU = re.compile(
    r"\bcpu[ -]?only\b|\bonly (?:on )?(?:the )?cpu\b|\bpure cpu\b|\bwithout (?:the |a "
    r"|any )?gpu\b|\bno gpu\b(?! (?:util|usage|load|activ))|\b100 ?% cpu\b(?!.{0,12}(?:util|usage"
    r"|load|on))|\bgpu: ?none\b|\bcpu inference\b|^\W*on (?:the |my |an? )?(?:intel |amd )?cpu\b"
    r"|\bjust (?:the )?cpu\b|\bon cpu alone\b",
    re.IGNORECASE,
)
_ON_CARD = re.compile(
    r"\b(?:fully|entirely|completely|all layers?|whole model|100 ?%)(?: \w+){0,3} (?:on|in|to"
    r"|into|onto) ?(?:the |my )?(?:gpu|vram|card|cuda)\b|\b100 ?% gpu\b(?!.{0,12}(?:util|usage"
    r"|load))|\bfits? (?:entirely |fully |completely )?(?:in|into) (?:the )?vram\b",
    re.IGNORECASE,
)
_DEPTH = re.compile(
    r"(?:@ ?d|depth(?: of)? )(\d{1,6})(k)?\b|\bat (\d{1,3})k (?:context |ctx |tokens? )?(?:depth|deep|filled|in)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Knobs:
    """What was set; None where nothing is said."""

    threads: int | None = None
    gpu_layers: int | None = None
    device: str | None = None
    depth: int | None = None

    def over(self, other: Knobs) -> Knobs:
        """Return these, and the other's where these say nothing."""
        return Knobs(
            self.threads if self.threads is not None else other.threads,
            self.gpu_layers if self.gpu_layers is not None else other.gpu_layers,
            self.device or other.device,
            self.depth if self.depth is not None else other.depth,
        )


def either(before: Knobs, after: Knobs) -> Knobs:
    """Return what stands before a number, or else behind it."""
    return before.over(after)


def of(text: str) -> Knobs:
    """Return the knobs named in a text. Two different numbers of threads are none."""
    threads = {
        int(next(one for one in match.groups() if one)) for match in _THREADS.finditer(text) if not _spec(text, match)
    }
    counts = (numbers.word(next(one for one in match.groups() if one)) for match in _LAYERS.finditer(text))
    layers = {count for count in counts if count is not None}
    device = "cpu" if _ONLY_CPU.search(text) else None
    card = _ON_CARD.search(text) is not None
    if device and (card or layers - {0}):
        device = None
    elif card or layers - {0}:
        device = "gpu"
    depth = _DEPTH.search(text)
    return Knobs(
        threads.pop() if len(threads) == 1 else None,
        layers.pop() if len(layers) == 1 else 0 if device == "cpu" and not layers else None,
        device,
        None
        if depth is None
        else int(depth.group(1) or depth.group(3)) * (1000 if depth.group(2) or depth.group(3) else 1),
    )


def _spec(text: str, match: re.Match[str]) -> bool:
    """Return whether a number of threads describes the processor, as in ``14 cores / 28 threads``."""
    if match.group(3) is None:
        return False
    start = match.start(3)
    before = text[max(0, start - 40) : start]
    return bool(_SPEC.search(before) or _SPEC_BEHIND.match(text[match.end() :]) or _CPU.search(before))
