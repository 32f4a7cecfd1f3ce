"""What is written down before anything is measured: the machine's facts, and what it is predicted to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

from pvekit.adapters import llm_probe
from pvekit.inference.probed import observed_parts
from pvekit.inference.probed.parts import host_facts
from pvekit.model.errors import PvekitError
from pvekit.model.missing import Missing
from pvekit.workflows.llm_bench_suites import Suite
from pvekit.workflows.llm_bench_targets import Target

if TYPE_CHECKING:
    from pvekit.inference.demand import Demand
    from pvekit.inference.hardware import Hardware

Facts = Mapping[str, object]


def environment(target: Target) -> tuple[dict[str, Any], Hardware | None]:
    """Return the facts of both sides as a record keeps them, and the hardware that they describe.

    A fact that could not be read is under ``missing`` with the reason.
    """
    machine = target.machine
    if machine is None:
        return {"missing": {"guest": "only the served API is measured"}}, None
    command = target.bench.command if target.bench else ()
    try:
        facts: Facts = llm_probe.facts(machine.runner, bench=command, model=target.file)
        below = llm_probe.facts(machine.node, volume=machine.volume) if machine.node is not None else None
    except PvekitError as error:
        return {"missing": {"guest": error.message}}, None
    guest = {key: value for key, value in facts.items() if not key.startswith("host.")}
    every = {**guest, **host_facts(facts, below), **machine.told}
    known = {key: plain(value) for key, value in every.items() if not isinstance(value, Missing) and value is not None}
    lacking = {key: value.why for key, value in every.items() if isinstance(value, Missing)}
    return {**known, "missing": lacking}, observed_parts(facts, below, machine.name)[2]


def prediction(
    suite: Suite, demand: Demand | None, hardware: Hardware | None, known: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is predicted, or a note that says why nothing is."""
    if demand is None:
        return {"notes": ["nothing is predicted: the tensors of the model cannot be seen from here"]}
    if hardware is None:
        return {"notes": ["nothing is predicted: nothing is known of the machine"]}
    if known.get("guest.emulated") is True:
        return {"notes": ["nothing is predicted: software plays the VM's processor (no KVM), at a speed of its own"]}
    depths = sorted({test.depth for test in suite.tests})
    longest = max((ask.prompt + ask.generate for ask in suite.asks), default=0)
    context = max(4096, longest, max(depths) + 1024)
    try:
        from pvekit.inference.predict import predict

        threads = known.get("guest.cpus")
        made = predict(
            demand,
            hardware,
            context=context,
            depths=tuple(depths),
            threads=threads if isinstance(threads, int) else None,
        )
    except ImportError:
        return {"notes": ["nothing is predicted: this pvekit cannot"]}
    except PvekitError as error:
        return {"notes": [f"nothing is predicted: {error.message}"]}
    found = plain(made)
    return found if isinstance(found, dict) else {"notes": ["nothing is predicted"]}


def plain(value: object) -> Any:
    """Return a value as JSON takes it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {key: plain(part) for key, part in asdict(value).items()}
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(part) for part in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
