"""Finds faster settings of llama.cpp on a machine, proves them against the defaults, and gives them to its unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from pvekit.adapters import llm_probe, llm_probe_bench, llm_tune_apply
from pvekit.adapters.llm import unit
from pvekit.adapters.llm_probe import Facts
from pvekit.adapters.llm_probe_bench import Bench, dialect
from pvekit.inference.probed.parts import known
from pvekit.inference.tune import DEFAULTS, Knobs, Situation, Tuned, axes, tune
from pvekit.inference.tune.race import Unusable
from pvekit.inference.tune.space import grid
from pvekit.model.bundle import Bundle
from pvekit.model.errors import NotFound, PreflightRefused, TaskFailed
from pvekit.workflows import llm_probe_measure, llm_probe_model
from pvekit.workflows.llm_machine import Machine
from pvekit.workflows.llm_tune_runs import Measuring, Plan, Wish, alone, refuse_existing, written

_SECONDS = 4.0
"""What one measurement should take: shorter ones only measure the start."""

Say = Callable[[str], None]


@contextmanager
def planned(machine: Machine, wish: Wish, *, model: str = "", bench: Sequence[str] = (), say: Say) -> Iterator[Plan]:
    """Look at the machine, run the defaults once, and give the plan. A synthetic model is gone afterwards.

    Raises NotFound without llama-bench there, PreflightRefused for a budget that proves nothing, and what the runners
    raise.
    """
    if wish.runs < 20:
        raise PreflightRefused([f"{wish.runs} runs prove nothing"], hint="At least 20 are needed: --runs 20")
    say(f"ask {machine.runner.where}")
    bundle = llm_probe.ask(machine.runner, bench=bench, model=model)
    facts = llm_probe.facts_of(bundle)
    command = known(facts, "llama.command", tuple)
    if not command:
        why = bundle.left_out.get("llama.txt", "it is not installed")
        raise NotFound(f"llama-bench cannot be run: {why}", status=0, where=machine.runner.where,
                       hint="Install llama.cpp's tools there, or say how it is called: --llama-bench")  # fmt: skip
    program = Bench(tuple(command), dialect(bundle.files.get("help.txt", "")))
    cache, free = known(facts, "cpu.cache", int) or 2**25, known(facts, "guest.available", int) or 2**31
    with llm_probe_model.chosen(machine.runner, bundle, model, cache=cache, free=free, say=say) as chosen:
        say("run the defaults once")
        first = llm_probe_bench.bench(machine.runner, program, chosen.path, ["-p", "32", "-n", "8", "-r", "1"])
        tokens = _length(first.rate("decode"), 8, 128)
        prompt = _length(first.rate("prefill"), 64, 512)
        situation = _situation(machine, bundle, facts, wish, chosen.path, int(first.rows[0]["n_threads"]), prompt)
        tried = axes(situation)
        yield Plan(situation, tried, chosen.path, program, tokens, prompt, grid(tried))


def run(machine: Machine, plan: Plan, wish: Wish, *, records: Path | None, say: Say) -> Tuned:
    """Search and prove. Every measurement is in ``records`` before the next starts.

    Raises TaskFailed when the defaults do not run, Conflict when ``records`` is there, GuestNotReady when the machine
    is gone.
    """
    header = {"suite": "tune", "target": machine.name, "model": plan.model, "objective": wish.objective,
              "runs": wish.runs, "depth": wish.depth, "seed": wish.seed, "tokens": plan.tokens, "prompt": plan.prompt,
              "situation": asdict(plan.situation)}  # fmt: skip
    with written(records, header) as write, alone(machine) as renew:
        measure = Measuring(machine, plan, wish, write, renew)
        try:
            tuned = tune(measure, plan.situation, runs=wish.runs, seed=wish.seed,
                         say=lambda name, text: say(f"{name}: {text}"))  # fmt: skip
        except Unusable as error:
            raise TaskFailed(f"llama.cpp does not run with its own defaults: {error}", where=machine.name) from error
        tuned = replace(tuned, grid_runs=max(tuned.grid_runs, tuned.runs))
        write("end", {"complete": True, "tuned": asdict(tuned), "proven": tuned.proven})
    return tuned


def give(machine: Machine, knobs: Knobs, plan: Plan, *, say: Say) -> None:
    """Give the settings to the unit that serves the model; put back what was there if it does not come up.

    Raises NotFound without the unit, NotBetter, PvekitError.
    """
    try:
        port = unit.found(machine.runner).port
    except NotFound as error:
        error.hint = f"Give llama-server these arguments yourself: {knobs.line()}"
        raise
    say("restart the server")
    arguments = knobs.server(load_mode=plan.program.dialect.load_mode)
    llm_tune_apply.apply(machine.runner, arguments, port=port)


def served(machine: Machine) -> bool:
    """Return whether the machine has pvekit's unit, which takes the settings."""
    try:
        unit.found(machine.runner)
    except NotFound:
        return False
    return True


def _length(rate: float, least: int, most: int) -> int:
    return int(min(most, max(least, rate * _SECONDS)))


def _situation(
    machine: Machine, bundle: Bundle, facts: Facts, wish: Wish, model: str, threads: int, prompt: int
) -> Situation:
    cpus = known(facts, "guest.cpus", int) or threads
    gpu = known(facts, "guest.gpu_backend", bool) or False
    found = llm_probe_model.counted(machine.runner, model) if gpu else None
    layers = len(found.layers) if found else None
    reads = llm_probe_measure.reads(
        machine.runner,
        llm_probe_measure.counts(cpus, known(facts, "host.cores", int) or cpus),
        known(facts, "cpu.cache", int),
        known(facts, "guest.available", int),
    )
    room = sum(size for _, size in known(facts, "llama.devices", tuple) or ())
    return Situation(
        objective=wish.objective,
        cpus=cpus,
        cores=known(facts, "host.cores", int) or cpus,
        threads=threads,
        numa_nodes=len(bundle.files.get("nodes.txt", "").split()) or 1,
        gpu=gpu,
        layers=layers,
        gpu_layers=_fitting(machine, model, layers, room) if layers else None,
        depth=wish.depth,
        prompt=prompt,
        cache_types=wish.cache_types,
        reads=reads if isinstance(reads, dict) else {},
    )


def _fitting(machine: Machine, model: str, layers: int, room: int) -> int:
    """Return about how many layers fit into the cards: the search looks on both sides of it."""
    size = int(machine.runner.run(["stat", "-L", "-c", "%s", model]).out.strip() or 0)
    return layers if size <= 0 else max(0, min(layers, int(layers * 0.9 * room / size)))


__all__ = ["DEFAULTS", "Plan", "Wish", "give", "planned", "refuse_existing", "run", "served"]
