"""A search for settings as text."""

from __future__ import annotations

from collections.abc import Mapping

from pvekit.cli.show import table
from pvekit.inference.tune import Tuned
from pvekit.inference.tune.space import start
from pvekit.workflows.llm_tune import Plan, Wish


def plan(planned: Plan, wish: Wish) -> str:
    """Return what would be tried."""
    rows = [[axis.name, ", ".join(_value(value) for value in axis.values)] for axis in planned.axes]
    return "\n".join([
        table(("KNOB", "VALUES"), rows), "",
        f"starts with: {start(planned.situation)}",
        f"one run: {planned.prompt} tokens of a prompt, {planned.tokens} decoded",
        f"at most {wish.runs} runs; a full grid has {planned.grid} choices, {planned.grid * 3} runs of three rounds",
    ])  # fmt: skip


def text(tuned: Tuned, objective: str) -> str:
    """Return what was found, with its proof and its price."""
    lines = []
    gain = tuned.gain
    if gain is None:
        lines.append("no gain: nothing that was tried is faster than llama.cpp's defaults")
    elif tuned.proven:
        interval = f"{gain.confidence:.0%} interval {_percent(gain.low)} to {_percent(gain.high)}"
        lines += [
            f"{objective}: {_percent(gain.value)} against llama.cpp's defaults ({interval}, {gain.rounds} rounds)",
            f"settings: {tuned.knobs}",
            f"llama-server {tuned.knobs.line()}",
        ]
    else:
        interval = f"{gain.confidence:.0%} interval {_percent(gain.low)} to {_percent(gain.high)}"
        lines.append(f"no gain: {tuned.found} came to {_percent(gain.value)}, {interval} is not above nothing")
        lines.append("llama.cpp's defaults stay")
    lines.append(f"{tuned.runs} runs; a full grid takes {tuned.grid_runs}")
    if tuned.cut:
        lines.append("the budget ended before every knob was tried: more with --runs")
    lines += [f"does not run: {knobs}: {why}" for knobs, why in tuned.unusable]
    return "\n".join(lines)


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %"


def _value(value: Mapping[str, object]) -> str:
    return "/".join(_word(each) for each in value.values())


def _word(value: object) -> str:
    if value is None:
        return "default"
    return ("on" if value else "off") if isinstance(value, bool) else str(value)
