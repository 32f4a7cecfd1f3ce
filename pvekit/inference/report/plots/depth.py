"""Speed against how many tokens are there already, beside the interval that was predicted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from pvekit.inference.report.axes import Axis
from pvekit.inference.report.chart import Band, Chart, Point, Series, draw
from pvekit.inference.report.figures import short
from pvekit.inference.report.strip import Row
from pvekit.inference.report.strip import draw as draw_strip
from pvekit.inference.report.view import Bench, Figure, Machine, Span


def figure(machines: Sequence[Machine], phase: str) -> Figure | None:
    """Return the plot of ``decode`` or ``prefill``, or None where nothing was measured, or one speed alone."""
    series: list[Series] = []
    bands: list[Band] = []
    says: list[str] = []
    for style, machine in enumerate(machines):
        runs = _one_setting(machine.of(phase))
        if not runs:
            continue
        name = machine.label if len(machines) > 1 else "measured"
        labelled = len(machines) == 1 and len(runs) <= 6
        series.append(Series(name, tuple(_point(run, labelled) for run in runs), style))
        spans = _spans(machine, phase)
        if spans:
            who = f"{machine.label}: " if len(machines) > 1 else ""
            middle = tuple(Point(span.depth, span.value) for span in spans)
            bands.append(Band(f"{who}predicted, 80 of 100", tuple((s.depth, s.low, s.high) for s in spans), style))
            series.append(Series("", middle, style, "dash"))
        says += _says(machine, runs, spans, many=len(machines) > 1)
    if not bands and all(len(each.points) < 2 for each in series):
        return None  # One speed, and nothing beside it: the number says as much.
    words = "Decode" if phase == "decode" else "Prefill"
    if all(len(each.points) < 2 for each in series) and all(len(band.points) < 2 for band in bands):
        return _beside(machines, phase, f"{words} beside the prediction", tuple(says))
    chart = Chart(
        f"depth-{phase}", f"{words} against depth", " ".join(says),
        Axis("tokens already there"), Axis(f"{phase}, tokens/s"), tuple(series), tuple(bands),
    )  # fmt: skip
    return Figure(chart.name, chart.title, draw(chart), tuple(says), chart.key())


def _beside(machines: Sequence[Machine], phase: str, title: str, says: tuple[str, ...]) -> Figure:
    """Return speeds at one depth beside what was predicted for it."""
    rows = []
    for style, machine in enumerate(machines):
        runs, spans = _one_setting(machine.of(phase)), _spans(machine, phase)
        name = f"{machine.label}: mark: measured" if len(machines) > 1 else "mark: measured"
        for run in runs:
            box = tuple(at for s in spans[:1] for at in (s.low, *[s.low] * 4, s.value, *[s.high] * 4, s.high))
            text = f"{name}, box: predicted" if box else name
            rows.append(Row(text, run.rate, short(run.rate), style, box))
    axis = Axis(f"{phase}, tokens/s")
    return Figure(f"depth-{phase}", title, draw_strip(f"depth-{phase}", title, " ".join(says), axis, rows), says)


def _spans(machine: Machine, phase: str) -> tuple[Span, ...]:
    if machine.expected is None:
        return ()
    return machine.expected.decode if phase == "decode" else machine.expected.prefill


def _one_setting(runs: Sequence[Bench]) -> list[Bench]:
    """Return one run per depth, all of the setting that was measured at the most depths (the fastest of those)."""
    by_setting: dict[tuple[object, ...], list[Bench]] = defaultdict(list)
    for run in runs:
        by_setting[run.prompt, run.generated, *sorted(run.knobs.items())].append(run)
    if not by_setting:
        return []
    best = max(by_setting.values(), key=lambda group: (len({run.depth for run in group}), max(r.rate for r in group)))
    last = {run.depth: run for run in best}
    return [last[depth] for depth in sorted(last)]


def _point(run: Bench, labelled: bool) -> Point:
    low, high = (min(run.samples), max(run.samples)) if len(run.samples) > 1 else (None, None)
    return Point(run.depth, run.rate, low, high, short(run.rate) if labelled else "")


def _says(machine: Machine, runs: Sequence[Bench], spans: Sequence[Span], *, many: bool) -> Iterator[str]:
    who = f"{machine.label}: " if many else ""
    first, last = runs[0], runs[-1]
    if last.depth > first.depth:
        yield (f"{who}{short(first.rate)} tokens/s at depth {first.depth:,}, {short(last.rate)} at {last.depth:,} "
               f"({100 * (last.rate / first.rate - 1):+.0f} %).")  # fmt: skip
    else:
        yield f"{who}{short(first.rate)} tokens/s at depth {first.depth:,}, the only depth that was measured."
    bounds = list(dict.fromkeys(span.bound for span in spans if span.bound))
    if bounds:
        yield f"{who}Predicted to be limited by {', then by '.join(bounds)}."
    if bounds and machine.expected is not None and runs[0].phase == "decode":
        yield from (f"{who}{note}" for note in machine.expected.notes)
    predicted = {span.depth: span for span in spans}
    known = [(run, predicted[run.depth]) for run in runs if run.depth in predicted]
    if known:
        inside = sum(span.low <= run.rate <= span.high for run, span in known)
        if len(known) == 1:
            yield f"{who}The measured speed lies {'in' if inside else 'outside'} the interval predicted beforehand."
            return
        yield f"{who}{inside} of {len(known)} measured speeds lie in the interval predicted beforehand."
