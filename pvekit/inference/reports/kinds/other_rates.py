"""Speeds as KoboldCpp, LM Studio, text-generation-webui, llama-cli and llama-server's JSON print them."""

from __future__ import annotations

import re

from pvekit.inference.observed import Run
from pvekit.inference.reports import numbers
from pvekit.inference.reports.found import Found
from pvekit.inference.reports.lines import Line, Text

_N = r"(\d{1,9}(?:\.\d{1,6})?)"
_CLI = re.compile(rf"\[ ?Prompt: {_N} t/s \| Generation: {_N} t/s ?\]")
_KOBOLD_LIMIT = re.compile(r"(?:Ctx|Context)Limit: ?(\d{1,8})/(\d{1,8})")
_KOBOLD = re.compile(
    rf"(Process|Generat)(?:ing|e|ion)?: ?{_N}s \((?:{_N}ms/T(?: = {_N}T/s)?|{_N} ?T/s)\)", re.IGNORECASE
)
_KOBOLD_BENCH = re.compile(rf"^(Processing|Generation)Speed: {_N} ?T/s\s*$")
_WEBUI = re.compile(rf"Output generated in {_N} seconds \({_N} tokens/s, (\d{{1,7}}) tokens, context (\d{{1,8}})")
_SERVER = re.compile(rf'"(prompt|predicted)_per_second"\s{{0,4}}:\s{{0,4}}{_N}')
_SERVER_COUNT = re.compile(r'"(prompt|predicted)_n"\s{0,4}:\s{0,4}(\d{1,8})')
_STUDIO = re.compile(rf"^\W{{0,6}}{_N} ?tok/sec\b.{{0,10}}?(\d{{1,7}}) tokens")
_GENERIC = re.compile(
    rf"^\W{{0,4}}(pp|prefill|prompt(?: processing)?|tg|decode|generation|eval(?:uation)?"
    rf"|gen)\b[^\d|]{{0,20}}?[:=]\s{{0,8}}{_N} ?(?:tok(?:ens?)?/s(?:ec)?|t/s|tps)\W{{0,3}}$",
    re.IGNORECASE,
)


def read(text: Text, found: Found) -> None:
    """Read each line for itself; a prompt that came from the cache is no measurement."""
    counts: dict[str, int] = {}
    for line in text.lines:
        for kind, count in _SERVER_COUNT.findall(line.text):
            counts[kind] = int(count)
        for phase, rate, tokens, depth in _rates(line, counts):
            value = numbers.maybe(rate)
            found.take(line)
            if value is not None and (phase == "decode" or tokens is None or tokens > 2):
                found.run(Run(phase, value, tokens=tokens, depth=depth if depth >= 512 else 0, seen=line.seen()))


def _rates(line: Line, counts: dict[str, int]) -> list[tuple[str, str, int | None, int]]:
    text = line.text
    if match := _CLI.search(text):
        return [("prefill", match.group(1), None, 0), ("decode", match.group(2), None, 0)]
    if match := _KOBOLD_BENCH.match(text.strip()):
        return [("prefill" if match.group(1) == "Processing" else "decode", match.group(2), None, 0)]
    if match := _WEBUI.search(text):
        # Its time holds the prompt's as well: with a long prompt this is less than the decode rate.
        return (
            [("decode", match.group(2), int(match.group(3)), int(match.group(4)))] if int(match.group(4)) < 200 else []
        )
    if '_per_second"' in text:
        return [
            ("prefill" if kind == "prompt" else "decode", rate, counts.get(kind), 0)
            for kind, rate in _SERVER.findall(text)
        ]
    if "ms/T" in text or "T/s" in text:
        return _kobold(text)
    if match := _STUDIO.match(text):
        return [("decode", match.group(1), int(match.group(2)), 0)]
    if (match := _GENERIC.match(text)) and "eval rate" not in text.lower():
        prompt = match.group(1).lower().startswith(("p",))
        return [("prefill" if prompt else "decode", match.group(2), None, 0)]
    return []


def _kobold(text: str) -> list[tuple[str, str, int | None, int]]:
    limit = _KOBOLD_LIMIT.search(text)
    depth = int(limit.group(1)) if limit else 0
    found: list[tuple[str, str, int | None, int]] = []
    for kind, seconds, milliseconds, rate, other in _KOBOLD.findall(text):
        value = rate or other
        each = numbers.maybe(milliseconds)
        if not value and each:
            value = f"{1000 / each:.3f}"
        spent = numbers.maybe(seconds) or 0.0
        if value and spent >= 0.05:
            decode = kind.lower() == "generat"
            tokens = round(spent * (numbers.maybe(value) or 0.0))
            found.append(("decode" if decode else "prefill", value, tokens, depth if decode else 0))
    return found
