"""Probes a machine, or a VM and the node below it: facts of both sides joined, and a short measurement."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pvekit.adapters import llm_probe
from pvekit.adapters.llm_probe import Facts
from pvekit.adapters.llm_probe_bench import Bench, dialect
from pvekit.inference.hardware import Hardware, Isa
from pvekit.inference.probed import Probed, observed_parts, write
from pvekit.inference.probed.contradictions import contradictions
from pvekit.inference.probed.parts import host_facts, known
from pvekit.model.bundle import Bundle
from pvekit.model.errors import Conflict, PvekitError
from pvekit.model.missing import Missing
from pvekit.workflows import llm_probe_measure as measure
from pvekit.workflows import llm_probe_model as models
from pvekit.workflows.llm_machine import Machine

_READ_PART = 0.85
"""What all cores together read of the peak that modules and channels make, as a rule."""

Say = Callable[[str], None]


def probe(
    machine: Machine, *, model: str = "", bench: Sequence[str] = (), measured: bool = True, say: Say | None = None
) -> Probed:
    """Return what is found on both sides. ``model`` is a file on the machine, ``bench`` the command of llama-bench.

    Without llama-bench there, or with ``measured`` false, there are no runs. Raises what the runners raise,
    TaskFailed, NotFound.
    """
    tell = say or (lambda _text: None)
    tell(f"ask {machine.runner.where}")
    bundle = llm_probe.ask(machine.runner, bench=bench, model=model)
    facts: dict[str, object] = dict(llm_probe.facts_of(bundle))
    below, lacking = _below(machine, tell)
    speeds, reads = None, {}
    chosen = None
    if measured:
        reads = _reads(machine, facts, below, lacking, tell)
        if facts.get("llama.command"):
            speeds, chosen = _speeds(machine, bundle, facts, model, reads, tell)
        else:
            lacking["runs"] = Missing("llama-bench", bundle.left_out.get("llama.txt", "it is not installed"))
    else:
        lacking["runs"] = Missing("llama-bench", "not asked for")
    if speeds is not None:
        facts |= _under_load(speeds)
        if below is not None and speeds.below is not None:
            below |= {key: value for key, value in llm_probe.facts_of(speeds.below).items() if key in _LOADED}
            below["host.link_under_load"] = True
    return _joined(machine, facts, below, lacking, speeds, chosen, reads)


def save(probed: Probed, path: Path) -> None:
    """Write a probe to a new file. Raises Conflict when there is one, PvekitError when it cannot be written."""
    if path.exists():
        raise Conflict("is there already", status=0, where=str(path), hint="Name another file with -o, or remove it.")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(write(probed))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise PvekitError(
            f"cannot be written: {error.strerror}", where=str(path), hint="Name another with -o."
        ) from error


_LOADED = ("host.clock_ghz", "host.temperature", "host.link_generation", "host.link_width")
"""What only tells something under load."""


def _below(machine: Machine, tell: Say) -> tuple[dict[str, object] | None, dict[str, Missing]]:
    if machine.node is None:
        return None, {"host": Missing("node", machine.no_node)} if machine.no_node else {}
    tell(f"ask the node {machine.node.where}")
    return dict(llm_probe.facts(machine.node, volume=machine.volume)), {}


def _reads(
    machine: Machine, facts: Facts, below: Facts | None, lacking: dict[str, Missing], tell: Say
) -> dict[str, Mapping[int, float]]:
    found: dict[str, Mapping[int, float]] = {}
    for side, runner, row in (("guest", machine.runner, facts), ("host", machine.node, below)):
        if runner is None or row is None:
            continue
        tell(f"read memory on {runner.where}")
        threads = _counts(row)
        rates = measure.reads(runner, threads, known(row, "cpu.cache", int), known(row, "guest.available", int))
        if isinstance(rates, Missing):
            lacking[f"reads.{side}"] = rates
        else:
            found[side] = rates
    return found


def _counts(facts: Facts) -> tuple[int, ...]:
    cpus = known(facts, "guest.cpus", int) or 1
    return measure.counts(cpus, known(facts, "host.cores", int) or cpus)


def _speeds(
    machine: Machine, bundle: Bundle, facts: Facts, model: str, reads: Mapping[str, Mapping[int, float]], tell: Say
) -> tuple[measure.Measured, models.Chosen]:
    command = known(facts, "llama.command", tuple) or ()
    program = Bench(tuple(command), dialect(bundle.files.get("help.txt", "")))
    cache, free = known(facts, "cpu.cache", int) or 2**25, known(facts, "guest.available", int) or 2**31
    with models.chosen(machine.runner, bundle, model, cache=cache, free=free, say=tell) as chosen:
        # One thread's kernels are slower than a plain read; a guess that is too high only shortens the measurement.
        alone = min(reads.get("guest", {1: 5.0}).values(), default=5.0)
        guess = 0.5 * alone * 1e9 / (chosen.read or 5e8)
        return measure.speeds(machine, program, chosen.path, _counts(facts), guess, tell), chosen


def _under_load(speeds: measure.Measured) -> dict[str, object]:
    found: dict[str, object] = {}
    pressure = speeds.pressure()
    if pressure is not None:
        rows = {
            "guest.steal_percent": pressure.steal_percent, "guest.swap_in_rate": pressure.swap_in_rate,
            "guest.major_faults": pressure.major_faults, "guest.disk_read": pressure.disk_read,
            "host.throttled": pressure.throttled,
        }  # fmt: skip
        found |= {key: value for key, value in rows.items() if value is not None}
    if speeds.inside is not None:
        loaded = llm_probe.facts_of(speeds.inside)
        found |= {key: loaded[key] for key in (*_LOADED, "guest.gpu_busy_percent") if key in loaded}
        if isinstance(found.get("host.link_width"), int):
            found["host.link_under_load"] = True
    if speeds.variant is not None:
        found["guest.variant"] = speeds.variant
    return found


def _joined(
    machine: Machine,
    facts: Mapping[str, object],
    below: dict[str, object] | None,
    lacking: Mapping[str, Missing],
    speeds: measure.Measured | None,
    chosen: models.Chosen | None,
    reads: Mapping[str, Mapping[int, float]],
) -> Probed:
    guest, host, hardware = observed_parts(facts, below, machine.name)
    told: dict[str, Any] = {key.partition(".")[2]: value for key, value in machine.told.items()
            if key.startswith("host.") and not isinstance(value, Missing)}  # fmt: skip
    side = "host" if "host" in reads else "guest"
    triad = max(reads[side].values(), default=None) if side in reads else None
    whole = side == "host" or guest.virtual is False
    host = replace(host, **told, triad=triad if whole else None, numa_split=_split(machine.told, below, host.vcpus))
    if below is None and guest.virtual is False:
        host = replace(host, vcpus=None)
    missing = {
        **{
            key: value
            for key, value in {**facts, **host_facts(facts, below)}.items()
            if isinstance(value, Missing) and key.startswith(("guest.", "host."))
        },
        **{key: value for key, value in machine.told.items() if isinstance(value, Missing)},
        **lacking,
    }
    seen = {f"{side}.{name}" for side, part in (("guest", guest), ("host", host)) for name in _told(part)}
    return Probed(
        name=machine.name,
        at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        hardware=_with_peak(hardware, triad),
        guest=guest,
        host=host,
        runs=tuple(speeds.runs) if speeds is not None else (),
        reads=reads,
        missing={key: value for key, value in sorted(missing.items()) if key not in seen},
        contradictions=contradictions(guest, host, _native(below)),
        model=chosen.path.rpartition("/")[2] if chosen is not None else None,
        quant=chosen.quant if chosen is not None else None,
        read=(chosen.read if chosen is not None else None) or (speeds.size if speeds is not None else None),
        synthetic=chosen is not None and chosen.synthetic,
    )


def _told(part: object) -> list[str]:
    return [name for name in part.__dataclass_fields__ if getattr(part, name) is not None]  # type: ignore[attr-defined]


def _native(below: Facts | None) -> Isa | None:
    found = known(below or {}, "guest.isa", str)
    return Isa(found) if found else None


def _split(told: Facts, below: Facts | None, vcpus: int | None) -> bool | None:
    """Return whether a VM must lie on several NUMA nodes without knowing; None where that cannot be told."""
    nodes, cores = known(below or {}, "host.numa_nodes", int), known(below or {}, "host.threads", int)
    if nodes is None or vcpus is None or cores is None or "pve.numa" not in told:
        return None
    if nodes == 1 or told["pve.numa"] is True:
        return False
    return True if vcpus > cores // nodes else None


def _with_peak(hardware: Hardware, triad: float | None) -> Hardware:
    """Return it with a peak worked out of the measured read, where modules and channels are not known."""
    if triad is None or hardware.memory.bandwidth() is not None:
        return hardware
    peak = round(triad / _READ_PART, 1)
    source = f"peak memory speed from a measured read of {triad:.1f} GB/s, taken as {_READ_PART:.0%} of it"
    return replace(hardware, memory=replace(hardware.memory, peak=peak), sources=(*hardware.sources, source))
