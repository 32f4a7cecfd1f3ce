"""The guest agent's commands.

The guest sits behind QEMU's user-mode NAT and calls its address 10.0.2.x; it is reached at the loopback
address that the node forwards to it. ``network-get-interfaces`` therefore tells the address at which the
node's clients reach the guest: an address translation at the node's door, nothing else is changed.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from pvekit.lab.access.permissions import may
from pvekit.lab.call import Call
from pvekit.lab.doors import DoorError
from pvekit.lab.errors import broken
from pvekit.lab.params import array, choice, flag, integer, text
from pvekit.lab.router import route
from pvekit.lab.vm.effective import address
from pvekit.lab.vm.status import agent_enabled

NAT = ipaddress.ip_network("10.0.2.0/24")
AUDIT = ("VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted")
_PLAIN: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "fsfreeze-freeze": ("POST", ("VM.GuestAgent.FileSystemMgmt", "VM.GuestAgent.Unrestricted")),
    "fsfreeze-status": ("POST", ("VM.GuestAgent.FileSystemMgmt", "VM.GuestAgent.Unrestricted")),
    "fsfreeze-thaw": ("POST", ("VM.GuestAgent.FileSystemMgmt", "VM.GuestAgent.Unrestricted")),
    "fstrim": ("POST", ("VM.GuestAgent.FileSystemMgmt", "VM.GuestAgent.Unrestricted")),
    "get-fsinfo": ("GET", AUDIT),
    "get-host-name": ("GET", AUDIT),
    "get-memory-block-info": ("GET", AUDIT),
    "get-memory-blocks": ("GET", AUDIT),
    "get-osinfo": ("GET", AUDIT),
    "get-time": ("GET", AUDIT),
    "get-timezone": ("GET", AUDIT),
    "get-users": ("GET", AUDIT),
    "get-vcpus": ("GET", AUDIT),
    "info": ("GET", AUDIT),
    "network-get-interfaces": ("GET", AUDIT),
    "ping": ("POST", AUDIT),
    "shutdown": ("POST", ("VM.PowerMgmt", "VM.GuestAgent.Unrestricted")),
    "suspend-disk": ("POST", ("VM.PowerMgmt", "VM.GuestAgent.Unrestricted")),
    "suspend-hybrid": ("POST", ("VM.PowerMgmt", "VM.GuestAgent.Unrestricted")),
    "suspend-ram": ("POST", ("VM.PowerMgmt", "VM.GuestAgent.Unrestricted")),
}
READ_LIMIT = 16 << 20
TIMEOUT = 10.0
"""Seconds that the agent has for an answer."""
COMMANDS = tuple(sorted(_PLAIN))


def ask(call: Call, command: str, **arguments: Any) -> Any:
    """Return the agent's answer; Refused if the VM does not run, has no agent, or the agent is silent."""
    vm = call.lab.vms.get(call.vmid, call.node)
    if call.lab.machines.status(vm.vmid) is None:
        raise broken(f"VM {vm.vmid} is not running")
    if not agent_enabled(vm.config):
        raise broken("No QEMU guest agent configured")
    try:
        return call.lab.machines.agent(vm.vmid, command, arguments, TIMEOUT)
    except DoorError as failure:
        raise broken(str(failure)) from failure


def translated(answer: Any, vmid: int, mac: str = "") -> Any:
    """Return the interfaces with the NAT's inner addresses replaced by the one the guest is reached at.

    Ports are forwarded to the card with the lowest number (``mac``), so whatever IPv4 address the guest gave it, a
    static one included, is reached there too.
    """
    for interface in answer if isinstance(answer, list) else []:
        forwarded = bool(mac) and str(interface.get("hardware-address", "")).upper() == mac
        for entry in interface.get("ip-addresses", ()):
            if _inside(str(entry.get("ip-address", "")), forwarded=forwarded):
                entry.update({"ip-address": address(vmid), "prefix": 8})
    return answer


def _inside(text: str, *, forwarded: bool) -> bool:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return False
    return found in NAT or (forwarded and found.version == 4 and not found.is_link_local)


def _first_mac(config: Mapping[str, str]) -> str:
    """Return the MAC address of the card with the lowest number, empty without cards."""
    cards = sorted((int(key[3:]), value) for key, value in config.items() if re.fullmatch(r"net\d+", key))
    found = re.search(r"(?i)([0-9a-f]{2}:){5}[0-9a-f]{2}", cards[0][1]) if cards else None
    return found[0].upper() if found else ""


def _run(call: Call, name: str) -> dict[str, Any]:
    command = f"guest-{name}"
    answer = ask(call, command)
    if name == "network-get-interfaces":
        answer = translated(answer, call.vmid, _first_mac(call.lab.vms.get(call.vmid, call.node).config))
    return {"result": answer}


def _register(name: str, method: str, needed: tuple[str, ...]) -> None:
    @route(method, f"/nodes/{{node}}/qemu/{{vmid}}/agent/{name}", check=may("/vms/{vmid}", *needed))
    def handler(call: Call) -> dict[str, Any]:
        return _run(call, name)


for _name, (_method, _needed) in _PLAIN.items():
    _register(_name, _method, _needed)


