"""Runs a graph of steps side by side.

Knows nothing of PVE: a step is a function with needs and limits. A step that fails takes the steps that need it
with it and leaves all others alone. Limits (``storage:local``, ``node:pve``, ``boot``) bound how many steps that
name them run at once; a step waits for its limits without holding a thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import Enum
from graphlib import CycleError, TopologicalSorter

from pvekit.model.errors import Interrupted, PvekitError
from pvekit.model.event import Emit, Event, Kind, silent

MAX_THREADS = 64


class Fate(Enum):
    """How a step ended."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Context:
    """What a running step may use: a place to tell its log, and the question whether to stop."""

    log: Callable[[str], None]
    cancelled: Callable[[], bool]
    sleep: Callable[[float], None]
    """Sleep for that many seconds; raises Interrupted as soon as the run is cancelled."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. ``limits`` names the shared things it uses while it runs."""

    id: str
    vm: str
    title: str
    run: Callable[[Context], None]
    needs: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one step ended. ``error`` is set for FAILED; ``blamed`` names the failed step that made it SKIPPED."""

    step: Step
    fate: Fate
    seconds: float = 0.0
    error: PvekitError | None = None
    blamed: str = ""


@dataclass(slots=True)
class _Run:
    """The mutable half of one run."""

    steps: Mapping[str, Step]
    limits: Mapping[str, int]
    emit: Emit
    stop: threading.Event
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)

    def free(self, step: Step) -> bool:
        return all(self.used.get(name, 0) < self.limits.get(name, MAX_THREADS) for name in step.limits)

    def take(self, step: Step, by: int) -> None:
        for name in step.limits:
            self.used[name] = self.used.get(name, 0) + by

    def blamed(self, step: Step) -> str:
        for need in step.needs:
            outcome = self.outcomes[need]
            if outcome.fate is not Fate.DONE:
                return outcome.blamed or need
        return ""

    def sleep(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise Interrupted("stopped on request")

    def execute(self, step: Step) -> Outcome:
        context = Context(
            log=lambda text: self.emit(Event(Kind.LOG, step.vm, step.title, text)),
            cancelled=self.stop.is_set,
            sleep=self.sleep,
        )
        self.emit(Event(Kind.START, step.vm, step.title))
        begin = time.monotonic()
        try:
            step.run(context)
        except Interrupted:
            return Outcome(step, Fate.CANCELLED, time.monotonic() - begin)
        except PvekitError as error:
            seconds = time.monotonic() - begin
            self.emit(Event(Kind.FAIL, step.vm, step.title, str(error), seconds))
            return Outcome(step, Fate.FAILED, seconds, error)
        seconds = time.monotonic() - begin
        self.emit(Event(Kind.DONE, step.vm, step.title, "", seconds))
        return Outcome(step, Fate.DONE, seconds)


def run(
    steps: Sequence[Step],
    *,
    limits: Mapping[str, int] | None = None,
    emit: Emit = silent,
    stop: threading.Event | None = None,
) -> tuple[Outcome, ...]:
    """Run all steps and return how each ended, in the order given.

    Ctrl-C (or ``stop``) starts nothing new; running steps are asked to end and waited for. A step that raises
    anything but a PvekitError is a defect: the exception leaves after the running steps have ended.

    Raises ValueError for an unknown need, a doubled id or a cycle.
    """
    state = _Run({step.id: step for step in steps}, limits or {}, emit, stop or threading.Event())
    sorter = _sorter(steps, state.steps)
    waiting: list[Step] = []
    running: dict[Future[Outcome], Step] = {}
    with ThreadPoolExecutor(max_workers=min(MAX_THREADS, max(1, len(steps))), thread_name_prefix="step") as pool:
        try:
            while sorter.is_active():
                waiting += [state.steps[name] for name in sorter.get_ready()]
                waiting = _dispatch(state, sorter, waiting, running, pool)
                if running:
                    _collect(state, sorter, running)
        except BaseException:
            state.stop.set()
            raise
    return tuple(state.outcomes[step.id] for step in steps)


def _sorter(steps: Sequence[Step], known: Mapping[str, Step]) -> TopologicalSorter[str]:
    if len(known) != len(steps):
        raise ValueError("two steps have the same id")
    unknown = {need for step in steps for need in step.needs} - known.keys()
    if unknown:
        raise ValueError(f"steps need what is not there: {', '.join(sorted(unknown))}")
    sorter: TopologicalSorter[str] = TopologicalSorter({step.id: step.needs for step in steps})
    try:
        sorter.prepare()
    except CycleError as error:
        raise ValueError(f"steps need each other in a circle: {error.args[1]}") from error
    return sorter


def _dispatch(
    state: _Run,
    sorter: TopologicalSorter[str],
    waiting: list[Step],
    running: dict[Future[Outcome], Step],
    pool: ThreadPoolExecutor,
) -> list[Step]:
    """Start what can start, settle what never will; return what still waits for a limit."""
    later: list[Step] = []
    for step in waiting:
        blamed = state.blamed(step)
        if blamed or state.stop.is_set():
            fate = Fate.SKIPPED if blamed else Fate.CANCELLED
            state.outcomes[step.id] = Outcome(step, fate, blamed=blamed)
            sorter.done(step.id)
        elif state.free(step):
            state.take(step, +1)
            running[pool.submit(state.execute, step)] = step
        else:
            later.append(step)
    return later


def _collect(state: _Run, sorter: TopologicalSorter[str], running: dict[Future[Outcome], Step]) -> None:
    """Wait until at least one step has ended and note it."""
    try:
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
    except KeyboardInterrupt:
        # The first Ctrl-C asks the running steps to end and goes on collecting them; a second one leaves at once.
        if state.stop.is_set():
            raise
        state.stop.set()
        state.emit(Event(Kind.NOTE, "", "interrupt", "stopping: waiting for the running tasks to end cleanly"))
        return
    for future in finished:
        step = running.pop(future)
        state.take(step, -1)
        state.outcomes[step.id] = future.result()
        sorter.done(step.id)
