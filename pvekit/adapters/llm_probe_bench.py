"""Runs llama-bench on a machine and reads what it prints: rates, samples, the CPU variant, processor seconds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pvekit.adapters.llm.ending import ended, loud
from pvekit.adapters.llm_probe_gpu import variant
from pvekit.adapters.runner import Runner
from pvekit.model.errors import TaskFailed

# The shell adds up what its children used; nothing else that is everywhere does.
_TIMED = '"$@"; code=$?; times >&2; exit "$code"'
_TIMES = re.compile(r"(\d+)m(\d+(?:\.\d+)?)s\s+(\d+)m(\d+(?:\.\d+)?)s\s*\Z")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How this version of llama-bench writes its options: some got other names."""

    load_mode: bool = True
    """``-lm none`` instead of ``-mmp 0``."""
    words: bool = True
    """``-fa on`` instead of ``-fa 1``."""


@dataclass(frozen=True, slots=True)
class Bench:
    """llama-bench on some machine: its command there, how it writes its options, and what is set for it."""

    command: tuple[str, ...] = ("llama-bench",)
    dialect: Dialect = Dialect()
    environment: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Benched:
    """What one call gave: the tests as llama-bench prints them, in order, and the same as unchanged text."""

    rows: tuple[Mapping[str, Any], ...]
    raw: str
    variant: str | None
    cpu_seconds: float | None
    """User and system time of the whole call, loading included."""

    def rate(self, phase: str) -> float:
        """Return tokens/s of ``decode`` or ``prefill``; the first such test counts. Raises KeyError without one."""
        name = "n_gen" if phase == "decode" else "n_prompt"
        for row in self.rows:
            if row[name] and not row["n_prompt" if name == "n_gen" else "n_gen"]:
                return float(row["avg_ts"])
        raise KeyError(phase)


def dialect(usage: str) -> Dialect:
    """Return the dialect by what ``--help`` prints; an empty text gives today's."""
    if not usage:
        return Dialect()
    return Dialect(
        load_mode="--load-mode" in usage, words=re.search(r"--flash-attn\s+<(?:on|off|auto)", usage) is not None
    )


def bench(runner: Runner, program: Bench, model: str, arguments: Sequence[str], *, timeout: float = 900.0) -> Benched:
    """Run llama-bench once and return what it measured. Raises TaskFailed with its last words, GuestNotReady."""
    argv = [*program.command, "-m", model, *arguments, "-o", "jsonl"]
    done = runner.run(["sh", "-c", _TIMED, "sh", *argv], timeout=timeout, environment=program.environment)
    text, _, _ = done.err.rstrip().rpartition("\n")
    try:
        rows = tuple(json.loads(line) for line in done.out.splitlines() if line.startswith("{"))
    except json.JSONDecodeError as error:
        raise TaskFailed(f"llama-bench printed no JSON: {error}", where=runner.where) from error
    if done.rc != 0 or not rows:
        raise TaskFailed(
            f"llama-bench {ended(done.rc)}" + "".join(f"\n  {line}" for line in said(done.err)[-5:]),
            where=runner.where,
            hint=f"Try it there by hand: {program.command[-1]} -m {model} {' '.join(arguments)}",
        )
    return Benched(rows, done.out, variant(text or done.err), _seconds(done.err))


def said(stderr: str) -> list[str]:
    """Return the lines that say something: without the shell's times and folders of backends that are not there."""
    return [line for line in loud(stderr) if not re.fullmatch(r"\d+m[\d.]+s \d+m[\d.]+s", line.strip())]


def _seconds(stderr: str) -> float | None:
    """Return user and system seconds of the shell's children, from its last line."""
    found = _TIMES.search(stderr)
    if found is None:
        return None
    minutes, seconds, more_minutes, more = (float(part) for part in found.groups())
    return minutes * 60 + seconds + more_minutes * 60 + more
