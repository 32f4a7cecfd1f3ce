"""What the person at the console sees, and the end of everything that goes wrong."""

from __future__ import annotations

import os
from pathlib import Path

_RED, _BLUE = "\x1b[0;97;41m", "\x1b[0;97;44m"
_CLEAR = "\x1b[2J\x1b[H"
_WIDTH = 78
_LAST_ROW = "\x1b[999;1H"
CHART = "".join(map(chr, range(33, 127)))
"""Stands in the last row of every screen, so that a picture can be read without knowing the font."""


class Failed(Exception):
    """A step of Setup failed. ``said`` is what Windows itself would show, if it shows anything."""

    def __init__(self, step: str, reason: str, said: str = "") -> None:
        super().__init__(f"{step}: {reason}")
        self.step = step
        self.reason = reason
        self.said = said


def title(text: str) -> None:
    """Start a fresh blue screen; the figure is the kernel's seconds so far."""
    shown = f"{text} {Path('/proc/uptime').read_text().split()[0]}"
    _write(f"{_BLUE}{_CLEAR}{_LAST_ROW}{CHART}\x1b[H\r\n  {shown}\r\n  {'-' * len(shown)}\r\n\r\n")


def say(text: str) -> None:
    """Add a line."""
    _write(f"  {text}\r\n")


def fail(failure: Failed) -> None:
    """Show a red screen with the reason in a frame; what stood on the screen before is gone."""
    lines = [*_folded(failure.said), ""] if failure.said else []
    bar = "=" * _WIDTH
    for line in (f"PVEKIT FAILED: {failure.step}: {failure.reason}", "Nothing goes on by itself."):
        lines += [bar, "", *_folded(line), "", bar]
    _write(f"{_RED}{_CLEAR}{_LAST_ROW}{CHART}\x1b[H" + "".join(f"\r\n  {line}" for line in lines) + "\r\n")


def _folded(text: str) -> list[str]:
    return [line[at : at + _WIDTH] for line in text.splitlines() for at in range(0, len(line), _WIDTH)]


def _write(text: str) -> None:
    """Write to the screen and, where the machine has one, to the serial port."""
    for name in ("/dev/tty0", "/dev/ttyS0"):
        try:
            port = os.open(name, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            os.write(port, text.encode())
        except OSError:
            pass  # a port that the kernel lists but the machine lacks
        finally:
            os.close(port)


def cmdline() -> dict[str, str]:
    """Return the kernel's command line."""
    pairs = (word.partition("=") for word in Path("/proc/cmdline").read_text().split())
    return {key: value for key, _, value in pairs}
