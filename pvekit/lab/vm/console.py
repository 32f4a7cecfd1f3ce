"""The consoles over a WebSocket, as PVE offers them: the serial one for terminals, the screen for VNC.

A terminal first sends ``user:ticket`` and a line feed and is answered ``OK``. From then on the server sends
what the console says, and the client sends ``0:LENGTH:DATA`` (keys), ``1:COLUMNS:ROWS:`` (size) or ``2`` (alive).
The screen is plain RFB, whose password is the ticket's other half.
"""

from __future__ import annotations

import re
import secrets
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pvekit.lab.access.permissions import may
from pvekit.lab.call import Call, Upgrade
from pvekit.lab.doors import DoorError
from pvekit.lab.errors import Refused, broken, unauthorized
from pvekit.lab.params import choice, flag, integer, text
from pvekit.lab.propstring import split
from pvekit.lab.router import route
from pvekit.lab.tasks import Task
from pvekit.lab.vm.consoles import Offer
from pvekit.lab.vm.devicespec import VGA
from pvekit.lab.vm.power import demand_running
from pvekit.lab.websocket import Closed, WebSocket

CONSOLE = may("/vms/{vmid}", "VM.Console")
SERIALS = ("serial0", "serial1", "serial2", "serial3")
LOGIN_SECONDS = 10.0
PASSWORD_LENGTH = 8
"""VNC looks at no more."""
_PRINTABLE = "".join(map(chr, range(ord("!"), ord("~") + 1)))
_BASE = "/nodes/{node}/qemu/{vmid}"


def _proxy(call: Call, password: str = "") -> dict[str, Any]:
    """Return ticket and port of a console. The ticket holds for this user, VM and port, for one try."""

    def work(task: Task) -> None:
        task.log(f"starting vncproxy for VM {call.vmid}")

    upid = call.lab.tasks.start(call.lab, "vncproxy", str(call.vmid), call.caller.auth_id, work, node=call.node)
    port = call.lab.consoles.offer(call.vmid, password)
    ticket = call.lab.tickets.console(call.caller.auth_id, f"/vms/{call.vmid}:{port}")
    return {"user": call.caller.auth_id, "ticket": ticket, "port": str(port), "upid": upid}


@route("POST", _BASE + "/termproxy", check=CONSOLE, params={"serial": choice(*SERIALS)})
def term_proxy(call: Call) -> dict[str, Any]:
    """Return what is needed to open the serial console."""
    vm = call.lab.vms.get(call.vmid, call.node)
    wanted = call.get("serial")
    if (wanted and wanted not in vm.config) or not any(name in vm.config for name in SERIALS):
        raise broken(
            f"serial interface '{wanted}' is not configured" if wanted else "unable to find a serial interface"
        )
    return _proxy(call)


@route("POST", _BASE + "/vncproxy", check=CONSOLE, params={"websocket": flag(), "generate-password": flag()})
def vnc_proxy(call: Call) -> dict[str, Any]:
    """Return what is needed to open the screen, also of a VM that does not run: its WebSocket closes at once."""
    vm = call.lab.vms.get(call.vmid, call.node)
    certificate = (call.lab.settings.state / "pve-ssl.pem").read_text(encoding="ascii")
    terminal = split(VGA, vm.config.get("vga", "std")).get("type", "").startswith("serial")
    if terminal and not (call.flag("websocket") or call.flag("generate-password")):
        return {**_proxy(call), "cert": certificate}
    password = "".join(secrets.choice(_PRINTABLE) for _ in range(PASSWORD_LENGTH))
    made = _proxy(call, password)
    return {**made, "ticket": f"{password}:{made['ticket']}", "password": password, "cert": certificate}


@route(
    "GET",
    _BASE + "/vncwebsocket",
    check=CONSOLE,
    params={"port": integer(5900, 5999, required=True), "vncticket": text(longest=512, required=True)},
)
def vnc_websocket(call: Call) -> Upgrade:
    """Open the console that the ticket is for."""
    port = call.number("port")
    ticket = re.sub(r"^.{8}:(?=PVEVNC:)", "", call.get("vncticket"))
    if call.lab.tickets.console_user(ticket, f"/vms/{call.vmid}:{port}") != call.caller.auth_id:
        raise unauthorized("permission denied - invalid PVEVNC ticket")
    call.lab.vms.get(call.vmid, call.node)
    offer = call.lab.consoles.take(port, call.vmid)
    if offer is None:
        raise broken(f"connect to 'localhost:{port}' failed: Connection refused")
    return _screen(call, offer) if offer.password else _terminal(call, ticket)


def _terminal(call: Call, ticket: str) -> Upgrade:
    demand_running(call)
    try:
        console = call.lab.machines.serial_socket(call.vmid)
    except DoorError as failure:
        raise broken(str(failure)) from failure
    return Upgrade(lambda websocket: talk(websocket, console, f"{call.caller.auth_id}:{ticket}\n".encode()))


def _screen(call: Call, offer: Offer) -> Upgrade:
    """Return the way to the VNC server. Like PVE, it closes without a word when there is none."""

    def show(websocket: WebSocket) -> None:
        try:
            with call.lab.machines.vnc(offer.vmid, offer.password) as stream:
                _carry(websocket, stream, lambda data: data)
        except (Closed, DoorError, OSError):
            return

    return Upgrade(show)


def talk(websocket: WebSocket, console: Path, greeting: bytes) -> None:
    """Carry bytes between client and console until one of them ends."""
    with socket.socket(socket.AF_UNIX) as serial:
        try:
            _login(websocket, greeting)
            serial.connect(str(console))
            websocket.send(b"OK")
            serial.settimeout(LOGIN_SECONDS)
            _carry(websocket, serial, _Typed())
        except (Closed, Refused, OSError):
            return


def _login(websocket: WebSocket, greeting: bytes) -> None:
    deadline, said = time.monotonic() + LOGIN_SECONDS, b""
    while not said.endswith(b"\n"):
        if time.monotonic() > deadline or len(said) > 4096:
            raise Closed
        if not websocket.waiting():
            select.select([websocket], [], [], 0.5)
        said += websocket.receive() or b""
    if said != greeting:
        raise unauthorized("permission denied")


def _carry(websocket: WebSocket, peer: socket.socket, meant: Callable[[bytes], bytes]) -> None:
    """Pass bytes on until one side ends; ``meant`` takes what the peer shall get out of what the client sends."""
    while True:
        if not websocket.waiting():
            select.select([websocket.fileno(), peer.fileno()], [], [], 30)
        if select.select([peer], [], [], 0)[0]:
            said = peer.recv(65536)
            if not said:
                return
            websocket.send(said)
        while (message := websocket.receive()) is not None:
            peer.sendall(meant(message))


class _Typed:
    """The keys in what a terminal sends, message by message."""

    def __init__(self) -> None:
        self._left = b""

    def __call__(self, message: bytes) -> bytes:
        keys, self._left = typed(self._left + message)
        return keys


def typed(data: bytes) -> tuple[bytes, bytes]:
    """Return the keys in what the client sent, and the beginning of a message still to come."""
    keys = b""
    while data:
        if data[:1] == b"2":
            data = data[1:]
            continue
        match = re.match(rb"0:(\d{1,6}):", data)
        if match:
            end = match.end() + int(match[1])
            if len(data) < end:
                break
            keys, data = keys + data[match.end() : end], data[end:]
            continue
        size = re.match(rb"1:\d+:\d+:", data)
        if size:
            data = data[size.end() :]
            continue
        if re.fullmatch(rb"[01](:\d*){0,2}:?", data):
            break
        data = data[1:]
    return keys, data
