"""Predicts a model on a machine, and weighs upgrades.

The machine is a preset, a description, a probe's file, or this one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pvekit.adapters import llm_probe
from pvekit.adapters.runner import Local
from pvekit.inference import machines
from pvekit.inference.demand import Demand
from pvekit.inference.hardware import Hardware
from pvekit.inference.machines.names import plain
from pvekit.inference.models import quants
from pvekit.inference.predict import Probe, Serving, of_runs, predict
from pvekit.inference.predict.advise import Advice, Option, compared, options
from pvekit.inference.prediction import Prediction
from pvekit.inference.probed import observed_parts
from pvekit.inference.probed import read as read_probe
from pvekit.inference.probed.document import hardware_of
from pvekit.model.errors import NotFound, PvekitError
from pvekit.workflows import llm_model

_LIMIT = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Known:
    """A machine, and what was measured on it (None: nothing)."""

    hardware: Hardware
    probe: Probe | None = None


class ProbeInvalid(PvekitError):
    """A probe's file cannot be read."""

    code = 3


def machine(word: str | None) -> Known:
    """Return the machine a person names: nothing (this one), a file, or a preset. Raises PvekitError."""
    if word is None:
        _, _, hardware = observed_parts(llm_probe.facts(Local()))
        return Known(replace(hardware, name=hardware.name or "this machine"))
    path = Path(word)
    if not path.is_file():
        if path.suffix in (".yaml", ".yml", ".json", ".jsonl"):
            raise NotFound(f"there is no file {word}", status=0, hint="Check the name, or name a preset.")
        return Known(machines.preset(word))
    text = _text(path)
    return probed(text, word) if text.lstrip().startswith("{") else Known(machines.load(text, word))


def probe_file(word: str) -> Probe:
    """Return the measurements in a probe's file. Raises ProbeInvalid."""
    found = probed(_text(Path(word)), word).probe
    if found is None:
        raise ProbeInvalid(
            "it holds no measured speed", where=word, hint="Write it with pvekit llm probe HOST -o FILE."
        )
    return found


def probed(text: str, where: str) -> Known:
    """Return what a probe's file holds: JSON as pvekit llm probe writes it, or lines of it. Raises ProbeInvalid."""
    try:
        found = read_probe(text)
    except ValueError:
        return _loose(text, where)
    demand = _demand(found.model, found.quant)
    isa = found.guest.isa or found.hardware.cpu.isa
    hardware = found.hardware if found.hardware.name else replace(found.hardware, name=found.name)
    if found.guest.isa is not None and found.guest.isa is not hardware.cpu.isa:
        hardware = replace(hardware, cpu=replace(hardware.cpu, isa=found.guest.isa))
    probe = of_runs(found.runs, demand, read=found.read, quant=found.quant, isa=isa)
    return Known(hardware, probe if probe.measured else None)


