"""A write whose answer was lost: look whether it took effect, and repeat it only if it surely did not."""

from __future__ import annotations

import time
from collections.abc import Callable

from pvekit.adapters.pve.errors import Cause, cause
from pvekit.model.errors import Conflict, ServerBusy, WriteUncertain

LOOKS = (0.3, 1.0, 2.0)
"""Seconds before each look: a server that has lost its client may still be at work."""


def settle(
    write: Callable[[], str | None],
    took_effect: Callable[[], bool],
    *,
    attempts: int = 3,
    sleep: Callable[[float], None] = time.sleep,
) -> str | None:
    """Do ``write`` and return what it returned (a UPID or None); None also when only a look showed its effect.

    ``took_effect`` reads and answers whether the write is done or under way; it raises if it cannot tell. It is
    asked several times before "no" is believed. A lock time-out counts as a lost answer. Raises what ``write``
    raises otherwise, and WriteUncertain when all attempts are used up.
    """
    for attempt in range(1, attempts + 1):
        try:
            return write()
        except (WriteUncertain, ServerBusy) as error:
            if not _unknown(error):
                raise
            if _seen(took_effect, sleep):
                return None
            if attempt == attempts:
                raise
        except Conflict:
            # The earlier, unanswered try may be what is in the way now.
            if attempt > 1 and took_effect():
                return None
            raise
    raise ValueError("attempts must be at least 1")


def _unknown(error: WriteUncertain | ServerBusy) -> bool:
    return isinstance(error, WriteUncertain) or cause(error) is Cause.LOCK_TIMEOUT


def _seen(took_effect: Callable[[], bool], sleep: Callable[[float], None]) -> bool:
    for pause in LOOKS:
        sleep(pause)
        if took_effect():
            return True
    return False
