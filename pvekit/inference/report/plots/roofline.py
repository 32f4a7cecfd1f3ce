"""Roofline: speed against how often each byte is used, below the ceilings of memory and arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pvekit.inference.report.axes import Axis
from pvekit.inference.report.ceilings import Ceilings, ceilings
from pvekit.inference.report.chart import Chart, Point, Series, draw
from pvekit.inference.report.figures import percent, short
from pvekit.inference.report.view import Bench, Figure, Machine


def intensity(machine: Machine, run: Bench) -> float | None:
    """Return the operations per byte of weights read.

    A decoded token reads all weights once; of a prompt, as many tokens as go through together share one reading.
    """
    work, read = operations(machine, run), weights(machine, run)
    if work is None or read is None:
        return None
    together = 1 if run.phase == "decode" else min(run.prompt, run.ubatch or run.prompt)
    return work * together / read


def operations(machine: Machine, run: Bench) -> float | None:
    """Return the operations of one token: two per parameter that takes part."""
    parameters = machine.active or (None if mixture(run) else run.parameters)
    return None if parameters is None else 2 * parameters


def weights(machine: Machine, run: Bench) -> float | None:
    """Return the bytes of weights that one token reads."""
    return machine.read_bytes or (None if mixture(run) else run.size)


def mixture(run: Bench) -> bool:
    """Return whether the model is one of experts, of which a token uses some: the file's size says too much then."""
    name = f"{run.model} {run.file}".casefold()
    return any(sign in name for sign in ("moe", "mixtral", "gpt-oss", "8x7b", "8x22b", "a3b", "a22b", "deepseek2"))


def figure(machines: Sequence[Machine]) -> Figure | None:
    """Return the plot, or None where no run can be placed."""
    series: list[Series] = []
    lowest: list[float] = []
    says: list[str] = []
    for style, machine in enumerate(machines):
        runs = [run for run in (machine.best("decode"), machine.best("prefill")) if run is not None]
        placed = [
            (run, x, work) for run in runs
            if (x := intensity(machine, run)) is not None and (work := operations(machine, run)) is not None
        ]  # fmt: skip
        if not placed:
            continue
        points = tuple(
            Point(x, run.rate * work / 1e9, label=f"{run.phase} {short(run.rate)} tok/s") for run, x, work in placed
        )
        name = machine.label if len(machines) > 1 else "measured"
        above = ceilings(machine, placed[0][0])
        edges = [point.x for point in points]
        series += _roof(above, min(edges) / 2, max(edges) * 2, style, machine.label if len(machines) > 1 else "")
        series.append(Series(name, points, style, "mark"))
        lowest.append(min(point.y for point in points) * 0.6)
        says += _says(machine, above, placed, many=len(machines) > 1)
    if not series:
        return None
    chart = Chart(
        "roofline", "Roofline", " ".join(says) or "Measured speed against operations per byte.",
        Axis("operations per byte of weights read", log=True),
        Axis("10⁹ operations/s", log=True, reach=tuple(lowest)), tuple(series),
    )  # fmt: skip
    return Figure("roofline", "Roofline", draw(chart), tuple(says), chart.key())


def _roof(above: Ceilings, left: float, right: float, style: int, label: str) -> Iterator[Series]:
    """Yield the ceilings: memory rises with the operations per byte until arithmetic ends it."""
    before = f"{label}: " if label else ""
    memory = above.bandwidth or above.measured
    for rate, name, form in ((above.bandwidth, "memory", "line"), (above.measured, "memory as measured", "dash")):
        if rate is not None:
            end = right if above.compute is None else min(max(above.compute / rate, left * 1.01), right)
            yield Series(
                f"{before}{name} {short(rate)} GB/s", tuple(Point(x, x * rate) for x in (left, end)), style, form
            )
    if above.compute is not None:
        start = left if memory is None else min(max(above.compute / memory, left), right)
        points = tuple(Point(x, above.compute) for x in (start, right))
        yield Series(f"{before}arithmetic {short(above.compute)}·10⁹/s", points, style, "line")


def _says(
    machine: Machine, above: Ceilings, placed: Sequence[tuple[Bench, float, float]], *, many: bool
) -> Iterator[str]:  # fmt: skip
    who = f"{machine.label}: " if many else ""
    for run, _, work in placed:
        read = weights(machine, run)
        if run.phase == "decode" and read is not None:
            took = run.rate * read / 1e9
            share = (
                f", {percent(took / above.bandwidth)} of the peak ({above.bandwidth_how})" if above.bandwidth else ""
            )
            yield f"{who}Decode read {short(took)} GB/s of weights{share}."
        elif run.phase == "prefill" and above.compute:
            did = run.rate * work / 1e9
            share = f"{percent(did / above.compute)} of the peak ({above.compute_how})"
            yield f"{who}Prefill did {short(did)}·10⁹ operations/s, {share}."
    lacking = []
    if above.bandwidth is None:
        lacking.append("bandwidth of the memory")
    if above.compute is None:
        lacking.append("peak of the arithmetic")
    if lacking:
        yield f"{who}Not known, so not drawn: the {' and the '.join(lacking)}."
