"""What ollama prints for a person: ``--verbose`` after an answer, ``ollama ps``, ``ollama list``, the API's JSON."""

from __future__ import annotations

import re

from pvekit.inference.observed import Run
from pvekit.inference.reports import names, numbers
from pvekit.inference.reports.found import Found, ModelSeen
from pvekit.inference.reports.lines import Line, Text

_RATE = re.compile(r"\b(prompt )?eval rate:?\s{0,12}([\d.,]{1,15}) ?tokens?/s", re.IGNORECASE)
_COUNT = re.compile(r"\b(prompt )?eval count:?\s{0,12}(\d{1,9}) ?token", re.IGNORECASE)
_OTHER = re.compile(r"^\s*(?:total duration|load duration|(?:prompt )?eval (?:duration|count)):", re.IGNORECASE)
_RUN = re.compile(r"\bollama run (?:--?[\w-]+ )*(?!--)([\w./:-]{2,80})")
_BEFORE = re.compile(r"^[\W\d]*(?:\S*[$#>%] ?)?(?:(?:sudo|docker exec|time|[A-Z_]+=\S+|-\w+|ollama)\s+)*$")
"""What stands before it there."""
_COMMAND = re.compile(r"^(?:\s+--?\w+)*\s*(?:[\"'<|`].*)?$")
"""What stands behind the model where the line is a command and no sentence."""
_SPLIT = re.compile(r"\b(\d{1,3})%\s?/\s?(\d{1,3})% CPU/GPU", re.IGNORECASE)
_WHOLE = re.compile(r"\b100% (CPU|GPU)\b", re.IGNORECASE)
_PS_SIZE = re.compile(r"\s(\d{1,4}(?:\.\d+)?) (GB|MB)\s")
_PS_HEAD = re.compile(r"^\s*NAME\s+ID\s+SIZE")
_SET = re.compile(r"(?:/set parameter num_thread|Set parameter 'num_thread' to) '?(\d{1,4})\b")
_BACKEND = re.compile(r"loaded CPU backend from \S{0,300}?ggml-cpu-([a-z0-9_]+)\.(?:so|dll|dylib)")
_NO_BACKEND = re.compile(r"^\W*no (?:more )?backends?\b")
_PS_CONTEXT = re.compile(r"(?:CPU|GPU)\s+(\d{3,7})\s")
_TAG = re.compile(r"^\s*([\w./-]{2,60}(?::[\w.-]{1,40})?)\s+[0-9a-f]{12}\s")
_API = re.compile(r'"(prompt_)?eval_(count|duration)"\s{0,4}:\s{0,4}(\d{1,18})')
_API_MODEL = re.compile(r'"model"\s{0,4}:\s{0,4}"([\w./:-]{2,80})"')


def read(text: Text, found: Found) -> None:
    """Read rates with the model that was run before them, and where the loaded model lies."""
    model: ModelSeen | None = None
    prompt, variant, threads = 0, None, None
    for line in text.lines:
        if match := _RUN.search(line.text):
            model = names.one(match.group(1), line.seen(), printed=True, tag=True) or model
            if model is not None:
                found.model(model)
            if _BEFORE.match(line.text[: match.start()]) and _COMMAND.search(line.text[match.end() :]):
                found.take(line)
        variant, threads = _set(line, variant, threads)
        if _OTHER.match(line.text) or _PS_HEAD.match(line.text):
            found.take(line)
        if (match := _COUNT.search(line.text)) and match.group(1):
            prompt = int(match.group(2))
        if match := _RATE.search(line.text):
            found.take(line)
            _rate(match, line, (prompt, variant, threads), model, found)
        elif '"eval_' in line.text or '"prompt_eval_' in line.text:
            _api(line, model, found)
        _placed(line, found)


def _set(line: Line, variant: str | None, threads: int | None) -> tuple[str | None, int | None]:
    """Return the CPU backend and the threads that hold from this line on."""
    if match := _SET.search(line.text):
        return variant, int(match.group(1))
    if match := _BACKEND.search(line.text):
        return match.group(1), threads
    return ("x64" if _NO_BACKEND.search(line.text) else variant), threads


def _rate(
    match: re.Match[str], line: Line, ran: tuple[int, str | None, int | None], model: ModelSeen | None, found: Found
) -> None:  # fmt: skip
    prompt, variant, threads = ran
    rate = numbers.maybe(match.group(2))
    if rate is None:
        return
    if match.group(1):
        # Tokens that were in the cache count as evaluated in no time.
        if prompt == 0 or prompt > 2:
            found.run(
                Run("prefill", rate, tokens=prompt or None, variant=variant, threads=threads, seen=line.seen()), model
            )
    else:
        depth = prompt if prompt >= 512 else 0
        found.run(Run("decode", rate, depth=depth, variant=variant, threads=threads, seen=line.seen()), model)


def _api(line: Line, model: ModelSeen | None, found: Found) -> None:
    values = {(bool(one), kind): int(number) for one, kind, number in _API.findall(line.text)}
    if match := _API_MODEL.search(line.text):
        model = names.one(match.group(1), line.seen(), printed=True, tag=True) or model
    found.take(line)
    for prompt, phase in ((True, "prefill"), (False, "decode")):
        count, nanoseconds = values.get((prompt, "count"), 0), values.get((prompt, "duration"), 0)
        if count > 2 and nanoseconds > 0:
            found.run(Run(phase, count * 1e9 / nanoseconds, tokens=count, seen=line.seen()), model)


def _placed(line: Line, found: Found) -> None:
    split, whole = _SPLIT.search(line.text), _WHOLE.search(line.text)
    if split is None and (whole is None or _TAG.match(line.text) is None):
        return
    tag = _TAG.match(line.text)
    if tag is None and split is not None and "GPU" not in line.text:
        return
    size = _PS_SIZE.search(line.text)
    if tag is not None:
        found.take(line)
        model = names.one(tag.group(1), line.seen(), printed=True, tag=True)
        if model is not None:
            found.model(model)
    if split is not None:
        card = int(split.group(2)) / 100
    else:
        assert whole is not None  # noqa: S101 one of the two matched
        card = 1.0 if whole.group(1).upper() == "GPU" else 0.0
    found.say("ollama.gpu_share", float(card), line)
    if tag is not None and (context := _PS_CONTEXT.search(line.text)):
        found.say("guest.context", int(context.group(1)), line)
    if size is not None:
        # It counts the cache and the buffers as well, so it is more than the weights.
        found.say("ollama.loaded", numbers.size(f"{size.group(1)} {size.group(2)}", binary=False), line)
    if card == 0:
        found.say("guest.gpu_layers", 0, line)
