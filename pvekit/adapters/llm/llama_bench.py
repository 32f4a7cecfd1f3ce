"""Runs llama-bench and reads what it prints, of old versions and new ones, without losing a field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pvekit.adapters.llm.ending import ended, loud
from pvekit.adapters.runner import Runner
from pvekit.model.errors import PvekitError

_VARIANT = re.compile(
    r"load_backend: loaded CPU backend from (?:.*[/\\])?(?:lib)?ggml-cpu(?:-([\w.]+?))?\.(?:so|dll|dylib)"
)
_LAST = 12
_TIME_OUT = 124
Number = int | float


class Row(BaseModel):
    """One test as llama-bench prints it. Unknown fields stay; names that changed are there under both names.

    Rates are tokens/s. ``n_gpu_layers`` -1, ``flash_attn`` -1 mean that llama.cpp chooses.
    """

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, protected_namespaces=())

    build_commit: str | None = None
    build_number: int | None = None
    cpu_info: str | None = None
    gpu_info: str | None = None
    backends: str | None = None
    model_filename: str | None = None
    model_type: str | None = None
    model_size: int | None = None
    model_n_params: int | None = None
    n_batch: int | None = None
    n_ubatch: int | None = None
    n_threads: int | None = None
    type_k: str | None = None
    type_v: str | None = None
    n_gpu_layers: int | None = None
    use_mmap: bool | int | None = None
    load_mode: str | int | None = None
    flash_attn: bool | int | str | None = None
    n_prompt: int
    n_gen: int
    n_depth: int | None = None
    test_time: str | None = None
    avg_ns: Number
    stddev_ns: Number | None = None
    avg_ts: Number
    stddev_ts: Number | None = None
    samples_ns: list[Number] | None = None
    samples_ts: list[Number] | None = None

    def plain(self) -> dict[str, Any]:
        """Return exactly what was read."""
        return self.model_dump(exclude_unset=True)

    @property
    def phase(self) -> str:
        """Return ``prefill``, ``decode``, or ``both`` for a prompt with an answer after it."""
        return "decode" if not self.n_prompt else "prefill" if not self.n_gen else "both"

    @property
    def samples(self) -> tuple[float, ...]:
        """Return tokens/s of every repetition; old versions give nanoseconds or the mean only."""
        if self.samples_ts:
            return tuple(map(float, self.samples_ts))
        tokens = self.n_prompt + self.n_gen
        if self.samples_ns:
            return tuple(tokens * 1e9 / value for value in self.samples_ns if value > 0)
        return (float(self.avg_ts),)


@dataclass(frozen=True, slots=True)
class Bench:
    """How llama-bench is called on a machine. ``settings`` go to every call."""

    command: tuple[str, ...] = ("llama-bench",)
    settings: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Benched:
    """What one call gave. ``raw`` is its standard output, byte for byte; ``variant`` the CPU backend it loaded."""

    rows: tuple[Row, ...]
    raw: str
    variant: str | None


@dataclass(frozen=True, slots=True)
class Failed:
    """A call that measured nothing. ``stderr`` are its last lines; ``exit`` is None when the machine is gone."""

    what: str
    stderr: str
    exit: int | None


def parse(text: str) -> tuple[Row, ...]:
    """Return the tests in what llama-bench printed (``-o json`` or ``-o jsonl``). Raises ValueError with the reason."""
    stripped = text.strip()
    try:
        if stripped.startswith("["):
            found = json.loads(stripped)
        else:
            found = [json.loads(line) for line in stripped.splitlines() if line.lstrip().startswith("{")]
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"it is not JSON: {error}") from error
    try:
        return tuple(Row.model_validate(row) for row in found)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "the test"
        raise ValueError(f"{name}: {first['msg']}") from error


def variant(stderr: str) -> str | None:
    """Return the CPU backend that stderr names (``haswell``), or None: a build for one processor names none."""
    found = _VARIANT.findall(stderr)
    return found[-1] or None if found else None


def run(
    runner: Runner, bench: Bench, model: str, arguments: Sequence[str], *, timeout: float = 1800.0
) -> Benched | Failed:
    """Run one test; whatever goes wrong with it is a Failed."""
    # timeout(1) ends it there as well when the connection to the machine is cut.
    argv = ["timeout", "-k", "5", f"{timeout:.0f}", *bench.command, "-m", model, *bench.settings, *arguments]
    try:
        done = runner.run([*argv, "-o", "jsonl"], timeout=timeout + 30.0, environment=bench.environment)
    except PvekitError as error:
        return Failed(error.message, "", None)
    last = "\n".join(loud(done.err)[-_LAST:])
    if done.rc != 0:
        how = f"did not end within {timeout:.0f} s" if done.rc == _TIME_OUT else ended(done.rc)
        return Failed(f"llama-bench {how}", last, done.rc)
    try:
        rows = parse(done.out)
    except ValueError as error:
        return Failed(f"llama-bench printed what cannot be read: {error}", last, done.rc)
    if not rows:
        return Failed("llama-bench measured nothing", last, done.rc)
    return Benched(rows, done.out, variant(done.err))
