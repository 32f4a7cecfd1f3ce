"""A run on a terminal: what each VM is doing right now, below the lines of what has ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pvekit.cli.hints import complete
from pvekit.cli.plain import first_line, seconds_text
from pvekit.model.event import Emit, Event, Kind

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDTH = 100


@contextmanager
def live() -> Iterator[Emit]:
    """Yield the function that takes events; the view lasts as long as the block."""
    from rich.console import Console
    from rich.live import Live

    console = Console()
    board = Board()
    with Live(console=console, get_renderable=board.table, refresh_per_second=4, transient=True):

        def show(event: Event) -> None:
            board.take(event)
            _line(console, event)

        yield show


_WORD = {Kind.DONE: ("ok", "green"), Kind.FAIL: ("FAILED", "red"), Kind.NOTE: ("note", "yellow")}


def _line(console: Console, event: Event) -> None:
    """Write what stays: the end of a step, or a note."""
    from rich.text import Text

    if event.kind not in _WORD:
        return
    word, colour = _WORD[event.kind]
    who = f"{event.vm}: {event.step} " if event.vm else f"{event.step} "
    console.print(
        Text.assemble(who, (f"{word}{seconds_text(event.seconds)}", colour), first_line(complete(event.text)))
    )


class Board:
    """The steps that run. Safe to call from several threads."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._rows: dict[tuple[str, str], tuple[float, str]] = {}

    def take(self, event: Event) -> None:
        """Note an event."""
        key = (event.vm, event.step)
        with self._lock:
            if event.kind is Kind.START:
                self._rows[key] = (time.monotonic(), "")
            elif event.kind is Kind.LOG:
                began, _ = self._rows.get(key, (time.monotonic(), ""))
                self._rows[key] = (began, event.text.strip()[:_WIDTH])
            elif event.kind is not Kind.NOTE:
                self._rows.pop(key, None)

    def table(self) -> Table:
        """Return the board as it is now."""
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        now = time.monotonic()
        with self._lock:
            rows = sorted(self._rows.items())
        for (vm, step), (began, text) in rows:
            name = Text(vm or "stack", style="bold")
            table.add_row(name, Text(step), f"{now - began:4.0f} s", Text(text, style="dim", overflow="ellipsis"))
        return table
