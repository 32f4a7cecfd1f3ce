"""Throughput of the server against how many clients ask at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pvekit.inference.report.axes import Axis
from pvekit.inference.report.chart import Chart, Point, Series, draw
from pvekit.inference.report.figures import short
from pvekit.inference.report.view import Figure, Load, Machine


def figure(machines: Sequence[Machine]) -> Figure | None:
    """Return the plot, or None where nothing was measured over HTTP."""
    series: list[Series] = []
    says: list[str] = []
    counts: set[float] = set()
    for style, machine in enumerate(machines):
        loads = _loads(machine)
        rates = throughput(machine)
        if not rates:
            continue
        counts |= {float(count) for count in rates}
        many = len(machines) > 1
        labelled = not many and len(rates) <= 8
        total = tuple(
            Point(count, load.rate or 0.0, *_range(load), short(load.rate or 0.0) if labelled else "")
            for count, load in loads.items()
        )
        each = tuple(Point(count, rate / count) for count, rate in rates.items())
        series.append(Series(machine.label if many else "all clients together", total, style))
        series.append(Series("" if many else "each client", each, style, "dash"))
        fewest, best = min(rates), max(rates, key=lambda count: rates[count])
        who = f"{machine.label}: " if many else ""
        if best > fewest:
            says.append(f"{who}{short(rates[best])} tokens/s with {best} clients, {short(rates[best] / rates[fewest])} "
                        f"times what {fewest} had.")  # fmt: skip
        else:
            says.append(f"{who}{short(rates[best])} tokens/s with {best} client{'s' if best != 1 else ''}"
                        f"{'; more clients bring no more' if len(rates) > 1 else ''}.")  # fmt: skip
    if not series:
        return None
    chart = Chart(
        "clients", "Throughput by clients", " ".join(says), Axis("clients at once", log=True, at=tuple(sorted(counts))),
        Axis("generated, tokens/s"), tuple(series),
    )  # fmt: skip
    return Figure("clients", chart.title, draw(chart), tuple(says), chart.key())


def throughput(machine: Machine) -> dict[int, float]:
    """Return the tokens/s by clients, of the length of prompt that was measured with the most of them."""
    return {count: load.rate for count, load in _loads(machine).items() if load.rate is not None}


def _range(load: Load) -> tuple[float | None, float | None]:
    return (min(load.samples), max(load.samples)) if len(load.samples) > 1 else (None, None)


def _loads(machine: Machine) -> dict[int, Load]:
    by_prompt: dict[int | None, dict[int, Load]] = {}
    about = alike(load.prompt for load in machine.loads)
    for load in machine.loads:
        if load.rate is not None:
            by_prompt.setdefault(about.get(load.prompt), {})[load.clients] = load
    best = max(by_prompt.values(), key=len, default={})
    return dict(sorted(best.items()))


def alike(prompts: Iterable[int | None]) -> dict[int | None, int]:
    """Return for every length of prompt the least that is nearly as long: tokenizers give the same text some more."""
    found: dict[int | None, int] = {}
    least = 0
    for length in sorted({prompt for prompt in prompts if prompt is not None}):
        if not found or length > least * 1.25 + 2:
            least = length
        found[length] = least
    return found
