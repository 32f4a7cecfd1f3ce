"""The serial console: from the ticket to the keys."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from websockets.exceptions import InvalidStatus

from pvekit.lab.vm.console import typed
from tests.lab.running import Client, RunningLab
from tests.lab.sockets import Socket

VM = "/nodes/pve/qemu/100"


@pytest.fixture
def shell(lab: RunningLab) -> Iterator[Path]:
    """A console that answers in capitals."""
    path = lab.settings.state / "hollow" / "100.serial"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve() -> None:
        try:
            console, _address = server.accept()
        except OSError:
            return
        with console:
            console.sendall(b"login: ")
            while data := console.recv(4096):
                console.sendall(data.upper())

    thread = threading.Thread(target=serve)
    thread.start()
    yield path
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def opened(lab: RunningLab, proxy: dict[str, str], ticket: str = "") -> Socket:
    query = f"port={proxy['port']}&vncticket={quote(ticket or proxy['ticket'], safe='')}"
    url = f"wss://localhost:{lab.server.port}/api2/json{VM}/vncwebsocket?{query}"
    authority = str(lab.settings.state / "pve-ssl.pem")
    return Socket(url, authority, {"Authorization": lab.token}, ("binary",))


def started(lab: RunningLab, api: Client) -> None:
    lab.wait(api.post("/nodes/pve/qemu", vmid=100, serial0="socket"))
    lab.wait(api.post(f"{VM}/status/start"))


def test_keys_go_in_and_text_comes_out(lab: RunningLab, api: Client, shell: Path) -> None:
    started(lab, api)
    proxy = api.post(f"{VM}/termproxy")
    with opened(lab, proxy) as websocket:
        websocket.send(f"{proxy['user']}:{proxy['ticket']}\n".encode())
        assert websocket.recv(5) == b"OK"
        assert websocket.recv(5) == b"login: "
        websocket.send(b"1:80:24:")
        websocket.send(b"2")
        websocket.send(b"0:5:hello")
        assert websocket.recv(5) == b"HELLO"
        big = os.urandom(30000).hex().encode()
        websocket.send(b"0:%d:" % len(big) + big)
        found = b""
        while len(found) < len(big):
            part = websocket.recv(5)
            assert isinstance(part, bytes)
            found += part
        assert found == big.upper()


def test_wrong_tickets_open_nothing(lab: RunningLab, api: Client) -> None:
    started(lab, api)
    proxy = api.post(f"{VM}/termproxy")
    with pytest.raises(InvalidStatus) as refused:
        opened(lab, proxy, ticket="PVEVNC:root@pam:00000000::c2ln")
    assert refused.value.response.status_code == 401


def test_no_serial_no_console(lab: RunningLab, api: Client) -> None:
    lab.wait(api.post("/nodes/pve/qemu", vmid=100))
    assert api.ask("POST", f"{VM}/termproxy").reason == "unable to find a serial interface"


@pytest.mark.parametrize(
    ("data", "keys", "left"),
    [
        (b"0:2:ab", b"ab", b""),
        (b"0:2:ab0:1:c", b"abc", b""),
        (b"0:5:ab", b"", b"0:5:ab"),
        (b"20:1:x2", b"x", b""),
        (b"1:80:24:0:1:y", b"y", b""),
        (b"1:80:", b"", b"1:80:"),
        (b"0:3:0:1", b"0:1", b""),
    ],
)
def test_what_the_terminal_sends(data: bytes, keys: bytes, left: bytes) -> None:
    assert typed(data) == (keys, left)
