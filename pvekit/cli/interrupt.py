"""Ctrl-C: the first one asks the run to end cleanly, the second one leaves at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

FIRST = "\nstopping: running tasks are brought to a clean end. Ctrl-C again leaves at once.\n"
SECOND = "\nleft at once: tasks may still run on the node. Run the same command again: it looks first, then goes on.\n"
INTERRUPTED = 130
_SHOW_CURSOR = b"\x1b[?25h"


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Yield the event that Ctrl-C (and SIGTERM) sets, for as long as the block runs.

    A signal handler instead of KeyboardInterrupt, which could arrive in the middle of any line.
    """
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            if sys.stdout.isatty():
                # The live view hides the cursor, and nobody else will show it again.
                os.write(sys.stdout.fileno(), _SHOW_CURSOR)
            _say(SECOND)
            os._exit(INTERRUPTED)
        stop.set()
        _say(FIRST)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    # Not print: the signal may have come in the middle of one.
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, text.encode())
