"""QEMU's own control channel (QMP) over its unix socket. QEMU serves one client at a time."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pvekit.lab.doors import DoorError


class QmpError(DoorError):
    """QEMU refused a command. ``kind`` is its error class (``DeviceNotFound``, ``GenericError``)."""

    def __init__(self, command: str, kind: str, text: str) -> None:
        """Keep QEMU's own words."""
        super().__init__(text)
        self.command = command
        self.kind = kind


class Qmp:
    """One open connection."""

    def __init__(self, channel: socket.socket, path: Path) -> None:
        """Take a connected socket."""
        self._channel = channel
        self._path = path
        self._rest = b""
        self.events: list[dict[str, Any]] = []
        """Events that came while waiting for something else, in order."""

    def execute(self, command: str, arguments: Mapping[str, Any] | None = None, timeout: float = 10.0) -> Any:
        """Return the command's ``return`` value. QmpError if QEMU refuses, DoorError if it does not answer."""
        message: dict[str, Any] = {"execute": command}
        if arguments:
            message["arguments"] = dict(arguments)
        deadline = time.monotonic() + timeout
        try:
            self._channel.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise DoorError(f"QEMU closed {self._path}: {error}") from error
        while True:
            answer = self._read(deadline, command)
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise QmpError(command, str(answer["error"].get("class")), str(answer["error"].get("desc")))
            elif "return" in answer:
                return answer["return"]

    def wait_event(self, name: str, timeout: float, **data: Any) -> bool:
        """Return whether the event came in time (seconds); ``data`` are fields that it must have."""
        deadline = time.monotonic() + timeout
        while True:
            for event in self.events:
                if event["event"] == name and data.items() <= event.get("data", {}).items():
                    self.events.remove(event)
                    return True
            try:
                answer = self._read(deadline, name)
            except TimeoutError:
                return False
            if "event" in answer:
                self.events.append(answer)

    def greet(self, timeout: float) -> None:
        """Take QEMU's greeting and leave negotiation mode."""
        self._read(time.monotonic() + timeout, "greeting")
        self.execute("qmp_capabilities", timeout=timeout)

    def _read(self, deadline: float, what: str) -> dict[str, Any]:
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0:
                raise _Silent(f"QEMU did not answer {what} on {self._path} in time")
            self._channel.settimeout(left)
            try:
                received = self._channel.recv(65536)
            except TimeoutError as error:
                raise _Silent(f"QEMU did not answer {what} on {self._path} in time") from error
            except OSError as error:
                raise DoorError(f"QEMU closed {self._path}: {error}") from error
            if not received:
                raise DoorError(f"QEMU closed {self._path}")
            self._rest += received
        line, _, self._rest = self._rest.partition(b"\n")
        answer = json.loads(line)
        if not isinstance(answer, dict):
            raise DoorError(f"QEMU sent something else than a QMP message on {self._path}")
        return answer


class _Silent(DoorError, TimeoutError):
    """No answer in time."""


@contextmanager
def connect(path: Path, timeout: float = 10.0) -> Iterator[Qmp]:
    """Open a connection ready for commands; it waits its turn up to ``timeout`` seconds."""
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(timeout)
        try:
            channel.connect(str(path))
        except OSError as error:
            raise DoorError(f"QEMU cannot be reached on {path}: {error}") from error
        client = Qmp(channel, path)
        client.greet(timeout)
        yield client
