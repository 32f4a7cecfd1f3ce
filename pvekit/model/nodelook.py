"""What is on a node that only root sees: the files that pvekit keeps there, live settings, units, and who uses disks.

Read from the lines that ``templates/host/look.sh`` prints. Pure.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

ABSENT = "absent"
"""The digest of a file that is not there."""


@dataclass(frozen=True, slots=True)
class NodeFile:
    """A file of the node: permissions as octal text (``644``), and its bytes as text (undecodable ones replaced)."""

    path: str
    mode: str
    text: str
    sha256: str


@dataclass(frozen=True, slots=True)
class UnitState:
    """What systemd says of a unit: ``enabled`` / ``disabled`` / ``not-found`` ..., ``active`` / ``inactive`` ..."""

    enabled: str
    active: str

    @property
    def on(self) -> bool:
        """Return whether it runs now and after the next start."""
        return self.enabled == "enabled" and self.active == "active"

    @property
    def off(self) -> bool:
        """Return whether it runs neither now nor after the next start."""
        return self.enabled not in ("enabled", "enabled-runtime") and self.active != "active"


@dataclass(frozen=True, slots=True)
class Port:
    """A network card of the node that is part of a bridge."""

    name: str
    mac: str
    bridge: str


@dataclass(frozen=True, slots=True)
class NodeLook:
    """One look at one node.

    ``values`` are live settings by path, ``governors`` those that the CPU offers (empty: it offers none),
    ``root_filesystem`` is what ``/`` is on (``zfs``), ``links`` are devices by their name below /dev/disk/by-id, and
    ``users`` the configuration files of VMs and containers by the device that they use.
    """

    node: str
    files: Mapping[str, NodeFile] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    governors: frozenset[str] = frozenset()
    units: Mapping[str, UnitState] = field(default_factory=dict)
    root_filesystem: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, frozenset[str]] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()

    def digest(self, path: str) -> str:
        """Return the SHA-256 of a file, ``absent`` when there is none."""
        found = self.files.get(path)
        return found.sha256 if found is not None else ABSENT


def sha256(text: str) -> str:
    """Return the digest of a text as it is written to the node."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(slots=True)
class _Reader:
    files: dict[str, NodeFile] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    governors: frozenset[str] = frozenset()
    units: dict[str, UnitState] = field(default_factory=dict)
    root: str = ""
    links: dict[str, str] = field(default_factory=dict)
    users: dict[str, frozenset[str]] = field(default_factory=dict)
    ports: list[Port] = field(default_factory=list)

    def file(self, rest: str) -> None:
        mode, coded, path = rest.split(" ", 2)
        data = base64.b64decode(coded.removeprefix("="), validate=True)
        self.files[path] = NodeFile(path, mode, data.decode(errors="replace"), hashlib.sha256(data).hexdigest())

    def value(self, rest: str) -> None:
        path, _, value = rest.partition(" ")
        self.values[path] = value.strip()

    def offered(self, rest: str) -> None:
        self.governors = frozenset(rest.split())

    def unit(self, rest: str) -> None:
        name, enabled, active = rest.split(" ")
        self.units[name] = UnitState(enabled, active)

    def filesystem(self, rest: str) -> None:
        self.root = rest.strip()

    def link(self, rest: str) -> None:
        name, device = rest.split(" ", 1)
        self.links[name] = device

    def used(self, rest: str) -> None:
        device, conf = rest.rsplit(" ", 1)
        self.users[device] = self.users.get(device, frozenset()) | {conf}

    def port(self, rest: str) -> None:
        name, mac, bridge = rest.split(" ")
        self.ports.append(Port(name, mac.upper(), bridge))


_KINDS: Mapping[str, Callable[[_Reader, str], None]] = {
    "file": _Reader.file,
    "value": _Reader.value,
    "governors": _Reader.offered,
    "unit": _Reader.unit,
    "root": _Reader.filesystem,
    "link": _Reader.link,
    "used": _Reader.used,
    "port": _Reader.port,
}


def parse(node: str, text: str) -> NodeLook:
    """Read what the script printed. ValueError when a line is not of its kind, or the last one is missing."""
    lines = text.splitlines()
    if not lines or lines[-1] != "end":
        raise ValueError("the answer is cut off")
    reader = _Reader()
    for line in lines[:-1]:
        kind, _, rest = line.partition(" ")
        if kind not in _KINDS:
            raise ValueError(f"unknown line: {line[:60]!r}")
        try:
            _KINDS[kind](reader, rest)
        except (ValueError, binascii.Error) as error:
            raise ValueError(f"unreadable line: {line[:60]!r}") from error
    return NodeLook(
        node,
        reader.files,
        reader.values,
        reader.governors,
        reader.units,
        reader.root,
        reader.links,
        reader.users,
        tuple(reader.ports),
    )
