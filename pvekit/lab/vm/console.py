"""The serial console over a WebSocket, as PVE's terminal speaks it.

The client first sends ``user:ticket`` and a line feed and is answered ``OK``. From then on the server sends
what the console says, and the client sends ``0:LENGTH:DATA`` (keys), ``1:COLUMNS:ROWS:`` (size) or ``2`` (alive).
"""

from __future__ import annotations

import re
import select
import socket
import time
from pathlib import Path
from typing import Any

from pvekit.lab.access.permissions import may
from pvekit.lab.call import Call, Upgrade
from pvekit.lab.doors import DoorError
from pvekit.lab.errors import Refused, broken, forbidden, unauthorized
from pvekit.lab.params import choice, flag, integer, text
from pvekit.lab.router import route
from pvekit.lab.tasks import Task
from pvekit.lab.vm.power import demand_running
from pvekit.lab.websocket import Closed, WebSocket

CONSOLE = may("/vms/{vmid}", "VM.Console")
SERIALS = ("serial0", "serial1", "serial2", "serial3")
LOGIN_SECONDS = 10.0
_BASE = "/nodes/{node}/qemu/{vmid}"


def _path(call: Call) -> str:
    return f"/vms/{call.vmid}"


def _proxy(call: Call, kind: str) -> dict[str, Any]:
    """Return ticket and port of a console.

    The port is a name only: the WebSocket comes over this server, which knows where the console is.
    """

    def work(task: Task) -> None:
        task.log(f"starting {kind} for VM {call.vmid}")

    upid = call.lab.tasks.start(call.lab, kind, str(call.vmid), call.caller.auth_id, work, node=call.node)
    ticket = call.lab.tickets.console(call.caller.auth_id, _path(call))
    return {"user": call.caller.auth_id, "ticket": ticket, "port": "5900", "upid": upid}


@route("POST", _BASE + "/termproxy", check=CONSOLE, params={"serial": choice(*SERIALS)})
def term_proxy(call: Call) -> dict[str, Any]:
    """Return what is needed to open the serial console."""
    vm = call.lab.vms.get(call.vmid, call.node)
    wanted = call.get("serial")
    if (wanted and wanted not in vm.config) or not any(name in vm.config for name in SERIALS):
        raise broken(
            f"serial interface '{wanted}' is not configured" if wanted else "unable to find a serial interface"
        )
    return _proxy(call, "vncproxy")


@route("POST", _BASE + "/vncproxy", check=CONSOLE, params={"websocket": flag(), "generate-password": flag()})
def vnc_proxy(call: Call) -> dict[str, Any]:
    """Return what PVE returns; no graphical console is offered behind it."""
    demand_running(call)
    certificate = (call.lab.settings.state / "pve-ssl.pem").read_text(encoding="ascii")
    return {**_proxy(call, "vncproxy"), "cert": certificate}


@route(
    "GET",
    _BASE + "/vncwebsocket",
    check=CONSOLE,
    params={"port": integer(5900, 5999, required=True), "vncticket": text(longest=512, required=True)},
)
def vnc_websocket(call: Call) -> Upgrade:
    """Open the serial console."""
    user = call.lab.tickets.console_user(call.get("vncticket"), _path(call))
    if user is None:
        raise unauthorized("permission denied - invalid PVEVNC ticket")
    if user != call.caller.auth_id:
        raise forbidden(f"/vms/{call.vmid}, VM.Console")
    demand_running(call)
    try:
        console = call.lab.machines.serial_socket(call.vmid)
    except DoorError as failure:
        raise broken(str(failure)) from failure
    ticket = call.get("vncticket")
    return Upgrade(lambda websocket: talk(websocket, console, f"{user}:{ticket}\n".encode()))


def talk(websocket: WebSocket, console: Path, greeting: bytes) -> None:
    """Carry bytes between client and console until one of them ends."""
    with socket.socket(socket.AF_UNIX) as serial:
        try:
            _login(websocket, greeting)
            serial.connect(str(console))
            websocket.send(b"OK")
            serial.setblocking(False)
            _carry(websocket, serial)
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


def _carry(websocket: WebSocket, serial: socket.socket) -> None:
    left = b""
    while True:
        if not websocket.waiting():
            select.select([websocket.fileno(), serial.fileno()], [], [], 30)
        if select.select([serial], [], [], 0)[0]:
            said = serial.recv(65536)
            if not said:
                return
            websocket.send(said)
        while (message := websocket.receive()) is not None:
            keys, left = typed(left + message)
            serial.sendall(keys)


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
