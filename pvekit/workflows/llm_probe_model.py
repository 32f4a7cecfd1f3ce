"""Which model a probe measures with: the one named, the one that the machine serves, or one of random bytes."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pvekit.adapters.llm_probe_gguf import header
from pvekit.adapters.runner import Local, Runner
from pvekit.inference.demand import Demand
from pvekit.model.bundle import Bundle
from pvekit.model.errors import NotFound, PvekitError, TaskFailed

QUANT = "Q4_K_M"
_SHAPES = (("llama-3.2-1b", 800_000_000), ("qwen2.5-0.5b", 392_000_000), ("smollm2-135m", 104_000_000))
"""Shapes of the synthetic model and about how many bytes a token reads of them."""
_CACHES = 3
"""A model of fewer times the cache would be read from it in part."""
_PIECE = 2**24


@dataclass(frozen=True, slots=True)
class Chosen:
    """A model's file on the machine. ``read`` is the bytes that a token reads, None where nobody counted them."""

    path: str
    quant: str | None
    read: int | None
    synthetic: bool = False


def served(bundle: Bundle) -> str:
    """Return the model of the unit that serves one there; empty when there is none."""
    text = bundle.files.get("unit.txt", "").replace("\\\n", " ")
    for line in (*text.splitlines(), bundle.files.get("args.txt", "")):
        try:
            words = shlex.split(line.partition("=")[2] if line.startswith(("ExecStart=", "LLAMA_")) else "")
        except ValueError:
            continue
        for flag, value in pairwise(words):
            if flag in ("-m", "--model") and "$" not in value:
                return value
    found = re.search(r"^Environment=\"?LLAMA_(?:ARG_)?MODEL=([^\"\s]+)", text, re.MULTILINE)
    return found[1] if found else ""


@contextmanager
def chosen(
    runner: Runner, bundle: Bundle, model: str, *, cache: int, free: int, say: Callable[[str], None]
) -> Iterator[Chosen]:
    """Give the model to measure with; a synthetic one is gone afterwards. Raises NotFound, TaskFailed."""
    path = model or served(bundle)
    if path:
        if runner.run(["test", "-r", path]).rc != 0:
            raise NotFound("the model cannot be read", status=0, where=f"{path} on {runner.where}",
                           hint="Name a GGUF file that lies on that machine: --model FILE")  # fmt: skip
        yield _chosen(runner, path)
        return
    shape = fitting(cache, free)
    say(f"write a synthetic {shape} {QUANT}")
    with tempfile.TemporaryDirectory(prefix="pvekit-probe-") as folder:
        made = Path(folder) / f"synthetic-{shape}-{QUANT}.gguf"
        synthesise(shape, made)
        read = _chosen(Local(), str(made)).read
        if isinstance(runner, Local):
            yield Chosen(str(made), QUANT, read, synthetic=True)
            return
        there = _sent(runner, made, say)
        try:
            yield Chosen(there, QUANT, read, synthetic=True)
        finally:
            runner.run(["rm", "-f", there])


def fitting(cache: int, free: int) -> str:
    """Return the smallest shape that is larger than the caches and fits. Raises PvekitError when none does."""
    room = [(name, size) for name, size in _SHAPES if size < free // 2]
    if not room:
        raise PvekitError(f"a synthetic model needs more than the {free / 2**20:.0f} MiB that are free",
                          hint="Name a smaller model: --model FILE")  # fmt: skip
    large = [name for name, size in reversed(room) if size >= _CACHES * cache]
    return large[0] if large else room[0][0]


def synthesise(shape: str, path: Path) -> None:
    """Write a model of random bytes. Raises PvekitError."""
    from pvekit.inference.models import synth

    synth.write(shape, QUANT, path, 0)


def counted(runner: Runner, path: str) -> Demand | None:
    """Return what a model on a machine asks for; None for one that pvekit cannot count, which llama.cpp may yet run."""
    from pvekit.inference.models.demand import of_file

    try:
        return of_file(header(runner, path))
    except (PvekitError, OSError, ValueError, KeyError):
        return None


def _chosen(runner: Runner, path: str) -> Chosen:
    found = counted(runner, path)
    return Chosen(path, found.quant if found else None, found.read if found else None)


def _sent(runner: Runner, made: Path, say: Callable[[str], None]) -> str:
    say(f"send {made.stat().st_size / 1e6:.0f} MB to {runner.where}")
    done = runner.run(["mktemp", "-t", "pvekit-probe-XXXXXX.gguf"])
    there = done.out.strip()
    if done.rc != 0 or not there.startswith("/"):
        raise TaskFailed(f"no file can be made there: {done.err.strip()}", where=runner.where)
    with made.open("rb") as file:
        while piece := file.read(_PIECE):
            done = runner.run(["sh", "-c", 'cat >>"$1"', "sh", there], stdin=piece, timeout=600.0)
            if done.rc != 0:
                runner.run(["rm", "-f", there])
                raise TaskFailed(f"cannot be written: {done.err.strip()}", where=f"{runner.where}:{there}",
                                 hint="Is the disk full? Name a model that is there already: --model FILE")  # fmt: skip
    return there
