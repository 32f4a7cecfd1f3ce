"""How a run is shown: plain lines, JSON, and the live view on a terminal."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from pvekit.cli.live import Board
from pvekit.cli.plain import Plain
from pvekit.model.event import Event, Kind
from tests.helpers.cli_room import Place

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases" / "plain.yaml").read_text())


def test_plain_lines() -> None:
    """Each case: events with the second they come at, and the lines that are written."""
    for case in CASES:
        now = [0.0]
        lines: list[str] = []
        plain = Plain(lines.append, lambda now=now: now[0])  # type: ignore[misc]
        for second, kind, vm, step, *text in case["events"]:
            while now[0] + 0.5 <= second:
                now[0] += 0.5
                plain.tick()
            if kind != "tick":
                seconds = float(second) if kind in ("done", "fail") else None
                plain.show(Event(Kind(kind), vm, step, text[0] if text else "", seconds))
        assert lines == case["lines"], case["name"]


def test_board_shows_what_runs() -> None:
    from rich.console import Console

    board = Board()
    board.take(Event(Kind.START, "one", "create"))
    board.take(Event(Kind.LOG, "one", "create", "transferred 10 %"))
    board.take(Event(Kind.START, "two", "start"))
    board.take(Event(Kind.DONE, "two", "start", "", 1.0))
    board.take(Event(Kind.NOTE, "two", "start", "a note"))
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(board.table())
    text = console.export_text()
    assert "one" in text
    assert "transferred 10 %" in text
    assert "two" not in text


def test_on_a_terminal(place: Place, monkeypatch: Any) -> None:
    """A real run on a pseudo terminal that is stopped while it waits for the guest."""
    monkeypatch.setattr(place.lab.lab.machines, "boot_seconds", 3600.0)
    monkeypatch.setitem(place.lab.lab.tasks.delays, "qmcreate", 1.0)
    stack = place.stack("tty", "  one: {}\n")
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "pvekit.cli", "up", str(stack)]
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True, close_fds=True
    ) as process:
        os.close(slave)
        shown = ""
        answered = interrupted = False
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if select.select([master], [], [], 0.2)[0]:
                try:
                    shown += os.read(master, 65536).decode(errors="replace")
                except OSError:
                    break
            if "Do this? [y/N]" in shown and not answered:
                os.write(master, b"y\n")
                answered = True
            if "waiting for the guest agent" in shown and not interrupted:
                time.sleep(0.5)
                process.send_signal(2)
                interrupted = True
        process.wait(timeout=10)
    os.close(master)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert process.returncode == 130, text
    assert "create ok" in text
    assert "wait for the guest" in text
    assert "stopping: running tasks are brought to a clean end" in text
    assert "Run the same command again" in text
    assert "Traceback" not in text
    place.run("down", stack, "--confirm", "tty").ended(0)
