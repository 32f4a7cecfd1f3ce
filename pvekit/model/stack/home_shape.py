"""The shape of what the kinds of a home know beyond a plain VM. Nothing outside this room sees these types."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pvekit.model.stack import scalars as s
from pvekit.model.stack.base import Shape, default, maybe

LANGUAGE = s.pattern(
    "[a-z]{2,3}(-[A-Z][a-z]{3})?-[A-Z]{2}", "a language tag", "Write language and country, for example de-DE."
)
Language = Annotated[str, *LANGUAGE]
WindowsName = Annotated[
    str,
    *s.pattern(
        r"[^\s\"/\\\[\]:;|=,+*?<>@.%][^\"/\\\[\]:;|=,+*?<>@%]{0,18}[^\s\"/\\\[\]:;|=,+*?<>@.%]|[^\s\"/\\\[\]:;|=,+*?<>@.%]",
        "a Windows user name",
        'At most 20 characters, none of " / \\ [ ] : ; | = , + * ? < > @ %, no dot or space at the ends.',
    ),
]
ShareName = Annotated[
    str, *s.pattern("[A-Za-z0-9][A-Za-z0-9_-]{0,30}", "a share name", "Use letters, digits, - and _, at most 31.")
]
PoolName = Annotated[
    str,
    *s.pattern(
        "(?!mirror|raidz|draid|spare|log|cache|special|dedup)[a-z][a-z0-9_-]{0,30}",
        "a pool name",
        "Use a-z, 0-9, - and _, a letter first; not a word of ZFS such as mirror or log.",
    ),
]
ById = Annotated[
    str,
    *s.pattern(
        "(ata|nvme|scsi|wwn|usb)-[A-Za-z0-9_.:-]{3,200}",
        "a disk's name below /dev/disk/by-id",
        "Write the name alone, for example ata-WDC_WD40EFRX-68N32N0_WD-WCC7K0000001; not a partition.",
    ),
]
Clients = Annotated[
    str,
    *s.pattern(r"[0-9A-Fa-f.:]+(/[0-9]{1,3})?", "an address or network", "Write 192.168.1.20 or 192.168.1.0/24."),
]
Mail = Annotated[str, *s.pattern(r"[^\s@<>]+@[^\s@<>]+", "a mail address", "Write name@example.org.")]
MailServer = Annotated[
    str,
    *s.pattern(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?", "a mail server", "Write host:port, for example smtp.example.org:587."),
]
Affinity = Annotated[
    str, *s.pattern(r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*", "a list of CPUs", "Write for example 0-5,14-19.")
]
Calendar = Annotated[
    str,
    *s.pattern(
        r"[A-Za-z0-9*:,./~ -]{3,60}", "a time", "Write a systemd calendar expression: 07:00, or Mon..Fri 07:00."
    ),
]
MountPath = Annotated[
    str, *s.pattern(r"/[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*", "a folder", "Write a whole path, for example /srv/photos.")
]
Locale = Annotated[
    str, *s.pattern(r"[a-z]{2,3}_[A-Z]{2}\.UTF-8|C\.UTF-8", "a locale", "Write for example de_DE.UTF-8.")
]
Keyboard = Annotated[str, *s.pattern("[a-z]{2,8}", "a keyboard layout", "Write the X layout, for example de or us.")]
ShareOf = Annotated[str, *s.pattern("[a-z0-9-]+/[A-Za-z0-9_-]+", "a share", "Write VM/SHARE, for example nas/photos.")]


class WindowsUserShape(Shape):
    """A further local account in Windows."""

    name: WindowsName = Field(description="Login name.")
    password: s.Secret = Field(description="Where its password is: env:NAME, file:PATH or cmd:PROGRAM ARGS.")
    admin: bool = default(False, "Administrator. Default false.")


class WindowsPatienceShape(Shape):
    """How long each phase of the installation may take."""

    started: s.Seconds | None = maybe("Until Setup reads the CD. Default 5m.")
    applied: s.Seconds | None = maybe("Until the image is on the disk. Default 60m.")
    agent: s.Seconds | None = maybe("Until the guest agent answers. Default 90m.")
    done: s.Seconds | None = maybe("Until the first logon is over. Default 60m.")
    ssh: s.Seconds | None = maybe("Until SSH works. Default 10m.")


class WindowsShape(Shape):
    """How Windows is installed."""

    release: Literal[10, 11] | None = maybe("Default 11. Windows 10 gets no updates any more.")
    edition: (
        Literal["home", "pro", "pro-workstations", "education", "pro-education", "enterprise", "enterprise-eval"] | None
    ) = maybe("Default pro.")
    language: Language | None = maybe("The ISO's language. Default en-US.")
    locale: Language | None = maybe("Formats of dates and numbers. Default: as language.")
    keyboard: Language | None = maybe("Keyboard layout. Default: as locale.")
    key: s.Secret | None = maybe("Where the product key is. Default: the public key that only installs.")
    rdp: bool | None = maybe("Remote desktop, with network level authentication. Default true; never on Home.")
    vbs: bool | None = maybe("Virtualisation-based security and nested VMs. Default false.")
    users: list[WindowsUserShape] | None = maybe("Further local accounts.")
    drivers: s.ImageName | None = maybe("The virtio-win ISO, a name under images. Default: from pvekit's catalogue.")
    openssh: s.ImageName | None = maybe("OpenSSH's MSI, a name under images. Default: from pvekit's catalogue.")
    timeouts: WindowsPatienceShape | None = maybe("How long each phase may take.")


class PoolDiskShape(Shape):
    """A data disk; all that is given must match."""

    serial: s.Serial = Field(description="Its serial number.")
    size: s.DiskSize = Field(description="Its size: of a whole disk as its label says it, for example 4TB.")
    by_id: ById | None = maybe("Its name in /dev/disk/by-id on the host. Without it: a virtual disk of this VM.")


class PoolShape(Shape):
    """The file system over the data disks."""

    name: PoolName = default("tank", "Name of the pool. Default tank.")
    layout: Literal["single", "mirror", "raidz1", "raidz2"] = Field(description="How the disks secure each other.")
    disks: list[PoolDiskShape] = Field(min_length=1, max_length=24, description="The data disks.")
    create_on: list[s.Serial] = default(
        [], "The serials of all disks once more: a new pool may be made on them if they are empty."
    )
    filesystem: Literal["auto", "zfs", "btrfs"] = default("auto", "auto: ZFS where the guest's kernel has it.")


class NasUserShape(Shape):
    """A person who may use the shares."""

    name: s.UserName = Field(description="Login name.")
    password: s.Secret = Field(description="Where its password is: env:NAME, file:PATH or cmd:PROGRAM ARGS.")
    quota: s.Size | None = maybe("Most that this person may store.")


class ShareShape(Shape):
    """A folder that others see."""

    users: list[s.UserName] = default([], "Who may write.")
    readers: list[s.UserName] = default([], "Who may read.")
    smb: bool = default(True, "For Windows, macOS and Linux. Default true.")
    nfs: list[Clients] = default([], "Addresses that may mount it by NFSv4.")
    quota: s.Size | None = maybe("Most that it may hold.")
    time_machine: bool = default(False, "A backup target for macOS.")
    comment: Annotated[str, Field(max_length=60, pattern=r"^[^\r\n%]*$")] = default("", "Shown beside its name.")


class SnapshotsShape(Shape):
    """How many snapshots are kept."""

    hourly: int = default(24, "Default 24.", ge=0, le=1000)
    daily: int = default(30, "Default 30.", ge=0, le=1000)
    monthly: int = default(6, "Default 6.", ge=0, le=1000)


class AlertShape(Shape):
    """Where warnings go."""

    mail: Mail | None = maybe("Who gets them.")
    server: MailServer | None = maybe("The mail server, host:port (587: STARTTLS, 465: TLS).")
    user: Annotated[str, Field(min_length=1, pattern=r"^\S+$")] | None = maybe("Login at the mail server.")
    password: s.Secret | None = maybe("Where its password is.")
    command: Annotated[str, Field(pattern=r"^/\S+$")] | None = maybe("A program in the guest that gets the text.")


class NasShape(Shape):
    """A file server."""

    pool: PoolShape = Field(description="The file system over the data disks.")
    users: list[NasUserShape] = default([], "Who may use the shares.")
    shares: dict[ShareName, ShareShape] = default({}, "The shares by name.")
    snapshots: SnapshotsShape = Field(default_factory=SnapshotsShape, description="How many snapshots are kept.")
    scrub: Literal["weekly", "monthly", "never"] = default("monthly", "How often all data is read and checked.")
    alert: AlertShape = Field(default_factory=AlertShape, description="Where warnings go.")
    workgroup: Annotated[str, Field(pattern="^[A-Z0-9_-]{1,15}$")] = default("WORKGROUP", "Windows workgroup.")


class MountShape(Shape):
    """A share that is mounted in this guest."""

    share: ShareOf = Field(description="VM/SHARE of this stack, for example nas/photos.")
    path: MountPath = Field(description="Where it appears.")
    how: Literal["nfs", "smb"] = default("smb", "Default smb.")
    user: s.UserName | None = maybe("A user of the NAS (smb).")


class ScheduleShape(Shape):
    """The host starts and stops the VM by itself (needs host.ssh)."""

    start: Calendar | None = maybe("When it is started, for example Mon..Fri 07:00.")
    stop: Calendar | None = maybe("When it is shut down.")


class SshNodeShape(Shape):
    """How a node is reached by SSH."""

    address: Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9.:-]+$")] = Field(description="Name or address.")
    host_key: s.SshKey = Field(description="Its host key: a line of /etc/ssh/ssh_host_ed25519_key.pub.")
    port: int = default(22, "Default 22.", ge=1, le=65535)


class HostSshShape(Shape):
    """SSH to the nodes, for whole disks, CPU pinning, huge pages, schedules and tuning."""

    user: s.UserName = default("root", "Default root.")
    key: Annotated[str, Field(min_length=1)] | None = maybe(
        "Private key file. Default: pvekit's own, then the agent's."
    )
    nodes: dict[s.NodeName, SshNodeShape] = Field(min_length=1, description="The nodes by name.")


class TuningShape(Shape):
    """Settings of the nodes themselves; what is left out stays as it is (needs host.ssh)."""

    zfs_arc_max: s.Mib | None = maybe("Most memory for the host's ZFS cache.")
    hugepages: int | None = maybe("Reserved 2-MiB pages.", ge=0, le=1_000_000)
    swappiness: int | None = maybe("0 to 100.", ge=0, le=100)
    governor: Literal["performance", "powersave", "schedutil", "ondemand", "conservative"] | None = maybe(
        "CPU frequency governor."
    )
    ksm: bool | None = maybe("Merging of equal memory pages.")
