"""Shows a run while it goes on: live on a terminal, plain lines elsewhere, or one JSON object per event."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from pvekit.model.event import Emit, Event


@contextmanager
def progress(*, as_json: bool) -> Iterator[Emit]:
    """Yield the function that takes the run's events and shows them. Safe to call from several threads."""
    if as_json:
        yield _locked(_write_json)
    elif sys.stdout.isatty():
        from pvekit.cli.live import live

        with live() as show:
            yield show
    else:
        from pvekit.cli.plain import Plain

        plain = Plain()
        with _ticking(plain.tick):
            yield plain.show


def _locked(show: Emit) -> Emit:
    lock = threading.Lock()

    def emit(event: Event) -> None:
        with lock:
            show(event)

    return emit


def _write_json(event: Event) -> None:
    fields: dict[str, Any] = {"time": round(time.time(), 3), "event": event.kind.value, "vm": event.vm}
    fields |= {"step": event.step, "text": event.text, "seconds": event.seconds}
    if event.seconds is not None:
        fields["seconds"] = round(event.seconds, 3)
    click.echo(json.dumps({key: value for key, value in fields.items() if value not in ("", None)}))


@contextmanager
def _ticking(tick: Callable[[], None]) -> Iterator[None]:
    """Call ``tick`` twice a second until the block ends."""
    end = threading.Event()

    def run() -> None:
        while not end.wait(0.5):
            tick()

    thread = threading.Thread(target=run, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
