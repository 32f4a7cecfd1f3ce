"""What the agent of a hollow guest answers to the commands that need no memory."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Answer = Callable[[int, Mapping[str, Any]], Any]
"""Takes the VMID and the machine's state."""


def _interfaces(_vmid: int, state: Mapping[str, Any]) -> list[dict[str, Any]]:
    loopback = {
        "name": "lo", "hardware-address": "00:00:00:00:00:00",
        "ip-addresses": [{"ip-address-type": "ipv4", "ip-address": "127.0.0.1", "prefix": 8}],
    }  # fmt: skip
    found: list[dict[str, Any]] = [loopback]
    for key in sorted(state["config"]):
        match = re.search(r"=(([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2})", state["config"][key])
        if re.fullmatch(r"net\d+", key) and match:
            addresses = [{"ip-address-type": "ipv4", "ip-address": "10.0.2.15", "prefix": 24}]
            found.append(
                {"name": f"eth{key[3:]}", "hardware-address": match[1].lower(),
                 "ip-addresses": addresses if key == "net0" else []}
            )  # fmt: skip
    return found


def pci_files(cards: Sequence[str]) -> dict[str, bytes]:
    """Return what a hollow guest says about the cards that it was given: each has 16 MiB and no driver."""
    files: dict[str, bytes] = {}
    lines = []
    for number, card in enumerate(cards):
        start = 0xE0000000 + (number << 24)
        spans = "\t".join(["0"] * 6)
        line = f"{number + 1:02x}00\t{card.replace(':', '')}\t0\t{start:x}\t{spans}\t{1 << 24:x}\t{spans}\t\n"
        lines.append(line)
        resource = f"{start:#018x} {start + (1 << 24) - 1:#018x} {0x40200:#018x}\n"
        files[f"/sys/bus/pci/devices/0000:{number + 1:02x}:00.0/resource"] = resource.encode()
    return {"/proc/bus/pci/devices": "".join(lines).encode(), **files}


_OS = {
    "id": "debian", "name": "Debian GNU/Linux", "pretty-name": "Debian GNU/Linux 13 (trixie)", "version": "13 (trixie)",
    "version-id": "13", "kernel-release": "6.12.0-hollow", "kernel-version": "#1", "machine": "x86_64",
}  # fmt: skip
ANSWERS: dict[str, Answer] = {
    "guest-ping": lambda _vmid, _state: {},
    "guest-info": lambda _vmid, _state: {"version": "9.2.0", "supported_commands": []},
    "guest-get-osinfo": lambda _vmid, _state: dict(_OS),
    "guest-get-host-name": lambda _vmid, state: {"host-name": state["name"]},
    "guest-get-time": lambda _vmid, _state: time.time_ns(),
    "guest-get-timezone": lambda _vmid, _state: {"offset": 0, "zone": "UTC"},
    "guest-get-users": lambda _vmid, _state: [],
    "guest-get-vcpus": lambda _vmid, _state: [{"logical-id": 0, "online": True, "can-offline": False}],
    "guest-get-fsinfo": lambda _vmid, _state: [{"mountpoint": "/", "name": "sda1", "type": "ext4", "disk": []}],
    "guest-fsfreeze-status": lambda _vmid, _state: "thawed",
    "guest-fsfreeze-freeze": lambda _vmid, _state: 1,
    "guest-fsfreeze-thaw": lambda _vmid, _state: 1,
    "guest-network-get-interfaces": _interfaces,
}
