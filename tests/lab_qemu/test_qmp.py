"""QEMU's control channel."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from pvekit.lab.doors import DoorError
from pvekit.lab.qemu.qmp import QmpError, connect
from tests.lab_qemu.fakes import lines, reply, serve


def talk(client: socket.socket) -> None:
    reply(client, QMP={"version": {}, "capabilities": []})
    for line in lines(client):
        message = json.loads(line)
        name = message["execute"]
        if name == "refuse":
            reply(client, error={"class": "DeviceNotFound", "desc": "Device 'x' not found"})
        elif name == "leave":
            return
        elif name == "delete":
            reply(client, event="OTHER", data={})
            reply(client, **{"return": {}})
            reply(client, event="DEVICE_DELETED", data={"device": "scsi1", "path": "/p"})
        elif name != "silent":
            reply(client, event="NOISE", data={})
            reply(client, **{"return": message.get("arguments", {})})


def test_commands_and_events(tmp_path: Path) -> None:
    with serve(tmp_path / "qmp", talk), connect(tmp_path / "qmp") as qmp:
        assert qmp.execute("echo", {"a": 1}) == {"a": 1}
        qmp.execute("delete")
        assert qmp.wait_event("DEVICE_DELETED", 5, device="scsi1")
        assert not qmp.wait_event("DEVICE_DELETED", 0.2, device="scsi1")
        assert [event["event"] for event in qmp.events] == ["NOISE", "NOISE", "OTHER"]


def test_refusal_silence_and_end(tmp_path: Path) -> None:
    with serve(tmp_path / "qmp", talk), connect(tmp_path / "qmp") as qmp:
        with pytest.raises(QmpError, match="not found") as caught:
            qmp.execute("refuse")
        assert caught.value.kind == "DeviceNotFound"
        with pytest.raises(DoorError, match="did not answer silent"):
            qmp.execute("silent", timeout=0.2)
        with pytest.raises(DoorError, match="QEMU closed"):
            qmp.execute("leave")


def test_no_socket(tmp_path: Path) -> None:
    with pytest.raises(DoorError, match="cannot be reached"), connect(tmp_path / "none"):
        pass
