"""Shows a run while it goes on: live on a terminal, plain lines elsewhere, or one JSON object per event."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from pvekit.model.event import Emit, Event, Kind

if TYPE_CHECKING:
    from rich.table import Table

_SIGN = {Kind.START: "…", Kind.DONE: "ok", Kind.SKIP: "--", Kind.FAIL: "FAILED", Kind.NOTE: "note", Kind.LOG: "|"}


@contextmanager
def progress(*, as_json: bool) -> Iterator[Emit]:
    """Yield the function that takes the run's events and shows them. Safe to call from several threads."""
    lock = threading.Lock()
    if as_json:
        yield _locked(_write_json, lock)
    elif sys.stdout.isatty():
        with _live() as show:
            yield _locked(show, lock)
    else:
        yield _locked(_Plain().show, lock)


def _locked(show: Emit, lock: threading.Lock) -> Emit:
    def emit(event: Event) -> None:
        with lock:
            show(event)

    return emit


def _write_json(event: Event) -> None:
    fields: dict[str, Any] = {"time": round(time.time(), 3), "event": event.kind.value, "vm": event.vm}
    fields |= {"step": event.step, "text": event.text, "seconds": event.seconds}
    click.echo(json.dumps({key: value for key, value in fields.items() if value not in ("", None)}))


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f" ({seconds:.1f} s)"


class _Plain:
    """One line per event; the log of a step only in short, as it is also in PVE."""

    def __init__(self) -> None:
        self.last: dict[str, str] = {}

    def show(self, event: Event) -> None:
        who = f"{event.vm or 'stack'}: "
        if event.kind is Kind.LOG:
            if self.last.get(event.vm) != event.text:
                self.last[event.vm] = event.text
                click.echo(f"{who}{event.step}:   {event.text}")
            return
        text = f": {event.text}" if event.text else ""
        click.echo(f"{who}{event.step} {_SIGN[event.kind]}{_seconds(event.seconds)}{text}")


@contextmanager
def _live() -> Iterator[Emit]:
    from rich.console import Console
    from rich.live import Live

    console = Console()
    view = _Board()
    with Live(view.table(), console=console, refresh_per_second=8, transient=True) as live:

        def show(event: Event) -> None:
            if event.kind in (Kind.DONE, Kind.FAIL, Kind.NOTE):
                colour = {Kind.DONE: "green", Kind.FAIL: "red", Kind.NOTE: "yellow"}[event.kind]
                text = f": {event.text}" if event.text else ""
                console.print(f"{event.vm or 'stack'}: {event.step} ", end="", markup=False, highlight=False)
                console.print(f"{_SIGN[event.kind]}{_seconds(event.seconds)}", style=colour, end="", highlight=False)
                console.print(text, markup=False, highlight=False)
            view.take(event)
            live.update(view.table())

        yield show


class _Board:
    """What each VM is doing right now."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], tuple[float, str]] = {}

    def take(self, event: Event) -> None:
        key = (event.vm, event.step)
        if event.kind is Kind.START:
            self.rows[key] = (time.monotonic(), "")
        elif event.kind is Kind.LOG:
            begin, _ = self.rows.get(key, (time.monotonic(), ""))
            self.rows[key] = (begin, event.text.strip()[:100])
        elif event.kind in (Kind.DONE, Kind.FAIL, Kind.SKIP):
            self.rows.pop(key, None)

    def table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        now = time.monotonic()
        for (vm, step), (begin, text) in sorted(self.rows.items()):
            table.add_row(
                Text(vm or "stack", style="bold"), Text(step), f"{now - begin:4.0f} s", Text(text, style="dim")
            )
        return table
