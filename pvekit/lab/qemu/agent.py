"""The guest agent's protocol: JSON lines over a serial port that nobody guards.

The port has no connections. What an earlier, impatient client asked may still be answered now, and half a command
may sit in the guest's buffer. So every conversation begins with a byte that no JSON holds, which empties the guest's
parser, and a ``guest-sync-delimited`` with a fresh number; everything before its answer is thrown away.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pvekit.lab.doors import DoorError

NOT_RUNNING = "QEMU guest agent is not running"
_SENTINEL = b"\xff"
_SYNC_PATIENCE = 5.0
_NO_ANSWER = frozenset({"guest-shutdown", "guest-suspend-disk", "guest-suspend-ram", "guest-suspend-hybrid"})
_turns: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)


def ask(path: Path, command: str, arguments: Mapping[str, Any], timeout: float) -> Any:
    """Return the ``return`` value of a command.

    ``timeout`` (seconds) is for the whole conversation. DoorError: NOT_RUNNING when nobody answers the greeting, the
    agent's own words when it refuses, a time-out when it takes the command and goes silent.
    """
    deadline = time.monotonic() + timeout
    turn = _turns[path]
    if not turn.acquire(timeout=timeout):
        raise DoorError(f"VM qga command '{command}' failed - got timeout waiting for another command")
    try:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(min(timeout, _SYNC_PATIENCE))
            try:
                channel.connect(str(path))
            except OSError as error:
                raise DoorError(NOT_RUNNING) from error
            return _Conversation(channel).run(command, arguments, deadline)
    finally:
        turn.release()


class _Conversation:
    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._rest = b""

    def run(self, command: str, arguments: Mapping[str, Any], deadline: float) -> Any:
        number = secrets.randbelow(2**31)
        sync_deadline = min(deadline, time.monotonic() + _SYNC_PATIENCE)
        try:
            self._send("guest-sync-delimited", {"id": number}, _SENTINEL)
            while self._answer(sync_deadline, after_sentinel=True) != {"return": number}:
                pass
        except (TimeoutError, OSError) as error:
            raise DoorError(NOT_RUNNING) from error
        try:
            self._send(command, arguments)
            if command in _NO_ANSWER:
                return self._maybe_error(command, deadline)
            return _value(command, self._answer(deadline))
        except TimeoutError as error:
            raise DoorError(f"VM qga command '{command}' failed - got timeout") from error
        except OSError as error:
            raise DoorError(f"VM qga command '{command}' failed - {error}") from error

    def _send(self, command: str, arguments: Mapping[str, Any], prefix: bytes = b"") -> None:
        message: dict[str, Any] = {"execute": command}
        if arguments:
            message["arguments"] = dict(arguments)
        self._channel.sendall(prefix + json.dumps(message).encode() + b"\n")

    def _answer(self, deadline: float, *, after_sentinel: bool = False) -> Any:
        while True:
            if after_sentinel and _SENTINEL in self._rest:
                self._rest = self._rest.rpartition(_SENTINEL)[2]
                after_sentinel = False
            if not after_sentinel and b"\n" in self._rest:
                line, _, self._rest = self._rest.partition(b"\n")
                return _parsed(line)
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._channel.settimeout(left)
            received = self._channel.recv(1 << 20)
            if not received:
                raise ConnectionResetError("the VM ended")
            self._rest += received

    def _maybe_error(self, command: str, deadline: float) -> Any:
        """Success has no answer; an error comes at once."""
        try:
            return _value(command, self._answer(min(deadline, time.monotonic() + 1.0)))
        except (TimeoutError, ConnectionResetError):
            return {}


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise DoorError(f"the guest agent sent something that is no JSON: {line[:80]!r}") from error


def _value(command: str, answer: Any) -> Any:
    if isinstance(answer, dict) and "error" in answer:
        raise DoorError(f"Agent error: {answer['error'].get('desc', answer['error'])}")
    if not isinstance(answer, dict) or "return" not in answer:
        raise DoorError(f"VM qga command '{command}' failed - the agent sent {json.dumps(answer)[:80]}")
    return answer["return"]
