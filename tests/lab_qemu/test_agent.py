"""The guest agent's protocol, with everything that can lie on the wire."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from pvekit.lab.doors import DoorError
from pvekit.lab.qemu import agent
from tests.lab_qemu.fakes import lines, reply, serve


class Guest:
    """An agent; ``before`` is what an earlier client left unread."""

    def __init__(self, before: bytes = b"", *, silent_for: str = "", error_for: str = "") -> None:
        self.before = before
        self.silent_for = silent_for
        self.error_for = error_for
        self.seen: list[str] = []

    def talk(self, client: socket.socket) -> None:
        if self.before:
            client.sendall(self.before)
        for line in lines(client):
            if line.startswith(b"\xff"):
                reply(client, error={"class": "GenericError", "desc": "JSON parse error"})
            message = json.loads(line.lstrip(b"\xff"))
            self.seen.append(message["execute"])
            if message["execute"] == self.silent_for:
                continue
            if message["execute"] == self.error_for:
                reply(client, error={"class": "GenericError", "desc": "no such file"})
            elif message["execute"] == "guest-sync-delimited":
                client.sendall(b"\xff")
                reply(client, **{"return": message["arguments"]["id"]})
            elif message["execute"] != "guest-shutdown":
                reply(client, **{"return": {"asked": message["execute"], **message.get("arguments", {})}})


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b'{"return": {"stale": 1}}\n',
        b'\xff{"return": 12345}\n',
        b'half a line {"retu',
        b"\xff" + b'{"return": 1}\n' * 50,
    ],
    ids=["clean", "stale answer", "stale sync", "torn", "many"],
)
def test_what_was_left_on_the_wire_is_thrown_away(tmp_path: Path, before: bytes) -> None:
    guest = Guest(before)
    with serve(tmp_path / "qga", guest.talk):
        for _ in range(2):
            answer = agent.ask(tmp_path / "qga", "guest-get-time", {"x": 1}, 5)
            assert answer == {"asked": "guest-get-time", "x": 1}


def test_nobody_answers(tmp_path: Path) -> None:
    guest = Guest(silent_for="guest-sync-delimited")
    with serve(tmp_path / "qga", guest.talk), pytest.raises(DoorError, match=r"^QEMU guest agent is not running$"):
        agent.ask(tmp_path / "qga", "guest-ping", {}, 0.3)
    with pytest.raises(DoorError, match=r"^QEMU guest agent is not running$"):
        agent.ask(tmp_path / "none", "guest-ping", {}, 0.3)


def test_the_agent_refuses(tmp_path: Path) -> None:
    with (
        serve(tmp_path / "qga", Guest(error_for="guest-file-open").talk),
        pytest.raises(DoorError, match="no such file"),
    ):
        agent.ask(tmp_path / "qga", "guest-file-open", {}, 5)


def test_the_agent_goes_silent(tmp_path: Path) -> None:
    with serve(tmp_path / "qga", Guest(silent_for="guest-exec").talk), pytest.raises(DoorError, match="got timeout"):
        agent.ask(tmp_path / "qga", "guest-exec", {}, 0.5)


def test_a_shutdown_has_no_answer(tmp_path: Path) -> None:
    guest = Guest()
    with serve(tmp_path / "qga", guest.talk):
        began = time.monotonic()
        assert agent.ask(tmp_path / "qga", "guest-shutdown", {"mode": "powerdown"}, 10) == {}
        assert time.monotonic() - began < 3
    assert guest.seen[-1] == "guest-shutdown"
