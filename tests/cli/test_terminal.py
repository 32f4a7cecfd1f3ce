"""Joining a terminal with a console: raw while it lasts, as before afterwards."""

from __future__ import annotations

import contextlib
import os
import pty
import queue
import select
import signal
import sys
import termios
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pvekit.cli.terminal import attach


class Echo:
    """A console that answers everything in capitals."""

    def __init__(self) -> None:
        self.typed = b""
        self.sizes: list[tuple[int, int]] = []
        self.said: queue.Queue[bytes] = queue.Queue()

    def recv(self, timeout: float | None = None) -> bytes | None:
        try:
            return self.said.get(timeout=timeout)
        except queue.Empty:
            return None

    def send(self, data: bytes) -> None:
        self.typed += data
        self.said.put(data.upper())

    def resize(self, columns: int, rows: int) -> None:
        self.sizes.append((columns, rows))

    def keep_alive(self) -> None:
        """Nothing to do."""


@contextlib.contextmanager
def on_terminal() -> Iterator[int]:
    """Put this process on a pseudo terminal; yields the other side."""
    before = signal.getsignal(signal.SIGWINCH)
    master, slave = pty.openpty()
    with os.fdopen(slave, "r+b", buffering=0) as tty, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(sys, "stdin", tty)
        monkeypatch.setattr(sys, "stdout", tty)
        yield master
    os.close(master)
    signal.signal(signal.SIGWINCH, before)


def use(master: int) -> bytes:
    """Type, wait for the answer, and leave; returns what was shown."""
    shown = b""
    time.sleep(0.2)
    os.write(master, b"ls\x03")
    deadline = time.monotonic() + 10
    while b"LS" not in shown and time.monotonic() < deadline:
        if select.select([master], [], [], 0.1)[0]:
            shown += os.read(master, 1024)
    os.write(master, b"\x1d")
    return shown


def test_both_ways_until_ctrl_bracket() -> None:
    console = Echo()
    with on_terminal() as terminal, ThreadPoolExecutor() as pool:
        before = termios.tcgetattr(sys.stdin.fileno())
        reading = pool.submit(use, terminal)
        attach(console)
        assert b"LS" in reading.result()
        assert termios.tcgetattr(sys.stdin.fileno()) == before
    assert console.typed == b"ls\x03", "Ctrl-C belongs to the guest"
    assert console.sizes, "the window's size was told"


def test_it_ends_when_the_console_closes() -> None:
    console = Echo()
    console.said.put(b"")
    with on_terminal():
        attach(console)
    assert console.typed == b""
