"""Ctrl-C, sent to a real process: what runs is brought to an end, and the next run goes on from there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.helpers.cli_room import Place

SECONDS = 1.0
"""How long the tasks take that are interrupted."""


@contextmanager
def started(place: Place, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "pvekit.cli", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def await_task(place: Place, kind: str, count: int = 1) -> None:
    """Wait until so many tasks of this kind run."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if sum(1 for task in place.lab.lab.tasks.newest() if task.upid.kind == kind and task.end is None) >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"no {kind} runs")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_once(place: Place, monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    monkeypatch.setitem(place.lab.lab.tasks.delays, "qmcreate", SECONDS)
    stack = place.stack("once", "  one: {}\n  two: {}\n")
    with started(place, "up", stack, "-y") as process:
        await_task(place, "qmcreate", 2)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130, (out, err)
    assert "stopping: running tasks are brought to a clean end" in err
    assert "not done. Run the same command again" in err
    assert "create ok" in out
    assert "Traceback" not in err
    assert not any(task.end is None for task in place.lab.lab.tasks.newest()), "a task was left running"
    assert {row["status"] for row in place.vms("once").values()} == {"stopped"}
    place.run("up", stack, "-y").ended(0)
    place.run("plan", stack).ended(0)
    place.run("down", stack, "--confirm", "once").ended(0)
    assert (place.vms("once"), place.seeds("once")) == ({}, [])


def test_twice(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(place.lab.lab.tasks.delays, "qmcreate", 2 * SECONDS)
    stack = place.stack("twice", "  one: {}\n")
    with started(place, "up", stack, "-y") as process:
        await_task(place, "qmcreate")
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert time.monotonic() - began < SECONDS
    assert process.returncode == 130
    assert "left at once: tasks may still run on the node" in err
    # The task is still going on: the next run finds the VM that is being created and waits for it.
    place.run("up", stack, "-y").ended(0)
    assert len(place.vms("twice")) == 1
    place.run("plan", stack).ended(0)
    place.run("down", stack, "--confirm", "twice").ended(0)
    assert (place.vms("twice"), place.seeds("twice")) == ({}, [])


def test_down(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = place.stack("halfdown", "  one: {}\n")
    place.run("up", stack, "-y").ended(0)
    monkeypatch.setitem(place.lab.lab.tasks.delays, "qmstop", SECONDS)
    with started(place, "down", stack, "--confirm", "halfdown") as process:
        await_task(place, "qmstop")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode in (0, 130), (out, err)
    place.run("down", stack, "--confirm", "halfdown").ended(0)
    assert (place.vms("halfdown"), place.seeds("halfdown")) == ({}, [])
