"""Notices a guest that waiting does not bring any further: off, stopped by QEMU, or without a sign of life.

A first boot can deadlock before anything in the guest can tell, and then runs through when it is tried again:
cloud-init holds the whole boot while it waits for a service that waits for the boot, and its unit has no time-out
(canonical/cloud-init, "Boot deadlocks forever in network stage", 2026). What it did not end runs at the next boot. A
kernel that panicked stands still, too, and QEMU takes it for running.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from pvekit.adapters import pve as api
from pvekit.engine import Context
from pvekit.model.errors import GuestNotReady
from pvekit.model.mark import Stage
from pvekit.provision.apply.job import Job
from pvekit.provision.apply.power import switch_off, switch_on

_PAUSE = 1.0
LOOK_SECONDS = 10.0
STILL_SECONDS = 180.0
"""A boot pauses for a network (120 s) or a device (90 s) that does not come, but not for so long."""
_STUCK = {
    "io-error": "a disk of it could not be read or written",
    "internal-error": "QEMU met something that it cannot emulate",
    "guest-panicked": "its kernel panicked",
    "paused": "somebody paused it, or its node did",
    "shutdown": "it has ended, and QEMU was not told to",
}
"""States of QEMU (``qmpstatus``) in which a guest does nothing until somebody acts."""


def until(done: Callable[[], bool], seconds: float, pause: Callable[[float], None]) -> bool:
    """Wait for something; return whether it came within some seconds."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        pause(_PAUSE)
    return True


class Watch:
    """Pauses while something in a VM is waited for, and looks at the VM now and then.

    With ``revive``, a guest on its first boot whose disks stood still for three minutes is switched off and on, once.
    """

    def __init__(self, job: Job, name: str, context: Context, *, revive: bool = False) -> None:
        """Begin now."""
        self._job, self._name, self._context = job, name, context
        self._looked = self._moved = time.monotonic()
        self._traffic: tuple[int, ...] = ()
        self._state = ""
        self._revive = revive and job.live[name].mark.stage is Stage.CREATED

    def pause(self, seconds: float) -> None:
        """Sleep. Raises GuestNotReady for a VM that nothing can be expected of; PVE is asked every ten seconds."""
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._look(now)
        self._context.sleep(seconds)

    def _look(self, now: float) -> None:
        live, where = self._job.live[self._name], self._job.where(self._name)
        status = api.status(self._job.pve, live.node, live.vmid)
        if str(status.get("status")) != "running":
            raise GuestNotReady(
                "it is off: its guest switched it off, somebody stopped it, or QEMU ended",
                where=where,
                hint=f"What the node did: pvekit logs {self._name} --tasks. Then run pvekit up again.",
            )
        before, self._state = self._state, str(status.get("qmpstatus"))
        # A snapshot pauses a VM for a moment, so that it must be seen twice.
        if self._state in _STUCK and self._state == before:
            hint = f"pvekit restart {self._name}"
            hint = f"Is its storage full? Then: {hint}" if self._state == "io-error" else hint
            raise GuestNotReady(f"it stands still ({self._state}): {_STUCK[self._state]}", where=where, hint=hint)
        # Not counted for every kind of storage: then both stay 0.
        traffic = tuple(int(status.get(key) or 0) for key in ("diskread", "diskwrite"))
        if traffic != self._traffic:
            self._traffic, self._moved = traffic, now
        elif self._revive and any(traffic) and now - self._moved >= STILL_SECONDS:
            self._revive = False
            self._context.log(
                f"no disk was used for {STILL_SECONDS:.0f} s and no agent answers: off and on again, once"
            )
            switch_off(self._job, self._name, self._context)
            switch_on(self._job, self._name, self._context)
