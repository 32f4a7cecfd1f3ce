"""The experiments that ``explain`` can perform: a sweep over threads, and CPU backends compared in one system."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from pvekit.adapters import llm_probe
from pvekit.adapters.llm_probe_bench import Bench, Benched, bench, dialect
from pvekit.adapters.runner import Runner
from pvekit.inference.hardware import Isa
from pvekit.inference.observed import Run
from pvekit.inference.reports import isa
from pvekit.model.errors import NotFound, TaskFailed
from pvekit.workflows import llm_probe_model as models
from pvekit.workflows.llm_machine import Machine

SWEEP, COMPARE = "threads", "isa"
KINDS = (SWEEP, COMPARE)
BACKENDS = ("sse42", "sandybridge", "haswell", "skylakex", "icelake")
"""One CPU backend of llama.cpp for each instruction set, from narrow to wide."""

_FIND = (
    'for d in "$@" "$(dirname "$(readlink -f "$(command -v llama-bench)")")" /usr/lib/*/ggml/* /usr/lib/*/ggml '
    "/opt/llama*/bin /opt/llama*/*/bin /opt/llama* /usr/local/lib /usr/local/lib/ollama; do "
    'ls "$d"/libggml-cpu-*.so 2>/dev/null && break; done; exit 0'
)
_TARGET_SECONDS = 4.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ready:
    """A machine on which an experiment can start."""

    machine: Machine
    program: Bench
    model: str
    cpus: int
    cores: int
    widest: Isa | None
    read: int | None = None
    """Bytes of weights that a token reads, where they were counted."""


@contextmanager
def prepared(machine: Machine, *, model: str = "", command: Sequence[str] = (), say: Say) -> Iterator[Ready]:
    """Find llama-bench and the model there (the one served, or a synthetic one that is gone afterwards).

    Raises NotFound without llama-bench, and what ``llm_probe.ask`` and ``llm_probe_model.chosen`` raise.
    """
    bundle = llm_probe.ask(machine.runner, bench=command, model=model)
    facts = llm_probe.facts_of(bundle)
    program = facts.get("llama.command")
    if not isinstance(program, tuple) or not program:
        raise NotFound(
            "llama-bench is not installed there", status=0, where=machine.runner.where,
            hint="Install it (Debian and Ubuntu: llama.cpp-tools), or name it: --llama-bench COMMAND",
        )  # fmt: skip
    cpus = _number(facts, "guest.cpus") or 1
    flags = facts.get("guest.isa")
    cache, free = _number(facts, "cpu.cache") or 2**25, _number(facts, "guest.available") or 2**31
    with models.chosen(machine.runner, bundle, model, cache=cache, free=free, say=say) as chosen:
        yield Ready(
            machine,
            Bench(program, dialect(bundle.files.get("help.txt", ""))),
            chosen.path,
            cpus,
            _number(facts, "host.cores") or cpus,
            Isa(str(flags)) if str(flags) in set(Isa) else None,
            chosen.read,
        )


def _number(facts: Mapping[str, object], name: str) -> int | None:
    value = facts.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def perform(kind: str, ready: Ready, *, say: Say) -> tuple[Run, ...]:
    """Run one experiment and return its runs. Raises TaskFailed, GuestNotReady."""
    return sweep(ready, say=say) if kind == SWEEP else compare(ready, say=say)


def kind_of(experiment: str) -> str:
    """Return which experiment an explanation's id names; the sweep where it names neither."""
    return (
        COMPARE if any(word in experiment.lower() for word in ("isa", "variant", "backend", "instruction")) else SWEEP
    )


def sweep(ready: Ready, *, say: Say) -> tuple[Run, ...]:
    """Measure decode with 1, 2, 4 threads, all cores and all processors, and prefill with all cores."""
    counts = sorted({count for count in (1, 2, 4, ready.cores, ready.cpus) if 1 <= count <= ready.cpus})
    tokens, runs = 8, []
    for count in counts:
        say(f"decode with {count} thread{'s' if count > 1 else ''}")
        done = _bench(ready, ready.program, count, "decode", tokens)
        runs.append(_run("decode", done, count, tokens, done.variant))
        tokens = round(min(64.0, max(8.0, done.rate("decode") * _TARGET_SECONDS)))
    say("prefill")
    most = min(ready.cores, ready.cpus)
    length = 32 if runs[-1].rate < 5 else 128
    done = _bench(ready, ready.program, most, "prefill", length)
    return (*runs, _run("prefill", done, most, length, done.variant))


def compare(ready: Ready, *, say: Say) -> tuple[Run, ...]:
    """Measure decode and prefill with one CPU backend after the other, in this one system.

    Those that the processor cannot run are left out. Raises NotFound where there are no backends to choose from.
    """
    paths = backends(ready.machine.runner, ready.program, ready.widest)
    if not paths:
        raise NotFound(
            "llama.cpp has no CPU backends to choose from there", status=0, where=ready.machine.runner.where,
            hint="A build with GGML_CPU_ALL_VARIANTS has them, such as the package or a release archive.",
        )  # fmt: skip
    threads, runs = min(ready.cores, ready.cpus), []
    for name, path in paths.items():
        environment = {**(ready.program.environment or {}), "GGML_BACKEND_PATH": path}
        program = replace(ready.program, environment=environment)
        for phase, tokens in (("decode", 8), ("prefill", 32)):
            say(f"{phase} with {name}")
            try:
                done = _bench(ready, program, threads, phase, tokens)
            except TaskFailed as error:
                if "instruction" not in error.message:
                    raise
                say(f"{name}: the processor does not run it")
                break
            runs.append(_run(phase, done, threads, tokens, done.variant or name))
    return tuple(runs)


def backends(runner: Runner, program: Bench, widest: Isa | None) -> dict[str, str]:
    """Return the paths of the CPU backends to compare, by name, none wider than what the processor has."""
    given = (program.environment or {}).get("GGML_BACKEND_PATH", "").rpartition("/")[0]
    done = runner.run(["sh", "-c", _FIND, "sh", *([given] if given else [])])
    found: dict[str, str] = {}
    for line in done.out.splitlines():
        name = line.rpartition("libggml-cpu-")[2].removesuffix(".so")
        if name in BACKENDS and not isa.narrower(widest, isa.VARIANTS[name]):
            found[name] = line.strip()
    return {name: found[name] for name in BACKENDS if name in found}


def _bench(ready: Ready, program: Bench, threads: int, phase: str, tokens: int) -> Benched:
    lengths = ["-p", "0", "-n", str(tokens)] if phase == "decode" else ["-p", str(tokens), "-n", "0"]
    return bench(ready.machine.runner, program, ready.model, ["-t", str(threads), "-r", "2", *lengths])


def _run(phase: str, done: Benched, threads: int, tokens: int, variant: str | None) -> Run:
    row: Mapping[str, Any] = done.rows[0]
    layers = int(row.get("n_gpu_layers", -1))
    card = bool(row.get("gpu_info"))
    return Run(
        phase, done.rate(phase), samples=tuple(float(one) for one in row.get("samples_ts", ())), tokens=tokens,
        threads=threads, gpu_layers=0 if not card else layers if layers >= 0 else None,
        device="gpu" if card else "cpu", variant=variant,
    )  # fmt: skip
