"""The engine keeps needs and limits, and one failure stays with those who need it."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.engine import Context, Fate, Step, run
from pvekit.model.errors import PvekitError, TaskFailed
from pvekit.model.event import Event, Kind


def _step(name: str, needs: tuple[str, ...] = (), limits: tuple[str, ...] = (), run_: object = None) -> Step:
    return Step(name, "vm", name, run_ or (lambda _context: None), needs, limits)  # type: ignore[arg-type]


@st.composite
def graphs(draw: st.DrawFn) -> list[tuple[str, tuple[str, ...], bool]]:
    count = draw(st.integers(1, 12))
    graph = []
    for index in range(count):
        needs = draw(st.sets(st.integers(0, index - 1), max_size=3)) if index else set()
        graph.append((str(index), tuple(str(n) for n in needs), draw(st.booleans())))
    return graph


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_order_and_blame(graph: list[tuple[str, tuple[str, ...], bool]]) -> None:
    """Every step runs after its needs; exactly the descendants of failures are skipped."""
    seen: list[str] = []
    lock = threading.Lock()

    def action(name: str, fails: bool) -> object:
        def body(_context: Context) -> None:
            with lock:
                seen.append(name)
            if fails:
                raise TaskFailed("no")

        return body

    outcomes = {o.step.id: o for o in run([_step(n, needs, run_=action(n, fails)) for n, needs, fails in graph])}
    bad: set[str] = set()
    for name, needs, fails in graph:
        if bad & set(needs):
            bad.add(name)
            assert outcomes[name].fate is Fate.SKIPPED
            assert outcomes[outcomes[name].blamed].fate is Fate.FAILED
        elif fails:
            bad.add(name)
            assert outcomes[name].fate is Fate.FAILED
        else:
            assert outcomes[name].fate is Fate.DONE
            assert all(seen.index(need) < seen.index(name) for need in needs)


def test_limits_bound_what_runs_at_once() -> None:
    now = peak = 0
    lock = threading.Lock()

    def body(_context: Context) -> None:
        nonlocal now, peak
        with lock:
            now += 1
            peak = max(peak, now)
        time.sleep(0.02)
        with lock:
            now -= 1

    outcomes = run([_step(str(i), limits=("storage:a",), run_=body) for i in range(8)], limits={"storage:a": 2})
    assert peak == 2
    assert all(o.fate is Fate.DONE for o in outcomes)


def test_stop_cancels_sleepers_and_starts_nothing_new() -> None:
    stop = threading.Event()
    events: list[Event] = []

    def body(context: Context) -> None:
        context.log("waiting")
        stop.set()
        context.sleep(30)

    outcomes = run([_step("a", run_=body), _step("b", needs=("a",))], stop=stop, emit=events.append)
    assert [o.fate for o in outcomes] == [Fate.CANCELLED, Fate.SKIPPED]
    assert [e.kind for e in events] == [Kind.START, Kind.LOG]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([_step("a", needs=("x",))], "not there"),
        ([_step("a"), _step("a")], "same id"),
        ([_step("a", needs=("b",)), _step("b", needs=("a",))], "circle"),
    ],
)
def test_wrong_graphs_are_refused(steps: list[Step], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(steps)


def test_a_defect_is_not_swallowed() -> None:
    def body(_context: Context) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run([_step("a", run_=body)])


def test_errors_are_kept() -> None:
    def body(_context: Context) -> None:
        raise PvekitError("broken", where="web: start")

    (outcome,) = run([_step("a", run_=body)])
    assert str(outcome.error) == "web: start: broken"
