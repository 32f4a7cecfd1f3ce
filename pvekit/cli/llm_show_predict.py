"""A prediction, and upgrades compared, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from pvekit.cli.show import table
from pvekit.inference.demand import Demand
from pvekit.inference.hardware import Hardware
from pvekit.inference.predict.advise import Advice
from pvekit.inference.prediction import MemoryUse, Prediction, Range, Speed

_GIB = 2**30
_COPIES = """\
Copies are weights in the order of the processor's instructions. The file's own pages of them are given back when memory
is short, so FITS leaves them out."""
_SMALLER = (
    "It does not fit: try a smaller --quant, a smaller --context, --kv q8_0, or other layers on cards (--offload)."
)


def text(prediction: Prediction) -> str:
    """Return memory, speed at each depth, what binds, and the terms of the sum."""
    head = f"{prediction.model} {prediction.quant} on {prediction.hardware}"
    where = f"context {prediction.context}, {_layers(prediction)}, from {_basis(prediction)}"
    parts = [click.style(head, bold=True) + f"\n{where}", _memory(prediction.memory), _speeds(prediction),
             _terms(prediction.decode[0])]  # fmt: skip
    if prediction.notes:
        parts.append("\n".join(f"- {note}" for note in prediction.notes))
    return "\n\n".join(parts)


def _layers(prediction: Prediction) -> str:
    if prediction.gpu_layers == 0:
        return "no layers on a card"
    if prediction.gpu_layers > prediction.layers:
        return "all layers on cards"
    return f"{prediction.gpu_layers} of {prediction.layers + 1} layers on cards"


def _basis(prediction: Prediction) -> str:
    return "a probe of the machine" if prediction.basis == "probe" else "specifications"


def _memory(used: Sequence[MemoryUse]) -> str:
    copied = any(each.copies for each in used)
    rows = []
    for each in used:
        sizes = (each.weights, each.cache, each.compute, each.other, *([each.copies] if copied else []), each.total)
        there = "?" if each.have is None else _gib(each.have)
        rows.append([each.place, *map(_gib, sizes), there, _fits(each)])
    head = ("GiB", "WEIGHTS", "KV CACHE", "COMPUTE", "OTHER", *(["COPIES"] if copied else []), "TOTAL")
    text = table((*head, "THERE IS", "FITS"), rows)
    if copied:
        text += f"\n{_COPIES}"
    if any(each.fits is False for each in used):
        text += f"\n{_SMALLER}"
    return text


def _fits(used: MemoryUse) -> str:
    return {True: "yes", False: "no", None: "not known"}[used.fits]


def _speeds(prediction: Prediction) -> str:
    rows = []
    for decode, prefill in zip(prediction.decode, prediction.prefill, strict=True):
        rows.append([str(decode.depth), "decode", *_range(decode.rate), decode.bound.value])
        rows.append([str(prefill.depth), "prefill", *_range(prefill.rate), prefill.bound.value])
    lines = table(("DEPTH", "TOKENS/S", "LOW", "VALUE", "HIGH", "BOUND BY"), rows)
    return f"{lines}\n80 of 100 such machines lie between low and high."


def _terms(speed: Speed) -> str:
    total = sum(term.seconds for term in speed.terms)
    rows = [[term.name, f"{term.seconds * 1e3:.2f}", f"{100 * term.seconds / total:.0f} %", term.how]
            for term in speed.terms]  # fmt: skip
    rows.append(["one token", f"{total * 1e3:.2f}", "100 %", ""])
    return table((f"DECODE AT {speed.depth}", "MS", "SHARE", "HOW"), rows)


def advice_text(hardware: Hardware, demand: Demand, found: Sequence[Advice]) -> str:
    """Return the upgrades as a table, largest gain first."""
    priced, powered = any(each.price for each in found), any(each.watts for each in found)
    header = ["OPTION", "DECODE", "LOW-HIGH", "GAIN", "PREFILL", "GAIN", "FITS"]
    header += ["WATTS", "TOKENS/J"] if powered else []
    header += ["PRICE", "% PER UNIT"] if priced else []
    rows = []
    for each in found:
        low, value, high = _range(each.decode)
        row = [each.name, value, f"{low}-{high}", _gain(each.decode_gain), _rate(each.prefill.value),
               _gain(each.prefill_gain), {True: "yes", False: "no", None: "?"}[each.fits]]  # fmt: skip
        if powered:
            row += ["" if each.watts is None else f"{each.watts:.0f}", _small(each.per_watt)]
        if priced:
            row += ["" if each.price is None else f"{each.price:g}", _small(each.gain_per_price)]
        rows.append(row)
    rows[0][3] = rows[0][5] = ""
    head = click.style(f"{demand.name} {demand.quant} on {hardware.name}", bold=True)
    lines = [head, table(header, rows)]
    if hardware.memory.populated is None and hardware.memory.channels is not None:
        lines.append("Nobody said how many memory channels have a module, so none is offered: name it in the machine's "
                     "file (memory: {populated: 2}).")  # fmt: skip
    if len(found) == 1:
        lines.append("Nothing else was left to compare: raise --budget-watts, or name a card with --price.")
    return "\n\n".join(lines)


def advice_data(hardware: Hardware, demand: Demand, found: Sequence[Advice]) -> dict[str, Any]:
    """Return the same as plain values."""
    from dataclasses import asdict

    rows = [{**asdict(each), "per_watt": each.per_watt, "gain_per_price": each.gain_per_price} for each in found]
    return {"model": demand.name, "quant": demand.quant, "hardware": hardware.name, "options": rows}


def _range(rate: Range) -> tuple[str, str, str]:
    return _rate(rate.low), _rate(rate.value), _rate(rate.high)


def _rate(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _gain(percent: float) -> str:
    return f"{percent:+.0f} %".replace("-0 %", "+0 %")


def _small(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _gib(size: int) -> str:
    return f"{size / _GIB:.2f}"
