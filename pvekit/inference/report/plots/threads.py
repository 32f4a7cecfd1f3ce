"""Speed against threads, beside what as many times the fewest threads would give."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from pvekit.inference.report.axes import Axis
from pvekit.inference.report.chart import Chart, Point, Series, draw
from pvekit.inference.report.figures import short
from pvekit.inference.report.view import Bench, Figure, Machine


def figure(machines: Sequence[Machine], phase: str) -> Figure | None:
    """Return the plot of ``decode`` or ``prefill``, or None where one number of threads was measured at most."""
    series: list[Series] = []
    says: list[str] = []
    counts: set[int] = set()
    for style, machine in enumerate(machines):
        runs = _sweep(machine.of(phase))
        if len(runs) < 2:
            continue
        counts |= set(runs)
        name = machine.label if len(machines) > 1 else "measured"
        labelled = len(machines) == 1 and len(runs) <= 8
        points = tuple(
            Point(count, run.rate, *_range(run), short(run.rate) if labelled else "") for count, run in runs.items()
        )
        series.append(Series(name, points, style))
        fewest = min(runs)
        line = tuple(Point(count, runs[fewest].rate * count / fewest) for count in runs)
        series.append(Series("in proportion" if len(machines) == 1 else "", line, style, "dash"))
        says += _says(machine, runs, many=len(machines) > 1)
    if not series:
        return None
    words = "Decode" if phase == "decode" else "Prefill"
    ticks = tuple(float(count) for count in sorted(counts)) if len(counts) <= 8 else ()
    chart = Chart(
        f"threads-{phase}", f"{words} against threads", " ".join(says),
        Axis("threads", at=ticks), Axis(f"{phase}, tokens/s"), tuple(series),
    )  # fmt: skip
    return Figure(chart.name, chart.title, draw(chart), tuple(says), chart.key())


def _range(run: Bench) -> tuple[float | None, float | None]:
    return (min(run.samples), max(run.samples)) if len(run.samples) > 1 else (None, None)


def _sweep(runs: Sequence[Bench]) -> dict[int, Bench]:
    """Return the run of every number of threads, of the setting that was measured with the most of them."""
    by_setting: dict[tuple[object, ...], dict[int, Bench]] = defaultdict(dict)
    for run in runs:
        if run.threads is not None and run.threads > 0:
            other = sorted(item for item in run.knobs.items() if item[0] != "-t")
            by_setting[run.prompt, run.generated, run.depth, *other][run.threads] = run
    best = max(by_setting.values(), key=len, default={})
    return dict(sorted(best.items()))


def _says(machine: Machine, runs: dict[int, Bench], *, many: bool) -> Iterator[str]:
    who = f"{machine.label}: " if many else ""
    fewest, most = min(runs), max(runs)
    fastest = max(runs, key=lambda count: runs[count].rate)
    gain = runs[fastest].rate / runs[fewest].rate
    if fastest == fewest:
        yield f"{who}Fastest with {_count(fewest)}; more make it slower."
        return
    yield (f"{who}Fastest with {_count(fastest)}: {short(gain)} times the speed with {fewest}, "
           f"where {short(fastest / fewest)} would be in proportion.")  # fmt: skip
    if fastest < most:
        slower = 100 * (1 - runs[most].rate / runs[fastest].rate)
        yield f"{who}With {_count(most)} it is {slower:.0f} % slower than that."


def _count(threads: int) -> str:
    return f"{threads} thread" if threads == 1 else f"{threads} threads"
