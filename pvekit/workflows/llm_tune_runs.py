"""The runs of a search for settings: what is measured, and what is written down of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

from pvekit.adapters import llm_probe_bench
from pvekit.adapters.llm import records, unit
from pvekit.adapters.llm_probe_bench import Bench, Benched
from pvekit.inference.tune import Axis, Knobs, Situation
from pvekit.inference.tune.race import Unusable
from pvekit.model.errors import Conflict, GuestNotReady, NotFound, TaskFailed
from pvekit.workflows.llm_machine import Machine

_PAUSE = 1800.0
"""Seconds after which the machine itself starts its server again; longer than one measurement takes."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to tune for. ``runs`` is the budget; ``cache_types`` allows a KV cache that is a little less exact."""

    objective: str = "mixed"
    runs: int = 60
    depth: int = 0
    cache_types: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be tried on a machine. ``tokens`` and ``prompt`` are the lengths of one measurement."""

    situation: Situation
    axes: tuple[Axis, ...]
    model: str
    program: Bench
    tokens: int
    prompt: int
    grid: int


@dataclass(slots=True)
class Measuring:
    """One run of llama-bench with some settings, or two where the phases have other threads."""

    machine: Machine
    plan: Plan
    wish: Wish
    write: Callable[[str, dict[str, Any]], None]
    renew: Callable[[], None]

    def __call__(self, knobs: Knobs) -> float:
        """Return tokens/s of what is wished for. Raises Unusable, GuestNotReady."""
        prefill, decode = ("prefill", ["-p", str(self.plan.prompt), "-n", "0"]), (
            "decode", ["-p", "0", "-n", str(self.plan.tokens)],
        )  # fmt: skip
        both = ["-p", str(self.plan.prompt), "-n", str(self.plan.tokens)]
        if self.wish.objective != "mixed":
            phase, lengths = decode if self.wish.objective == "decode" else prefill
            return self._bench(knobs, phase, lengths).rate(phase)
        if knobs.threads_of("prefill") == knobs.threads_of("decode"):
            done = self._bench(knobs, "decode", both)
            rates = done.rate("prefill"), done.rate("decode")
        else:
            rates = self._bench(knobs, *prefill).rate("prefill"), self._bench(knobs, *decode).rate("decode")
        # All tokens per second of a question four times as long as its answer, as in chats with some history.
        return 5.0 / (4 / rates[0] + 1 / rates[1])

    def _bench(self, knobs: Knobs, phase: str, lengths: list[str]) -> Benched:
        program = self.plan.program
        form = program.dialect
        settings = knobs.bench(phase, load_mode=form.load_mode, words=form.words)
        depth = ["-d", str(self.wish.depth)] if self.wish.depth else []
        self.renew()
        try:
            done = llm_probe_bench.bench(
                self.machine.runner, program, self.plan.model, [*settings, *lengths, *depth, "-r", "1"]
            )
        except GuestNotReady:
            raise
        except TaskFailed as error:
            self.write("failure", {"what": str(knobs), "stderr": error.message})
            raise Unusable(error.message.splitlines()[0]) from error
        chosen = {key: value for key, value in asdict(knobs).items() if value is not None}
        rest = {"raw": done.raw, "variant": done.variant, "cpu_seconds": done.cpu_seconds}
        self.write("llama-bench", {"knobs": chosen, **rest})
        return done


def refuse_existing(path: Path | None) -> None:
    """Raise Conflict when there is a file for the records already: a search is not gone on with."""
    if path is not None and path.exists():
        raise Conflict("is there already", status=0, where=str(path), hint="Name another file with -o.")


@contextmanager
def written(path: Path | None, header: dict[str, Any]) -> Iterator[Callable[[str, dict[str, Any]], None]]:
    """Give what writes one record and returns when it is on disk. Raises Conflict when there is something already."""
    if path is None:
        yield lambda _kind, _data: None
        return
    with records.opened(path, header) as store:
        counter = count()

        def write(kind: str, data: dict[str, Any]) -> None:
            store.append(kind, kind if kind == "end" else f"run-{next(counter)}", data)

        yield write


@contextmanager
def alone(machine: Machine) -> Iterator[Callable[[], None]]:
    """Stop the server that the machine runs for as long; gives what has to be called before each measurement.

    Without a server, or without the right to stop it, the measurements share the machine with what runs there.
    """
    try:
        served = unit.found(machine.runner)
    except NotFound:
        yield lambda: None
        return
    with served.paused(_PAUSE) as renew:
        yield renew
