"""The measured part of a probe: streaming reads by threads, decode by threads, one prefill; with looks meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from functools import partial

from pvekit.adapters import hostscript, llm_probe, llm_probe_bench, llm_probe_cpu
from pvekit.adapters.llm_probe_bench import Bench, Benched
from pvekit.adapters.runner import Runner
from pvekit.inference.observed import Run
from pvekit.model.bundle import Bundle
from pvekit.model.errors import PvekitError
from pvekit.model.missing import Missing
from pvekit.workflows.llm_machine import Machine

READ = "llm-probe-read.py"
_READ_SECONDS = 0.5
_LEAST_BUFFER, _MOST_BUFFER = 2**26, 2**30
_TARGET_SECONDS = 2.0
"""What one decode measurement should take."""
_LOOK_EVERY = 2.0


@dataclass(slots=True)
class Measured:
    """Runs, and looks at both sides from before, during and after them; ``variant`` is what llama.cpp loaded."""

    runs: list[Run] = field(default_factory=list)
    size: int | None = None
    variant: str | None = None
    before: Bundle | None = None
    after: Bundle | None = None
    inside: Bundle | None = None
    """The guest under load."""
    below: Bundle | None = None
    """The node under load."""
    seconds: float = 0.0

    def pressure(self) -> llm_probe_cpu.Pressure | None:
        """Return what happened in the guest while it worked."""
        if self.before is None or self.after is None:
            return None
        return llm_probe_cpu.pressure(self.before, self.after, self.seconds)


def counts(cpus: int, cores: int) -> tuple[int, ...]:
    """Return the threads to measure with: 1, 2, 4 and so on, the cores, and all processors."""
    doubled = [2**power for power in range(10) if 2**power < cores]
    return tuple(sorted({*doubled, cores, cpus}))


def reads(runner: Runner, threads: Sequence[int], cache: int | None, free: int | None) -> Mapping[int, float] | Missing:
    """Return GB/s of streaming reads by threads, or why there are none. It takes about a second for each."""
    size = max(_LEAST_BUFFER, 8 * (cache or 2**25))
    size = min(size, _MOST_BUFFER, (free or 2**40) // 4)
    arguments = [str(size), str(_READ_SECONDS), *map(str, threads)]
    timeout = 60.0 + 20.0 * len(threads)
    done = runner.run(["python3", "-", *arguments], stdin=hostscript.text(READ), timeout=timeout)
    if done.rc == 127:
        return Missing("python3", "it is not installed there")
    try:
        return {int(count): float(rate) for count, rate in json.loads(done.out).items()}
    except (ValueError, AttributeError):
        words = (done.err.strip().splitlines() or ["no answer"])[-1]
        return Missing(READ, words[:200])


def speeds(
    machine: Machine, bench: Bench, model: str, threads: Sequence[int], guess: float, say: Callable[[str], None]
) -> Measured:
    """Measure decode with each number of threads and prefill with the most of the cores.

    ``guess`` is a rate in tokens/s to choose lengths by. Errors as of ``llm_probe_bench.bench``.
    """
    found = Measured(before=llm_probe.ask(machine.runner, load_only=True))
    begun = time.monotonic()
    name = model.rpartition("/")[2]
    for count in threads:
        tokens = round(min(64.0, max(8.0, guess * _TARGET_SECONDS)))
        say(f"decode with {count} thread{'s' if count > 1 else ''}")
        work = partial(_call, machine, bench, model, count, ["-p", "0", "-n", str(tokens)])
        done = _watched(machine, found, work)
        found.runs.append(_run("decode", done, count, tokens, name))
        found.variant = done.variant or found.variant
        guess = done.rate("decode")
    best = max(found.runs, key=lambda run: run.rate)
    most = max(threads)
    tokens = round(min(256.0, max(32.0, 8 * best.rate)))
    say(f"prefill with {most} thread{'s' if most > 1 else ''}")
    work = partial(_call, machine, bench, model, most, ["-p", str(tokens), "-n", "0"])
    done = _watched(machine, found, work)
    found.runs.append(_run("prefill", done, most, tokens, name))
    found.size = int(done.rows[0].get("model_size") or 0) or None
    found.seconds = time.monotonic() - begun
    found.after = llm_probe.ask(machine.runner, load_only=True)
    return found


def _call(machine: Machine, bench: Bench, model: str, threads: int, arguments: list[str]) -> Benched:
    return llm_probe_bench.bench(machine.runner, bench, model, ["-t", str(threads), "-r", "2", *arguments])


def _watched(machine: Machine, found: Measured, work: Callable[[], Benched]) -> Benched:
    """Do the work, and look at both sides meanwhile: clocks and links tell the truth under load only."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="llama-bench") as pool:
        future = pool.submit(work)
        while not _ended(future, _LOOK_EVERY):
            if found.inside is not None and (machine.node is None or found.below is not None):
                break
            found.inside = _look(machine.runner)
            if machine.node is not None and not future.done():
                found.below = _look(machine.node)
        return future.result()


def _ended(future: Future[Benched], seconds: float) -> bool:
    try:
        future.result(seconds)
    except NotYet:
        return False
    except PvekitError:
        return True
    return True


def _look(runner: Runner) -> Bundle | None:
    try:
        return llm_probe.ask(runner, load_only=True)
    except PvekitError:
        return None  # a look more or less: the measurement itself goes on


def _run(phase: str, done: Benched, threads: int, tokens: int, model: str) -> Run:
    row = next(row for row in done.rows if row["n_gen" if phase == "decode" else "n_prompt"])
    on_gpu = bool(row.get("gpu_info"))
    layers = int(row.get("n_gpu_layers", -1))
    return Run(
        phase=phase,
        rate=float(row["avg_ts"]),
        samples=tuple(float(value) for value in row["samples_ts"]),
        tokens=tokens,
        threads=threads,
        batch=int(row["n_batch"]),
        gpu_layers=0 if not on_gpu else layers if layers >= 0 else None,
        device="gpu" if on_gpu else "cpu",
        variant=done.variant,
        model=model,
    )
