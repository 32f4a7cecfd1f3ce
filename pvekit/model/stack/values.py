"""What the person wants, with all defaults merged in. The rest of the house uses these, never the file's shape.

Units are in the names: ``_mib`` is MiB, ``_bytes`` bytes, ``_s`` seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any, Literal

from pvekit.model.stack.gpus import Gpu, VmGpu
from pvekit.model.stack.home import HostSsh, Linux, Nas, Schedule, Tuning, Windows
from pvekit.model.stack.llama import Llama
from pvekit.model.stack.secret import SecretRef


@dataclass(frozen=True, slots=True)
class Token:
    """An API token: ``id`` is ``user@realm!name``."""

    id: str
    secret: SecretRef


@dataclass(frozen=True, slots=True)
class Login:
    """A user and password, for the few steps that PVE refuses to a token."""

    user: str
    password: SecretRef


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for a connection, and for an answer (seconds)."""

    connect_s: float = 5.0
    read_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Parallel:
    """Tasks at once: per ``storage``, per ``node``, and VMs that ``boot`` (0 = by the node's threads)."""

    storage: int = 8
    node: int = 8
    boot: int = 0


@dataclass(frozen=True, slots=True)
class Host:
    """A PVE node or cluster.

    ``fingerprints`` are SHA-256, upper case with colons; empty means that the certificate is verified against the
    system's CAs. There is no way to switch verification off. At least one of ``token`` and ``login`` is there.
    ``passthrough`` says whether a node is only checked or also prepared for giving cards to VMs.
    """

    endpoints: tuple[str, ...]
    fingerprints: tuple[str, ...]
    token: Token | None
    login: Login | None
    timeouts: Timeouts = Timeouts()
    parallel: Parallel = Parallel()
    ssh: HostSsh | None = None
    tuning: Tuning = field(default_factory=Tuning)
    passthrough: Literal["check", "configure"] = "check"


@dataclass(frozen=True, slots=True)
class Checksum:
    """A file's checksum: ``algorithm`` is sha256 or sha512, ``value`` lower-case hex."""

    algorithm: Literal["sha256", "sha512"]
    value: str


@dataclass(frozen=True, slots=True)
class Download:
    """An image fetched from ``url``. One of ``checksum`` and ``checksums_url`` (a SHA256SUMS list) is there.

    ``keyring`` is the path of the public keys that may have signed the list; None asks for no signature.
    """

    url: str
    checksum: Checksum | None
    checksums_url: str | None
    keyring: str | None = None


@dataclass(frozen=True, slots=True)
class LocalFile:
    """An image file on this machine. Without ``checksum`` it is computed."""

    path: str
    checksum: Checksum | None


@dataclass(frozen=True, slots=True)
class Volume:
    """An ISO that is on a storage of the server already (``local:iso/win.iso``)."""

    volid: str
    checksum: Checksum


@dataclass(frozen=True, slots=True)
class Built:
    """An image that pvekit builds on this machine from a distribution's packages (``debian-13``)."""

    recipe: str


@dataclass(frozen=True, slots=True)
class Image:
    """A disk image under the name that VMs use. ``format`` is the format of its bytes."""

    name: str
    source: Download | LocalFile | Volume | Built
    format: Literal["qcow2", "raw", "vmdk", "iso", "msi"]


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk. ``slot`` is PVE's key (``scsi0``). None means: leave it as PVE has it."""

    slot: str
    size_bytes: int
    storage: str
    serial: str | None = None
    ssd: bool | None = None
    discard: bool | None = None
    backup: bool | None = None
    iothread: bool | None = None
    cache: str | None = None
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Nic:
    """One network card. ``slot`` is PVE's key (``net0``); ``mac`` upper case, None = PVE chooses.

    ``address`` is an IPv4 address with prefix, ``"dhcp"`` or ``"none"``; ``address6`` an IPv6 address with prefix,
    ``"auto"`` (router advertisements), ``"dhcp"`` or ``"none"``.
    """

    slot: str
    bridge: str
    model: str = "virtio"
    mac: str | None = None
    vlan: int | None = None
    mtu: int | None = None
    firewall: bool = False
    address: IPv4Interface | Literal["dhcp", "none"] = "dhcp"
    gateway: IPv4Address | None = None
    address6: IPv6Interface | Literal["auto", "dhcp", "none"] = "auto"
    gateway6: IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class Dns:
    """Name servers (addresses) and search domains."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Start:
    """Start with the node, in which order, and how long to wait (seconds). None = PVE's own default."""

    auto: bool = True
    order: int | None = None
    up_s: int | None = None
    down_s: int | None = None
    schedule: Schedule = field(default_factory=Schedule)


@dataclass(frozen=True, slots=True)
class Ready:
    """When a VM counts as ready: within how many seconds, and which TCP ports must answer besides SSH."""

    within_s: float = 900.0
    tcp: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class User:
    """A further user in the guest. ``sudo`` means without a password."""

    name: str
    ssh_keys: tuple[str, ...] = ()
    sudo: bool = False
    groups: tuple[str, ...] = ()
    shell: str = "/bin/bash"


@dataclass(frozen=True, slots=True)
class Ansible:
    """Playbooks that run after the kind's own, and variables. A value may be a SecretRef, at any depth."""

    playbooks: tuple[str, ...] = ()
    vars: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Vm:
    """One virtual machine, complete.

    ``node`` None = auto; ``vmid`` None = chosen by pvekit; ``image`` is a key of ``Stack.images`` or None;
    ``balloon_mib`` None = no ballooning; ``storage`` is where EFI and TPM state go as well. ``pve`` holds PVE keys
    that win over what the kind makes of all this; None means: leave that key as PVE has it. ``cpu`` empty means that
    pvekit chooses by the host. ``windows``, ``nas`` and ``llama`` are there for these kinds only.
    """

    name: str
    kind: str
    vmid: int | None
    node: str | None
    image: str | None
    cores: int
    sockets: int
    cpu: str
    memory_mib: int
    balloon_mib: int | None
    machine: Literal["q35", "i440fx"]
    firmware: Literal["seabios", "ovmf"]
    secure_boot: bool
    tpm: bool
    agent: bool
    storage: str
    iso_storage: str
    image_storage: str
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...]
    dns: Dns
    user: str
    ssh_keys: tuple[str, ...]
    password: SecretRef | None
    user_data: Mapping[str, Any]
    start: Start
    state: Literal["running", "stopped"]
    ready: Ready
    tags: tuple[str, ...]
    pool: str | None
    protection: bool
    description: str
    packages: tuple[str, ...]
    timezone: str | None
    updates: Literal["security", "all", "none"]
    users: tuple[User, ...]
    ansible: Ansible
    options: Mapping[str, Any]
    pve: Mapping[str, str | None] = field(default_factory=dict)
    linux: Linux = field(default_factory=Linux)
    windows: Windows | None = None
    nas: Nas | None = None
    affinity: str | None = None
    hugepages: str | None = None
    gpus: tuple[VmGpu, ...] = ()
    llama: Llama | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """A whole stack file. ``host`` None means the embedded node (``host: lab``). ``vms`` is in file order."""

    name: str
    file: str
    host: Host | None
    images: Mapping[str, Image]
    vms: tuple[Vm, ...]
    gpus: Mapping[str, Gpu] = field(default_factory=dict)

    def vm(self, name: str) -> Vm:
        """Return the VM of that name. KeyError if there is none."""
        for vm in self.vms:
            if vm.name == name:
                return vm
        raise KeyError(name)
