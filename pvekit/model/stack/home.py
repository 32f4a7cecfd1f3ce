"""What the kinds of a home know beyond a plain VM: Windows, the NAS, a Linux desktop, and the host's own tuning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pvekit.model.stack.secret import SecretRef

Layout = Literal["single", "mirror", "raidz1", "raidz2"]


@dataclass(frozen=True, slots=True)
class WindowsUser:
    """A further local account."""

    name: str
    password: SecretRef
    admin: bool = False


@dataclass(frozen=True, slots=True)
class WindowsPatience:
    """How long each phase of an installation may take, in seconds."""

    started_s: float = 300.0
    applied_s: float = 3600.0
    agent_s: float = 5400.0
    done_s: float = 3600.0
    ssh_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Windows:
    """How Windows is installed.

    ``edition`` is pvekit's word (``pro``); ``language``, ``locale`` and ``keyboard`` are BCP 47 tags (``de-DE``).
    ``key`` None means the edition's public installation key. ``drivers`` and ``openssh`` are keys of
    ``Stack.images``; None takes the ones of pvekit's catalogue.
    """

    release: int = 11
    edition: str = "pro"
    language: str = "en-US"
    locale: str = "en-US"
    keyboard: str = "en-US"
    key: SecretRef | None = None
    rdp: bool = True
    vbs: bool = False
    users: tuple[WindowsUser, ...] = ()
    drivers: str | None = None
    openssh: str | None = None
    patience: WindowsPatience = WindowsPatience()


@dataclass(frozen=True, slots=True)
class PoolDisk:
    """A data disk of a NAS, named by all that is known about it.

    ``by_id`` is its name below /dev/disk/by-id on the host (a disk given to the VM whole); None means a virtual disk
    of the VM with the same serial. ``size_bytes`` is the disk's size, for a whole disk as its label says it.
    """

    serial: str
    size_bytes: int
    by_id: str | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """The file system over the data disks.

    ``create_on`` repeats the serials of the disks that may be made into a new pool; without all of them there a pool
    is only taken over, never made.
    """

    name: str
    layout: Layout
    disks: tuple[PoolDisk, ...]
    create_on: tuple[str, ...] = ()
    filesystem: Literal["auto", "zfs", "btrfs"] = "auto"


@dataclass(frozen=True, slots=True)
class NasUser:
    """A person who may use the shares. ``quota_bytes`` None = no limit."""

    name: str
    password: SecretRef
    quota_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """A folder of the NAS that others see.

    ``users`` may write, ``readers`` may read (names of ``Nas.users``). ``nfs`` lists the addresses or networks that may
    mount it by NFSv4. ``time_machine`` makes it a backup target for macOS.
    """

    name: str
    users: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    smb: bool = True
    nfs: tuple[str, ...] = ()
    quota_bytes: int | None = None
    time_machine: bool = False
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Snapshots:
    """How many snapshots of each kind are kept."""

    hourly: int = 24
    daily: int = 30
    monthly: int = 6


@dataclass(frozen=True, slots=True)
class Alert:
    """Where warnings of the NAS go: mail through a server, and a program of your own that gets the text on stdin."""

    mail: str | None = None
    server: str | None = None
    user: str | None = None
    password: SecretRef | None = None
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Nas:
    """A file server."""

    pool: Pool
    users: tuple[NasUser, ...] = ()
    shares: tuple[Share, ...] = ()
    snapshots: Snapshots = Snapshots()
    scrub: Literal["weekly", "monthly", "never"] = "monthly"
    alert: Alert = Alert()
    workgroup: str = "WORKGROUP"


@dataclass(frozen=True, slots=True)
class Mount:
    """A share of a NAS of the same stack (``vm``, ``share``), mounted in a Linux guest at ``path``.

    SMB logs in as ``user`` with ``password``; NFS needs neither.
    """

    vm: str
    share: str
    path: str
    how: Literal["nfs", "smb"]
    user: str | None = None
    password: SecretRef | None = None


@dataclass(frozen=True, slots=True)
class Linux:
    """What a Linux guest has beyond the server basics."""

    desktop: bool = False
    locale: str | None = None
    keyboard: str | None = None
    mounts: tuple[Mount, ...] = ()


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the host starts and stops a VM by itself: systemd calendar expressions (``Mon..Fri 07:00``), or None."""

    start: str | None = None
    stop: str | None = None

    @property
    def empty(self) -> bool:
        """Return whether there is no schedule."""
        return self.start is None and self.stop is None


@dataclass(frozen=True, slots=True)
class SshNode:
    """How one node is reached by SSH. ``host_key`` is its public host key line (``ssh-ed25519 AAAA…``)."""

    address: str
    host_key: str
    port: int = 22


@dataclass(frozen=True, slots=True)
class HostSsh:
    """SSH to the nodes, for the few steps that PVE's API has no words for. ``key`` is a private key's path."""

    user: str
    key: str | None
    nodes: dict[str, SshNode] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tuning:
    """Settings of the nodes themselves, each only when asked for (None = leave it).

    ``zfs_arc_max_mib`` caps the host's ZFS cache, ``hugepages`` reserves 2-MiB pages, ``swappiness`` is 0 to 100,
    ``governor`` a CPU frequency governor, ``ksm`` switches page merging.
    """

    zfs_arc_max_mib: int | None = None
    hugepages: int | None = None
    swappiness: int | None = None
    governor: str | None = None
    ksm: bool | None = None

    @property
    def empty(self) -> bool:
        """Return whether nothing is asked for."""
        return self == Tuning()
