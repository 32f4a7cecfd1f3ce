"""Passthrough: looks at the card inside its VM, through the guest agent, after one start or several."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from pvekit.adapters import hostscript
from pvekit.adapters import pve as api
from pvekit.adapters.collect import parse
from pvekit.adapters.pve import agent
from pvekit.model.bundle import Bundle
from pvekit.model.errors import ApiError, GuestNotReady, PermissionDenied, TaskFailed
from pvekit.model.event import Emit, Event, Kind
from pvekit.model.guestpci import GuestDevice, windows_command
from pvekit.model.proof import Compute, GuestLook
from pvekit.passthrough.proof_guest import compute_of, look_of, windows_look
from pvekit.workflows.session import Session
from pvekit.workflows.status import VmState, find
from pvekit.workflows.vm import SHUTDOWN_SECONDS, restart

LOOK, COMPUTE = "passthrough-guest.sh", "passthrough-compute.py"
_BOOT_SECONDS = 300.0
_RUNNING_SECONDS = 20.0
_DRIVER_SECONDS = 60.0
"""Drivers are loaded after the agent answers."""
_COMPUTE_SECONDS = 120.0
_NVIDIA = "10de:"
_TITLE = "verify"


@dataclass(frozen=True)
class Seen:
    """A look, and the files that it was made from (none of a Windows guest)."""

    look: GuestLook
    said: Bundle | None = None


@dataclass(frozen=True)
class Inside:
    """One VM of a stack that has the card with this id."""

    session: Session
    name: str
    card: str
    emit: Emit
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    @property
    def windows(self) -> bool:
        """Return whether Windows runs in it."""
        return self.session.stack.vm(self.name).kind == "windows"

    def looks(self, starts: int) -> tuple[Seen, ...]:
        """Look at it as it runs, then after each of some starts; it is left running or stopped, as it was.

        Raises what the session raises, and PermissionDenied without the right to run commands in it.
        """
        state = find(self.session, self.name)
        running = state.state == "running"
        found: list[Seen] = []
        if running:
            found.append(self._look(state, 0, _RUNNING_SECONDS))
        elif not starts:
            return (Seen(GuestLook(0, silent=f"it is {state.state}; with --cycles it is started")),)
        for number in range(1, starts + 1):
            try:
                restart(self.session, self.name, self.emit)
            except TaskFailed as error:
                found.append(Seen(GuestLook(number, failed=error.message.strip())))
                break
            found.append(self._look(state, number, _BOOT_SECONDS))
            if found[-1].look.silent:
                break
        if not running and not found[-1].look.failed:
            self._stop(state)
        return tuple(found)

    def _look(self, state: VmState, number: int, seconds: float) -> Seen:
        title = f"look after start {number}" if number else "look"
        self.emit(Event(Kind.START, self.name, title))
        begun = self.clock()
        try:
            seen = self._answer(state, number, seconds)
        except PermissionDenied:
            raise
        except (ApiError, GuestNotReady, TaskFailed, ValueError) as error:
            words = getattr(error, "message", "") or str(error)
            seen = Seen(GuestLook(number, silent=words))
        kind = Kind.FAIL if seen.look.silent else Kind.DONE
        self.emit(Event(kind, self.name, title, seen.look.silent, self.clock() - begun))
        return seen

    def _answer(self, state: VmState, number: int, seconds: float) -> Seen:
        self._await(state, seconds)
        if self.windows:
            return Seen(windows_look(number, self._run(state, windows_command(self.card), "")))
        said = self._said(state)
        look = look_of(number, said)
        end = self.clock() + (_DRIVER_SECONDS if number else 0.0)
        while not _driven(look.devices, self.card) and self.clock() < end:
            self.sleep(5.0)
            said = self._said(state)
            look = look_of(number, said)
        return Seen(replace(look, compute=self._compute(state, look)), said)

    def _await(self, state: VmState, seconds: float) -> None:
        end = self.clock() + seconds
        while not agent.ping(self.session.pve, state.node, state.vmid):
            if self.clock() >= end:
                raise GuestNotReady(f"its guest agent does not answer within {seconds:.0f} s")
            self.sleep(2.0)

    def _said(self, state: VmState) -> Bundle:
        return parse(self.name, self._run(state, ["sh", "-s"], hostscript.text(LOOK).decode()))

    def _run(self, state: VmState, argv: Sequence[str], stdin: str, seconds: float = _COMPUTE_SECONDS) -> str:
        ran = agent.run(self.session.pve, state.node, state.vmid, argv, stdin=stdin or None, timeout=seconds,
                        sleep=self.sleep)  # fmt: skip
        if not ran.ok and not ran.out:
            raise GuestNotReady(f"{argv[0]} ended with {ran.code} in the guest: {ran.err.strip()[-200:]}")
        return ran.out

    def _compute(self, state: VmState, look: GuestLook) -> Compute:
        """Let the card work, where that can be done without installing anything."""
        found = [device for device in look.devices if device.id == self.card]
        if not found or not self.card.startswith(_NVIDIA):
            lists = [tool for tool in ("clinfo", "rocminfo", "vulkaninfo") if tool in look.tools]
            has = f"; {', '.join(lists)} is installed there: try it by hand" if lists else ""
            return Compute(None, f"no compute job: only NVIDIA's libcuda is used for one{has}" if found else "")
        if "python3" not in look.tools:
            return Compute(None, "no compute job: the guest has no python3")
        try:
            text = self._run(state, ["python3", "-"], hostscript.text(COMPUTE).decode())
        except GuestNotReady as error:
            return Compute(False, error.message)
        return compute_of(text, found)

    def _stop(self, state: VmState) -> None:
        with api.TaskPoller(self.session.pve) as poller:
            upid = api.shutdown(self.session.pve, state.node, state.vmid, timeout=SHUTDOWN_SECONDS, force=True)
            poller.wait(upid, lambda line: self.emit(Event(Kind.LOG, self.name, _TITLE, line)))


def _driven(devices: Iterable[GuestDevice], card: str) -> bool:
    """Return whether there is nothing to wait for: a driver has the card, or the card is not there at all."""
    found = [device for device in devices if device.id == card]
    return not found or any(device.driver for device in found)