@route("GET", "/nodes/{node}/qemu/{vmid}/agent", check=may("/vms/{vmid}", "VM.Audit"))
def index(call: Call) -> list[dict[str, str]]:
    """Return the commands."""
    call.lab.vms.get(call.vmid, call.node)
    names = [*COMMANDS, "exec", "exec-status", "file-read", "file-write", "set-user-password"]
    return [{"name": name} for name in sorted(names)]


@route(
    "POST", "/nodes/{node}/qemu/{vmid}/agent", check=may("/vms/{vmid}", "VM.GuestAgent.Unrestricted"),
    params={"command": choice(*COMMANDS).needed()},
)  # fmt: skip
def generic(call: Call) -> dict[str, Any]:
    """Run a command by name, the old way."""
    return _run(call, call.get("command"))


@route(
    "POST", "/nodes/{node}/qemu/{vmid}/agent/exec", check=may("/vms/{vmid}", "VM.GuestAgent.Unrestricted"),
    params={"command": array(required=True), "input-data": text(longest=65536)},
)  # fmt: skip
def execute(call: Call) -> dict[str, Any]:
    """Start a program in the guest and return its process id."""
    argv = call.lists["command"]
    arguments: dict[str, Any] = {"path": argv[0], "arg": argv[1:], "capture-output": True}
    if "input-data" in call.params:
        arguments["input-data"] = base64.b64encode(call.get("input-data").encode()).decode()
    answer = ask(call, "guest-exec", **arguments)
    return {"pid": answer["pid"]}


@route(
    "GET", "/nodes/{node}/qemu/{vmid}/agent/exec-status",
    check=may("/vms/{vmid}", "VM.GuestAgent.Unrestricted"), params={"pid": integer(0, required=True)},
)  # fmt: skip
def exec_status(call: Call) -> dict[str, Any]:
    """Return how a program is doing; its output is text."""
    answer = dict(ask(call, "guest-exec-status", pid=call.number("pid")))
    answer["exited"] = int(bool(answer.get("exited")))
    for key in ("out-data", "err-data"):
        if key in answer:
            answer[key] = _decoded(answer[key])
    for key in ("out-truncated", "err-truncated"):
        if key in answer:
            answer[key] = int(bool(answer[key]))
    return answer


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data).decode("utf-8", errors="replace")
    except binascii.Error:
        return data


@route(
    "GET", "/nodes/{node}/qemu/{vmid}/agent/file-read",
    check=may("/vms/{vmid}", "VM.GuestAgent.FileRead", "VM.GuestAgent.Unrestricted"),
    params={"file": text(required=True), "count": integer(1, READ_LIMIT), "decode": flag(),
            "offset": integer(0)},
)  # fmt: skip
def file_read(call: Call) -> dict[str, Any]:
    """Return the content of a file, at most 16 MiB."""
    handle = ask(call, "guest-file-open", path=call.get("file"), mode="rb")
    left, parts, ended = call.number("count", READ_LIMIT), bytearray(), False
    try:
        if call.number("offset"):
            ask(call, "guest-file-seek", handle=handle, offset=call.number("offset"), whence=0)
        while left > 0 and not ended:
            part = ask(call, "guest-file-read", handle=handle, count=min(left, 1 << 20))
            parts += base64.b64decode(part["buf-b64"])
            left -= part["count"]
            ended = bool(part["eof"]) or not part["count"]
    finally:
        ask(call, "guest-file-close", handle=handle)
    decoded = call.flag("decode", default=True)
    content = parts.decode("latin-1") if decoded else base64.b64encode(parts).decode()
    answer: dict[str, Any] = {"bytes-read": len(parts), "content": content}
    if not ended:
        answer["truncated"] = 1
    return answer


@route(
    "POST", "/nodes/{node}/qemu/{vmid}/agent/file-write",
    check=may("/vms/{vmid}", "VM.GuestAgent.FileWrite", "VM.GuestAgent.Unrestricted"),
    params={"file": text(required=True), "content": text(required=True, longest=61440), "encode": flag()},
)  # fmt: skip
def file_write(call: Call) -> None:
    """Write a file, at most 60 KiB."""
    content = call.get("content")
    data = base64.b64encode(content.encode()).decode() if call.flag("encode", default=True) else content
    handle = ask(call, "guest-file-open", path=call.get("file"), mode="wb")
    try:
        ask(call, "guest-file-write", handle=handle, **{"buf-b64": data})
    finally:
        ask(call, "guest-file-close", handle=handle)


@route(
    "POST", "/nodes/{node}/qemu/{vmid}/agent/set-user-password",
    check=may("/vms/{vmid}", "VM.GuestAgent.Unrestricted"),
    params={"username": text(required=True), "password": text(required=True, shortest=5, longest=1024),
            "crypted": flag()},
)  # fmt: skip
def set_user_password(call: Call) -> dict[str, Any]:
    """Set a user's password in the guest."""
    secret = base64.b64encode(call.get("password").encode()).decode()
    ask(call, "guest-set-user-password", username=call.get("username"), password=secret,
        crypted=call.flag("crypted"))  # fmt: skip
    return {"result": {}}
