"""Reads the scenario files: one observation each, and what explain has to make of it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from pvekit.inference import machines
from pvekit.inference.demand import Demand
from pvekit.inference.hardware import Hardware, Isa
from pvekit.inference.observed import Guest, Host, Observed, Run, Seen
from pvekit.workflows import llm_model

FOLDER = Path(__file__).parent / "scenarios"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One file. ``basis``: measured, public or simulated. ``healthy``: nothing that could be repaired is wrong."""

    file: str
    basis: str
    source: str
    observed: Observed
    top: tuple[str, ...]
    overall: tuple[str, ...]
    not_confident: tuple[str, ...]
    refuted: tuple[str, ...]
    among: dict[int, tuple[str, ...]]
    not_among: dict[int, tuple[str, ...]]
    experiment: str | None
    note: str | None
    healthy: bool


def scenarios() -> tuple[Scenario, ...]:
    """Return all scenarios, by name of file."""
    return tuple(read(path) for path in sorted(FOLDER.glob("**/*.yaml")))


def read(path: Path) -> Scenario:
    """Read one file. Raises on a field that is not known."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    expect = raw.pop("expect")
    basis, source = raw.pop("basis"), raw.pop("source")
    assert basis in ("measured", "public", "simulated"), path
    observed = build(raw, path.stem)
    assert not raw, f"{path}: {', '.join(raw)}"
    found = Scenario(
        file=path.relative_to(FOLDER).as_posix(), basis=basis, source=source, observed=observed,
        top=_several(expect.pop("top")), overall=_several(expect.pop("overall")),
        not_confident=_several(expect.pop("not_confident", ())), refuted=_several(expect.pop("refuted", ())),
        among={int(n): _several(ids) for n, ids in expect.pop("among", {}).items()},
        not_among={int(n): _several(ids) for n, ids in expect.pop("not_among", {}).items()},
        experiment=expect.pop("experiment", None), note=expect.pop("note", None),
        healthy=bool(expect.pop("healthy", False)),
    )  # fmt: skip
    assert not expect, f"{path}: {', '.join(expect)}"
    return found


def build(raw: dict[str, Any], name: str) -> Observed:
    """Take an observation out of a mapping."""
    guest = raw.pop("guest", {})
    host = raw.pop("host", {})
    if "isa" in guest:
        guest["isa"] = Isa(guest["isa"])
    lines = [*guest, *host]
    where = {f"guest.{key}": Seen("guest.txt", 1 + at, str(guest[key])) for at, key in enumerate(guest)}
    where |= {f"host.{key}": Seen("host.txt", 1 + at, str(host[key])) for at, key in enumerate(host)}
    assert len(where) == len(lines)
    return Observed(
        name=name,
        demand=_demand(raw.pop("model", None), raw.pop("quant", None)),
        hardware=_hardware(raw.pop("hardware", None), name),
        runs=tuple(_run(run) for run in raw.pop("runs", ())),
        guest=Guest(**guest),
        host=Host(**host),
        errors=tuple(Seen("log.txt", at, text) for at, text in enumerate(raw.pop("errors", ()), start=1)),
        where=where,
        signs={sign: Seen("post.txt", 1, sign) for sign in raw.pop("signs", ())},
        expected=raw.pop("expected", None),
    )


def _demand(model: object, quant: object) -> Demand | None:
    return None if model is None else llm_model.demand(str(model), None if quant is None else str(quant))


def _hardware(raw: object, name: str) -> Hardware | None:
    if raw is None:
        return None
    if isinstance(raw, str):
        return machines.preset(raw)
    return machines.load(yaml.safe_dump(raw), name)


def _run(raw: dict[str, Any]) -> Run:
    known = {field.name for field in fields(Run)}
    assert set(raw) <= known, raw
    run = Run(phase=raw["phase"], rate=float(raw["rate"]))
    return replace(run, **{key: value for key, value in raw.items() if key not in ("phase", "rate")})


def _several(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(one) for one in value) if isinstance(value, (list, tuple)) else ()
