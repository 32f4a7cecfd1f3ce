"""The numbers as tables, for eyes and for Markdown alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pvekit.inference.report.figures import quantile, seconds, short
from pvekit.inference.report.plots.clients import throughput
from pvekit.inference.report.view import Bench, Machine

NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Table:
    """Heads and rows of text. ``numeric`` are the columns that are set right."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()


def machines(found: Sequence[Machine]) -> Table:
    """Return one row per results file."""
    rows = []
    alike = len({machine.model for machine in found}) == 1
    for machine in found:
        decode, prefill = machine.best("decode"), machine.best("prefill")
        first = [value for load in machine.loads if load.clients == 1 for value in load.first]
        half = quantile(first, 0.5)
        rates = throughput(machine)
        per_token = joules(machine)
        rows.append((
            machine.label, *(() if alike else (machine.model or NOTHING,)), device(decode or prefill),
            speed(decode), predicted(machine), speed(prefill), NOTHING if half is None else seconds(half),
            short(max(rates.values())) if rates else NOTHING, NOTHING if per_token is None else short(per_token),
            state(machine),
        ))  # fmt: skip
    names = ("results", "device") if alike else ("results", "model", "device")
    values = ("decode, tokens/s", "predicted", "prefill, tokens/s", "first token", "served, tokens/s", "J/token")
    return Table((*names, *values, "state"), tuple(rows), frozenset(range(len(names), len(names) + len(values))))


def device(run: Bench | None) -> str:
    """Return what the run used, without what makers add to the names."""
    if run is None:
        return NOTHING
    name = run.gpu if run.on_gpu and run.gpu else run.cpu
    return " ".join(re.sub(r"\((?:R|TM|tm)\)|\bCPU\b|\bProcessor\b|@ [\d.]+ ?GHz", " ", name).split()) or NOTHING


def state(machine: Machine) -> str:
    """Return whether all of the suite was measured."""
    if machine.complete is None:
        return "no end: stopped, or still running"
    failures = f", {len(machine.failures)} failed" if machine.failures else ""
    return f"{'complete' if machine.complete else 'not complete'}{failures}"


def speed(run: Bench | None) -> str:
    """Return a speed with its deviation."""
    if run is None:
        return NOTHING
    return f"{short(run.rate)} ± {short(run.deviation)}" if run.deviation is not None else short(run.rate)


def predicted(machine: Machine) -> str:
    """Return the interval predicted for the fastest decode, where its depth was predicted."""
    decode = machine.best("decode")
    if machine.expected is None or decode is None:
        return NOTHING
    for span in machine.expected.decode:
        if span.depth == decode.depth:
            return f"{short(span.low)} to {short(span.high)}"
    return NOTHING


def joules(machine: Machine) -> float | None:
    """Return the least energy per token of the decode runs; where none was measured with one, of the other runs."""
    known = [(energy.key, energy.per_token) for energy in machine.energies if energy.per_token is not None]
    decode = {run.key for run in machine.of("decode")}
    prefill = {run.key for run in machine.of("prefill")}
    of_decode = [value for key, value in known if key in decode]
    return min(of_decode or [value for key, value in known if key not in prefill], default=None)


def when(stamp: str) -> str:
    """Return a time of the records as people write it."""
    found = re.match(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::[\d.]+)?(?:Z|\+00:?00)$", stamp)
    return f"{found[1]} {found[2]} UTC" if found else stamp


def benches(machine: Machine) -> Table:
    """Return one row per run of llama-bench, with the settings that are not those of all."""
    alike = common(machine)
    rows = []
    for run in machine.benches:
        what = "+".join(part for part in (
            f"pp{run.prompt}" if run.prompt else "", f"tg{run.generated}" if run.generated else "",
        ) if part)  # fmt: skip
        knobs = " ".join(f"{option} {value}" for option, value in run.knobs.items() if option not in alike)
        rows.append((what, f"{run.depth:,}", speed(run), f"{len(run.samples)}", knobs,
                     run.variant or run.backends or NOTHING))  # fmt: skip
    heads = ("test", "depth", "tokens/s", "runs", "settings", "backend")
    return Table(heads, tuple(rows), frozenset({1, 2, 3}))


def common(machine: Machine) -> dict[str, str]:
    """Return the settings that all runs have alike, where there are several."""
    first, *others = machine.benches or [None]
    if first is None or not others:
        return {}
    return {name: value for name, value in first.knobs.items()
            if all(run is not None and run.knobs.get(name) == value for run in others)}  # fmt: skip


def loads(machine: Machine) -> Table:
    """Return one row per run over HTTP."""
    rows = [(
        f"{load.clients}", _count(load.prompt), _count(load.generated),
        _time(load.first, 0.5), _time(load.first, 0.95), _time(load.gaps, 0.5), _time(load.gaps, 0.95),
        NOTHING if load.rate is None else short(load.rate), _count(load.errors),
    ) for load in machine.loads]  # fmt: skip
    heads = ("clients", "prompt, tokens", "generated", "first token, half within", "95 of 100", "between tokens, half",
             "95 of 100", "tokens/s", "errors")  # fmt: skip
    return Table(heads, tuple(rows), frozenset(range(9)))


def energies(machine: Machine) -> Table:
    """Return one row per measurement of energy."""
    rows = []
    for energy in machine.energies:
        watts = energy.joules / energy.seconds if energy.joules is not None and energy.seconds is not None else None
        rows.append((energy.key or NOTHING, energy.source or NOTHING, *(
            NOTHING if value is None else short(value)
            for value in (energy.joules, energy.seconds, watts, energy.idle, energy.per_token)
        )))  # fmt: skip
    heads = ("measurement", "source", "joules", "seconds", "watts", "idle watts", "J/token")
    return Table(heads, tuple(rows), frozenset(range(2, 7)))


def environment(found: Sequence[Machine]) -> Table:
    """Return the facts, one column per results file; what was measured with stands among them."""
    columns = [dict(_environment(machine)) for machine in found]
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = tuple((name, *(column.get(name, NOTHING) for column in columns)) for name in names)
    return Table(("", *(machine.label for machine in found)), rows)


def _environment(machine: Machine) -> Iterator[tuple[str, str]]:
    runs = machine.benches
    for name, values in (
        ("CPU", [run.cpu for run in runs]), ("GPU", [run.gpu for run in runs]),
        ("llama.cpp", [run.build for run in runs]), ("Backends", [run.backends for run in runs]),
        ("CPU backend loaded", [run.variant for run in runs]), ("Model file", [run.file for run in runs]),
    ):  # fmt: skip
        kept = list(dict.fromkeys(value for value in values if value))
        if kept:
            yield name, ", ".join(kept)
    if alike := common(machine):
        yield "Settings of all runs", " ".join(f"{name} {value}" for name, value in alike.items())
    yield from machine.facts
    if machine.started:
        yield "Measured", when(machine.started)
    if machine.seconds is not None:
        yield "Duration", seconds(machine.seconds)


def _count(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def _time(values: Sequence[float], share: float) -> str:
    found = quantile(values, share)
    return NOTHING if found is None else seconds(found)
