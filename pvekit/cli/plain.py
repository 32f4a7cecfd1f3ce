"""A run as plain lines: one per step that ended, and more only of steps that take long or fail."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import click

from pvekit.cli.hints import complete
from pvekit.model.event import Event, Kind

PATIENCE = 5.0
"""Seconds after which a running step is shown with its log."""
PAUSE = 2.0
"""Seconds between two log lines of one step; only the last of those in between is shown."""
TAIL = 5
"""Log lines that are shown of a step that failed."""
_QUIET = frozenset({"TASK OK", ""})


@dataclass(slots=True)
class _Running:
    began: float
    shown: bool = False
    spoke: float = 0.0
    waiting: str = ""
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))


def seconds_text(seconds: float | None) -> str:
    """Return a duration in brackets; nothing for None."""
    return "" if seconds is None else f" ({seconds:.1f} s)"


def first_line(text: str) -> str:
    """Return the first line, after a colon; the rest of an error stands at the end of the run."""
    line = text.strip().partition("\n")[0]
    return f": {line}" if line else ""


class Plain:
    """Takes events and writes lines. Safe to call from several threads."""

    def __init__(self, write: Callable[[str], None] = click.echo, clock: Callable[[], float] = time.monotonic) -> None:
        """Write nothing yet."""
        self._write = write
        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str], _Running] = {}

    def show(self, event: Event) -> None:
        """Show one event, now or later or not at all."""
        with self._lock:
            self._show(event)

    def tick(self) -> None:
        """Show the steps that have been running for long, and what they said last."""
        now = self._clock()
        with self._lock:
            for key, step in self._running.items():
                if not step.shown and now - step.began >= PATIENCE:
                    step.shown = True
                    said = f": {step.waiting}" if step.waiting else ""
                    self._write(f"{_who(key)} ... {now - step.began:.0f} s{said}")
                    step.waiting, step.spoke = "", now
                elif step.shown and step.waiting and now - step.spoke >= PAUSE:
                    self._write(f"{_who(key)}   {step.waiting}")
                    step.waiting, step.spoke = "", now

    def _show(self, event: Event) -> None:
        key = (event.vm, event.step)
        match event.kind:
            case Kind.START:
                self._running[key] = _Running(self._clock())
            case Kind.LOG:
                self._log(self._running.setdefault(key, _Running(self._clock())), event.text.strip())
            case Kind.DONE:
                self._running.pop(key, None)
                self._write(f"{_who(key)} ok{seconds_text(event.seconds)}")
            case Kind.FAIL:
                step = self._running.pop(key, None)
                self._write(f"{_who(key)} FAILED{seconds_text(event.seconds)}{first_line(event.text)}")
                for line in step.tail if step else ():
                    if line not in event.text:
                        self._write(f"{_who(key)}   {line}")
            case Kind.SKIP:
                self._running.pop(key, None)
            case Kind.NOTE:
                self._write(f"{_who(key)} note: {complete(event.text)}")

    def _log(self, step: _Running, line: str) -> None:
        if line in _QUIET or (step.tail and step.tail[-1] == line):
            return
        step.tail.append(line)
        step.waiting = line


def _who(key: tuple[str, str]) -> str:
    vm, step = key
    return f"{vm}: {step}" if vm else step
