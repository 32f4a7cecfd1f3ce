"""From what the readers found to one case: whose facts they are, which model and machine, which runs."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import TypeVar

from pvekit.inference.demand import Demand
from pvekit.inference.hardware import Isa
from pvekit.inference.observed import Guest, Host, Observed, Run, Seen
from pvekit.inference.reports import dotted, model, resolve, sides
from pvekit.inference.reports.found import PRINTED, Found, ModelSeen, Value
from pvekit.inference.reports.hardware import hardware

T = TypeVar("T", Guest, Host)

MOST_RUNS = 400
_NOWHERE = Seen("", 0, "")


def assemble(found: Found, name: str) -> Observed:
    """Return the case."""
    sides.divide(found)
    sides.instructions(found)
    machine = found.machine or hardware(found)
    chosen, demand, labels = model.choose(found)
    if machine is not None and machine.gpus:
        at = found.gpus[0].seen if found.gpus else _NOWHERE
        found.say("gpu.room", sum(card.memory for card in machine.gpus), at)
    sides.uneven(found, demand)
    sides.cards(found, demand)
    sides.below(found, machine)
    runs = _runs(found, demand, labels)
    where: dict[str, Seen] = {}
    values: dict[str, Value] = {}
    for dotted_name in dotted.types():
        fact = found.settled(dotted_name)
        value = None if fact is None else dotted.fitting(dotted_name, fact.value)
        if fact is not None and value is not None:
            values[dotted_name], where[dotted_name] = value, fact.seen
    if demand is not None and chosen is not None and chosen.seen is not None:
        where["demand"] = chosen.seen
    expected = [fact.value for fact in found.facts.get("expected", []) if isinstance(fact.value, float)]
    return Observed(
        name, demand, machine, runs,
        _filled(Guest, "guest", values), _filled(Host, "host", values),
        errors=tuple(found.errors), where=where, signs=_signs(found), notes=tuple(found.notes),
        expected=expected[0] if expected else None,
        quant_guessed=demand is not None and _guessed(chosen, found),
    )  # fmt: skip


def _guessed(chosen: ModelSeen | None, found: Found) -> bool:
    """Return whether the quantisation is a guess; ollama and LM Studio take Q4_K_M where nothing else is asked for."""
    usual = "sign.usual_quantisation" in found.facts or (chosen is not None and chosen.family == "gpt-oss")
    return chosen is not None and not chosen.quant and not chosen.bytes and not usual


def _signs(found: Found) -> dict[str, Seen]:
    """Return what is said in words; a card that nobody could name is there all the same."""
    signs = {
        name.removeprefix("sign."): facts[0].seen
        for name, facts in found.facts.items()
        if name.startswith("sign.") and facts
    }
    driver = found.facts.get("guest.driver", [])
    if found.gpus or driver:
        signs["card"] = found.gpus[0].seen if found.gpus else driver[0].seen
    return signs


def _filled(kind: type[T], side: str, values: dict[str, Value]) -> T:
    known = {one.name: values.get(f"{side}.{one.name}") for one in dataclasses.fields(kind)}
    if known.get("isa") is not None:
        known["isa"] = Isa(str(known["isa"]))
    return kind(**known)  # type: ignore[arg-type]


def _runs(found: Found, demand: Demand | None, labels: dict[int, str | None]) -> tuple[Run, ...]:
    """Return the runs with the knobs that the whole report names, where they name none themselves."""
    runs = [_known(replace(run, model=labels.get(index)), found, demand)
            for index, (run, _) in enumerate(found.runs[:MOST_RUNS]) if not _elsewhere(found, index)]  # fmt: skip
    for phase in ("decode", "prefill"):
        bound = found.settled(f"bound.{phase}")
        if bound is not None and not any(run.phase == phase for run in runs) and isinstance(bound.value, float):
            found.note(f"Only a bound is said for {phase}: below {bound.value:g} tokens/s.")
            runs.append(_known(Run(phase, bound.value, seen=bound.seen), found, demand))
    return tuple(runs)


def _elsewhere(found: Found, index: int) -> bool:
    """Return whether a speed is said of other parts than those that a program listed."""
    beside = found.about.get(index)
    printed = [resolve.gpu(part.name) for part in found.gpus if part.strength == PRINTED]
    listed = [resolve.cpu(part.name) for part in found.cpus if part.strength == PRINTED]
    if not beside or not (printed or listed):
        return False
    cards, chips = [resolve.gpu(name) for name in beside], [resolve.cpu(name) for name in beside]
    if any(one is not None and one in printed for one in cards):
        return False
    if listed and any(one is not None and one.cpu.name in {two.cpu.name for two in listed if two} for one in chips):
        return False
    other_card = bool(printed) and any(one is not None for one in cards)
    other_chip = bool(listed) and any(one is not None for one in chips)
    apple = bool(printed) and any(name.startswith(("Apple", "M1", "M2", "M3", "M4")) for name in beside)
    return other_card or other_chip or apple


def _known(run: Run, found: Found, demand: Demand | None) -> Run:
    threads = found.value("knob.threads") if run.threads is None else run.threads
    layers, device = run.gpu_layers, run.device
    fact = found.settled("guest.gpu_layers") or found.settled("knob.gpu_layers")
    told = fact.value if fact is not None and isinstance(fact.value, int) and fact.value >= 0 else None
    if layers is None and told is not None and device != ("cpu" if told else "gpu"):
        layers = told
    if layers is None and (device or found.value("knob.device")) == "cpu":
        layers = 0
    if layers is not None:
        layers = min(layers, len(demand.layers) + 1) if demand is not None else layers
        device = device or ("gpu" if layers else "cpu")
    count = threads if isinstance(threads, int) and 0 < threads < 1025 else None
    return replace(run, threads=count, gpu_layers=layers, device=device)
