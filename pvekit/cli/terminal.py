"""Joins this terminal with a console: raw mode, window size, both directions."""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import termios
import threading
import tty
from types import FrameType
from typing import Protocol

LEAVE = b"\x1d"
"""Ctrl-], as telnet and virsh have it."""
_KEEP_ALIVE = 30.0


class Duplex(Protocol):
    """A console: bytes both ways."""

    def recv(self, timeout: float | None = None) -> bytes | None:
        """Return what came; None after the time-out, empty when it is closed."""

    def send(self, data: bytes) -> None:
        """Type."""

    def resize(self, columns: int, rows: int) -> None:
        """Tell the window's size."""

    def keep_alive(self) -> None:
        """Say that somebody is still here."""


def attach(console: Duplex) -> None:
    """Join the terminal with the console until Ctrl-], the end of input, or the console closes."""
    closed = threading.Event()
    reader = threading.Thread(target=_copy_out, args=(console, closed), daemon=True)
    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin) if os.isatty(stdin) else None
    if before is not None:
        _tell_size(console)
        signal.signal(signal.SIGWINCH, lambda _number, _frame: _resized(console, _frame))
        tty.setraw(stdin)
    try:
        reader.start()
        _copy_in(console, closed, stdin)
    finally:
        closed.set()
        if before is not None:
            termios.tcsetattr(stdin, termios.TCSADRAIN, before)


def _copy_out(console: Duplex, closed: threading.Event) -> None:
    while not closed.is_set():
        data = console.recv(0.5)
        if data == b"":
            closed.set()
        elif data:
            os.write(sys.stdout.fileno(), data)


def _copy_in(console: Duplex, closed: threading.Event, stdin: int) -> None:
    silent = 0.0
    while not closed.is_set():
        ready, _, _ = select.select([stdin], [], [], 0.5)
        if not ready:
            silent += 0.5
            if silent >= _KEEP_ALIVE:
                console.keep_alive()
                silent = 0.0
            continue
        data = os.read(stdin, 4096)
        typed, leave, _ = data.partition(LEAVE)
        if typed:
            console.send(typed)
        if leave or not data:
            return
        silent = 0.0


def _tell_size(console: Duplex) -> None:
    size = shutil.get_terminal_size()
    console.resize(size.columns, size.lines)


def _resized(console: Duplex, _frame: FrameType | None) -> None:
    _tell_size(console)