def _loose(text: str, where: str) -> Known:
    """Read mappings with ``hardware`` (or its fields themselves) and ``runs``, one object or one a line."""
    merged: dict[str, Any] = {}
    try:
        data = [json.loads(text)]
    except ValueError:
        data = _lines(text, where)
    for each in data:
        if not isinstance(each, dict):
            continue
        runs = [*merged.get("runs", ()), *each.get("runs", ())]
        if each.get("phase") in ("decode", "prefill"):
            runs.append(each)
        merged = {**merged, **each, "runs": runs}
    try:
        hardware = hardware_of(merged.get("hardware") or merged)
        demand = _demand(merged.get("model"), merged.get("quant"))
        probe = of_runs(
            merged["runs"], demand, read=merged.get("read"), quant=merged.get("quant"), isa=hardware.cpu.isa
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProbeInvalid(
            f"it is no probe's file: {error}", where=where, hint="Write one with pvekit llm probe HOST -o FILE."
        ) from None
    return Known(hardware, probe if probe.measured else None)


def _lines(text: str, where: str) -> list[Any]:
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                found.append(json.loads(line))
            except ValueError:
                raise ProbeInvalid("it is not JSON", where=f"{where}:{number}",
                                   hint="Write one with pvekit llm probe HOST -o FILE.") from None  # fmt: skip
    return found


def _demand(model: str | None, quant: str | None) -> Demand | None:
    """Return the demand of the model a probe was made with, where its name is a shape's."""
    if not model:
        return None
    try:
        return llm_model.demand(model, quant)
    except PvekitError:
        return None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LIMIT:
            raise ProbeInvalid("it is larger than 16 MiB", where=str(path), hint="Name the probe's own file.")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ProbeInvalid("this is not UTF-8 text", where=str(path), hint="Name a file of YAML or JSON.") from None
    except OSError as error:
        raise NotFound(f"cannot read {path}: {error.strerror}", status=0, hint="Check the name.") from None


def predicted(
    model: str, *, quant: str | None, hardware: str | None, context: int, depths: Sequence[int],
    offload: str | int, threads: int | None, probe: str | None, slots: int = 1, cache: str = "f16",
) -> Prediction:  # fmt: skip
    """Return the prediction that ``pvekit llm predict`` shows. Raises PvekitError."""
    demand = _asked(model, quant)
    known = machine(hardware)
    measured = probe_file(probe) if probe else known.probe
    return predict(
        demand, known.hardware, context=context, depths=depths, gpu_layers=offload,
        probe=measured, threads=threads, serving=Serving(context, slots, key=cache, value=cache),
    )  # fmt: skip


def advised(
    model: str, *, quant: str | None, hardware: Sequence[str], context: int, depth: int, budget: float | None,
    prices: Mapping[str, float], probe: str | None,
) -> tuple[Hardware, Demand, tuple[Advice, ...]]:  # fmt: skip
    """Return upgrades of the first machine, and the other machines, compared with it. Raises PvekitError."""
    demand = _asked(model, quant)
    base = machine(hardware[0] if hardware else None)
    measured = probe_file(probe) if probe else base.probe
    matched = {name: machines.match_gpu(name) for name in prices}
    cards = [card.name for card in matched.values() if card is not None]
    prices = {card.name if (card := matched[name]) else name: amount for name, amount in prices.items()}
    known_shape = llm_model.header(model) is None
    found = list(options(demand, base.hardware, cards=cards, smaller=_smaller(model) if known_shape else None))
    for word in hardware[1:]:
        other = machine(word).hardware
        found.append(Option(other.name, word, other, demand, "another machine"))
    _refuse_unused(prices, {option.word for option in found})
    return base.hardware, demand, compared(
        demand, base.hardware, found, context=context, depth=depth, probe=measured, prices=prices, budget=budget
    )  # fmt: skip


def _asked(model: str, quant: str | None) -> Demand:
    """Return the demand of a model that a person names. Raises PvekitError also for a file's --quant."""
    demand = llm_model.demand(model, quant)
    if quant is not None and quants.canonical(quant) != demand.quant:
        raise PvekitError(f"the file is {demand.quant}, and --quant says {quant}", where=model,
                          hint="Leave --quant out, or name a shape in place of the file.")  # fmt: skip
    return demand


def _refuse_unused(prices: Mapping[str, float], words: Collection[str]) -> None:
    """Refuse a price of what is not compared: it would be left out without a word. Raises PvekitError."""
    for name in prices:
        if plain(name) not in map(plain, words):
            raise PvekitError(
                f"--price names {name!r}, which is nothing that can be done here", where="advise",
                hint=f"Name a card by its name, or one of: {', '.join(sorted(words))}.",
            )  # fmt: skip


def _smaller(model: str) -> Any:
    def of(quant: str) -> Demand:
        return llm_model.demand(model, quant)

    return of


__all__ = ["Known", "advised", "machine", "predicted", "probe_file", "probed"]
