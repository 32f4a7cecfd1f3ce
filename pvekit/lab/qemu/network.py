"""A VM's network cards: user-mode networking with the guest's ports on a loopback address of its own.

No root and no bridge is needed. The guest sees a network of its own with the host as gateway and DNS server; its
services are reached at ``vm.address``. A port below 1024 can only be bound by root, with CAP_NET_BIND_SERVICE, or
where ``net.ipv4.ip_unprivileged_port_start`` allows it; one that cannot be bound is left out, with a line in the log.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pvekit.lab.doors import Log
from pvekit.lab.qemu.guestnet import GuestNet
from pvekit.lab.qemu.values import TRUE, options

PORTS = (22, 80, 139, 443, 445, 2049, 3389, 5985, 5986, 8000, 8080, 8443)
"""The guest's TCP ports that are forwarded: SSH, web, SMB, NFS, RDP, WinRM, llama-server."""
_FIRST_UNPRIVILEGED = 1024
_SSH_FALLBACK = 2222
_MODELS = {"virtio": "virtio-net-pci", "e1000": "e1000", "e1000e": "e1000e", "rtl8139": "rtl8139", "vmxnet3": "vmxnet3"}
_FIRST_SLOT, _LAST_SLOT = 0x12, 0x17


@dataclass(frozen=True, slots=True)
class Card:
    """One network card of the configuration."""

    key: str
    model: str
    mac: str
    link_down: bool

    @property
    def number(self) -> int:
        """Return the number in the key."""
        return int(self.key[3:])


def card(key: str, value: str) -> Card:
    """Return the card: ``virtio=MAC,bridge=...`` or ``model=virtio,macaddr=MAC``."""
    pairs = options(value, "model")
    found = next(((model, pairs[model]) for model in _MODELS if model in pairs), None)
    model, mac = found or (pairs.get("model", "virtio"), pairs.get("macaddr", ""))
    if not found and pairs.get("model") in _MODELS:
        mac = pairs.get("macaddr", "")
    return Card(key, _MODELS.get(model, "virtio-net-pci"), mac, pairs.get("link_down", "0") in TRUE)


def forwards(address: str, log: Log, ports: Sequence[int] = PORTS) -> list[tuple[int, int]]:
    """Return (port on ``address``, port in the guest) of everything that can be forwarded."""
    bound = [(port, port) for port in ports if _bindable(address, port)]
    low = [port for port in ports if port < _FIRST_UNPRIVILEGED and (port, port) not in bound]
    if low:
        log(
            f"ports {', '.join(map(str, low))} cannot be opened on {address}: in use, or this user may not open ports "
            f"below {_FIRST_UNPRIVILEGED} (allow it: sysctl net.ipv4.ip_unprivileged_port_start=22)"
        )
    if 22 in low and _bindable(address, _SSH_FALLBACK):
        log(f"SSH is at {address} port {_SSH_FALLBACK}")
        bound.append((_SSH_FALLBACK, 22))
    return bound


def netdev(of: Card, net: GuestNet, address: str, opened: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Return the back end of a card; only the first card takes forwarded ports."""
    made: dict[str, Any] = {"type": "user", "id": of.key, "net": str(net.network), "host": str(net.gateway),
                            "dhcpstart": str(net.guest), "dns": str(net.dns), "ipv6": False}  # fmt: skip
    if opened:
        made["hostfwd"] = [{"str": f"tcp:{address}:{outer}-{net.guest}:{inner}"} for outer, inner in opened]
    return made


def netdev_option(made: Mapping[str, Any]) -> str:
    """Return the value of ``-netdev``."""
    plain = [f"{key}={_plain(value)}" for key, value in made.items() if key not in {"type", "hostfwd"}]
    return ",".join([str(made["type"]), *plain, *(f"hostfwd={entry['str']}" for entry in made.get("hostfwd", ()))])


def device(of: Card, boot_index: int | None) -> dict[str, Any]:
    """Return the device of a card, at PVE's own slot, so that its name in the guest is like there (``ens18``)."""
    made: dict[str, Any] = {"driver": of.model, "id": of.key, "netdev": of.key}
    if of.mac:
        made["mac"] = of.mac
    if _FIRST_SLOT + of.number <= _LAST_SLOT:
        made["addr"] = f"0x{_FIRST_SLOT + of.number:x}"
    if boot_index is None:
        made["romfile"] = ""  # no network boot asked for: saves the time of loading its ROM
    else:
        made["bootindex"] = boot_index
    return made


def interfaces(config: Mapping[str, str]) -> list[Card]:
    """Return all cards in order."""
    keys = sorted((key for key in config if re.fullmatch(r"net\d+", key)), key=lambda key: int(key[3:]))
    return [card(key, config[key]) for key in keys]


def _plain(value: object) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _bindable(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True
