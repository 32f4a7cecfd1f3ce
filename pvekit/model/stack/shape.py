"""The shape of the stack file: what may be written where. Nothing outside this room sees these types."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema

from pvekit.model.stack import gpu_shape as gpu
from pvekit.model.stack import home_shape as home
from pvekit.model.stack import llama_shape as llm
from pvekit.model.stack import scalars as s
from pvekit.model.stack.base import Shape, default, maybe
from pvekit.model.stack.scalars import wrong

NicModel = Literal["virtio", "e1000", "e1000e", "rtl8139", "vmxnet3", "pcnet", "ne2k_pci", "i82551"]
NIC_MODELS: tuple[str, ...] = get_args(NicModel)
DESCRIPTION_LIMIT = 7000
"""Characters; PVE takes 8192, the rest is for pvekit's mark."""


class TokenShape(Shape):
    """An API token."""

    id: s.TokenId = Field(description="user@realm!name, as shown by `pveum user token list`.")
    secret: s.Secret = Field(description="Where the token's secret is: env:NAME, file:PATH or cmd:PROGRAM ARGS.")


class LoginShape(Shape):
    """A user with a password, for the few steps that PVE refuses to a token."""

    user: s.Login = Field(description="user@realm, for example root@pam.")
    password: s.Secret = Field(description="Where the password is: env:NAME, file:PATH or cmd:PROGRAM ARGS.")


class TimeoutsShape(Shape):
    """How long to wait for the server."""

    connect: s.Seconds = default(5.0, "For a connection. Default 5s.")
    read: s.Seconds = default(60.0, "For an answer. Default 60s.")


class ParallelShape(Shape):
    """How much is done at once."""

    storage: int = default(8, "Tasks per storage. Default 8.", ge=1, le=64)
    node: int = default(8, "Tasks per node. Default 8.", ge=1, le=64)
    boot: int = default(0, "VMs that boot at once. 0 = by the node's threads.", ge=0, le=64)


class HostShape(Shape):
    """A PVE node or cluster."""

    endpoint: s.Endpoints = Field(min_length=1, description="https://NAME:8006, or a list of nodes of one cluster.")
    fingerprint: s.Fingerprints | None = maybe("SHA-256 fingerprint of the certificate, or a list.")
    verify: Literal["system"] | None = maybe("`system`: trust the system's CAs, pin nothing.")
    token: TokenShape | None = maybe("The API token.")
    login: LoginShape | None = maybe("Only for steps that a token may not do.")
    timeouts: TimeoutsShape = Field(default_factory=TimeoutsShape, description="How long to wait for the server.")
    parallel: ParallelShape = Field(default_factory=ParallelShape, description="How much is done at once.")
    ssh: home.HostSshShape | None = maybe("SSH to the nodes, for what PVE's API has no words for.")
    tuning: home.TuningShape = Field(default_factory=home.TuningShape, description="Settings of the nodes themselves.")
    passthrough: Literal["check", "configure"] = default(
        "check", "Nodes whose cards are used: check whether they are ready (default), or configure them (needs ssh)."
    )


class ImageShape(Shape):
    """A disk image or an installation CD: exactly one of url, path, volume and build."""

    url: s.HttpUrl | None = maybe("Where the server downloads it from.")
    path: str | None = maybe("A file on this machine, relative to the stack file.", min_length=1)
    volume: s.IsoVolume | None = maybe("An ISO on a storage of the server: local:iso/NAME.iso.")
    build: s.ImageName | None = maybe("Built on this machine from packages, for example debian-13.")
    sha256: s.Sha256 | None = maybe("Its SHA-256 sum.")
    sha512: s.Sha512 | None = maybe("Its SHA-512 sum.")
    checksums: s.HttpUrl | None = maybe("The publisher's SHA256SUMS or SHA512SUMS; read into pvekit.lock.")
    keyring: Annotated[str, Field(min_length=1)] | None = maybe(
        "A file with the publisher's public keys: the list's signature (.gpg, .sign, .asc) must be by one of them."
    )
    format: Literal["qcow2", "raw", "vmdk", "iso", "msi"] | None = maybe("Default: by the name's ending.")


class DiskShape(Shape):
    """A disk."""

    size: s.Size = Field(description="For example 20GiB. Can grow later, never shrink.")
    storage: s.StorageName | None = maybe("Default: the VM's storage.")
    slot: s.DiskSlot | None = maybe("PVE's name of the slot. Default: scsi0, scsi1 ... in order.")
    serial: s.Serial | None = maybe("Serial number that the guest sees.")
    ssd: bool | None = maybe("Show it to the guest as an SSD.")
    discard: bool | None = maybe("Give freed blocks back to the storage.")
    backup: bool | None = maybe("Include it in backups.")
    iothread: bool | None = maybe("An I/O thread of its own.")
    cache: Literal["none", "writethrough", "writeback", "unsafe", "directsync"] | None = maybe("Host cache.")
    format: Literal["raw", "qcow2", "vmdk"] | None = maybe("Default: the storage's own.")


class NicShape(Shape):
    """A network card."""

    bridge: s.Bridge | None = maybe("Default: the VM's bridge.")
    slot: s.NicSlot | None = maybe("PVE's name of the slot. Default: net0, net1 ... in order.")
    model: NicModel = default("virtio", "Card type.")
    mac: s.Mac | None = maybe("Default: chosen by PVE.")
    vlan: int | None = maybe("VLAN tag.", ge=1, le=4094)
    mtu: int | None = maybe("1 = the bridge's.", ge=1, le=65520)
    firewall: bool = default(False, "Put PVE's firewall in front.")
    address: s.Address4 = default("dhcp", "dhcp, none, or an address with prefix: 192.168.1.10/24.")
    gateway: s.Gateway4 | None = maybe("IPv4 gateway.")
    address6: s.Address6 = default("auto", "auto, dhcp, none, or an address with prefix: fd00::10/64.")
    gateway6: s.Gateway6 | None = maybe("IPv6 gateway.")


class DnsShape(Shape):
    """Name resolution in the guest."""

    servers: list[s.AnyIp] | None = maybe("Addresses of name servers.")
    search: list[s.Domain] | None = maybe("Search domains.")


class StartShape(Shape):
    """Starting with the node."""

    auto: bool | None = maybe("Start with the node. Default true.")
    order: int | None = maybe("Lower starts first, stops last.", ge=0, le=9999)
    up: s.WholeSeconds | None = maybe("Wait after starting it.")
    down: s.WholeSeconds | None = maybe("Wait for its shutdown.")
    schedule: home.ScheduleShape | None = maybe("The host starts and stops it by itself.")


class ReadyShape(Shape):
    """When the VM counts as ready."""

    within: s.Seconds | None = maybe("Give up after this time. Default 15m.")
    tcp: list[Annotated[int, Field(ge=1, le=65535)]] | None = maybe("Ports that must answer.")


class UserShape(Shape):
    """A further user in the guest."""

    name: s.UserName = Field(description="Login name.")
    ssh_keys: list[s.SshKey] = Field(default_factory=list, description="Public keys, or file:PATH.")
    sudo: bool = default(False, "May become root without a password.")
    groups: list[s.UserName] = Field(default_factory=list, description="Further groups.")
    shell: str = default("/bin/bash", "Login shell.", pattern="^/[^\\s:]+$")


class AnsibleShape(Shape):
    """Playbooks of your own."""

    playbooks: list[Annotated[str, Field(min_length=1)]] | None = maybe(
        "Run after the kind's own; relative to the stack file."
    )
    vars: dict[str, Any] | None = maybe("Variables. {secret: env:NAME} for a secret.")


def _user_data(value: object) -> object:
    if isinstance(value, dict) or (isinstance(value, str) and value.startswith("file:")):
        return value
    raise wrong("this is not a cloud-config", "Write its keys here, or file:./user-data.yaml.")


UserData = Annotated[
    Any,
    BeforeValidator(_user_data),
    WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string", "pattern": "^file:"}]}),
]


PveValue = Annotated[Any, WithJsonSchema({"type": ["string", "integer", "boolean", "null"]})]


class VmFields(Shape):
    """What a VM and ``defaults`` have in common. Unset means: the default, then pvekit's own."""

    kind: str | None = maybe("What the VM is: debian, ubuntu ...", min_length=1)
    image: s.ImageName | None = maybe("A name under `images`.")
    node: s.NodeName | None = maybe("A node's name, or auto.")
    cores: int | None = maybe("Cores per socket. Default 2.", ge=1, le=1024)
    sockets: int | None = maybe("Default 1.", ge=1, le=16)
    cpu: s.Cpu | None = maybe("CPU type. Default x86-64-v2-AES.")
    memory: s.Mib | None = maybe("For example 2GiB, the default.")
    balloon: s.Mib | None = maybe("Least memory when the host needs some back. Default: no ballooning.")
    machine: Literal["q35", "i440fx"] | None = maybe("Default q35.")
    firmware: Literal["seabios", "ovmf"] | None = maybe("Default seabios.")
    secure_boot: bool | None = maybe("Needs firmware: ovmf. Default false.")
    tpm: bool | None = maybe("A TPM 2.0. Default false.")
    agent: bool | None = maybe("Use the QEMU guest agent. Default true.")
    storage: s.StorageName | None = maybe("For disks. Default local-lvm.")
    iso_storage: s.StorageName | None = maybe("For the cloud-init seed. Default local.")
    image_storage: s.StorageName | None = maybe("For downloaded images. Default local.")
    bridge: s.Bridge | None = maybe("For network cards. Default vmbr0.")
    disks: list[DiskShape] | None = maybe("The first one is the system disk. Default: one of 20GiB.")
    nics: list[NicShape] | None = maybe("Default: one, with DHCP. [] for none.")
    dns: DnsShape | None = maybe("Name resolution in the guest.")
    user: s.UserName | None = maybe("The user that pvekit and you log in as. Default ops.")
    ssh_keys: list[s.SshKey] | None = maybe("That user's public keys, or file:PATH.")
    password: s.Secret | None = maybe("Where that user's password is. Default: none, keys only.")
    user_data: UserData | None = maybe("More cloud-config, or file:PATH.")
    start: StartShape | None = maybe("Starting with the node.")
    state: Literal["running", "stopped"] | None = maybe("Default running.")
    ready: ReadyShape | None = maybe("When the VM counts as ready.")
    tags: list[s.Tag] | None = maybe("Further tags in PVE.")
    pool: s.Pool | None = maybe("Resource pool.")
    protection: bool | None = maybe("Refuse to delete it. Default false.")
    description: Annotated[str, Field(max_length=DESCRIPTION_LIMIT)] | None = maybe("Notes in PVE.")
    packages: list[s.Package] | None = maybe("Packages that the guest has.")
    timezone: s.Timezone | None = maybe("For example Europe/Berlin. Default: the image's.")
    updates: Literal["security", "all", "none"] | None = maybe("Automatic updates. Default security.")
    users: list[UserShape] | None = maybe("Further users in the guest.")
    ansible: AnsibleShape | None = maybe("Playbooks of your own.")
    desktop: bool | None = maybe("A desktop that is reached by RDP (debian, ubuntu). Default false.")
    locale: home.Locale | None = maybe("Language of a Linux guest, for example de_DE.UTF-8. Default: the image's.")
    keyboard: home.Keyboard | None = maybe("Keyboard layout of a Linux guest, for example de.")
    mounts: list[home.MountShape] | None = maybe("Shares of a NAS of this stack, mounted in a Linux guest.")
    windows: home.WindowsShape | None = maybe("How Windows is installed (kind: windows).")
    nas: home.NasShape | None = maybe("Disks, shares and people of a file server (kind: nas).")
    llama: llm.LlamaShape | None = maybe("A language model and its server (kind: llama).")
    affinity: home.Affinity | None = maybe("Host threads that the VM runs on, for example 0-5,14-19 (needs host.ssh).")
    hugepages: Literal["any", 2, 1024] | None = maybe("Memory from huge pages of this size in MiB (needs host.ssh).")
    options: dict[str, Any] | None = maybe("What only this kind knows.")
    pve: dict[str, PveValue] | None = maybe(
        "PVE's own settings where they should differ from the kind's; null leaves one as PVE has it."
    )


class VmShape(VmFields):
    """One VM."""

    vmid: int | None = maybe("Default: chosen by pvekit.", ge=100, le=999_999_999)
    gpus: list[gpu.VmGpu] | None = maybe("Cards of the node that it gets whole: names under gpus.", max_length=16)


HOST_HERE = "HostShape"
"""Stands in the JSON Schema where ``schema`` puts the shape of a host: pydantic cannot refer from here."""


def _host(value: object) -> object:
    if isinstance(value, str) and value != "lab":
        raise wrong(
            f"{value!r} is not a host", "Write `host: lab` for the embedded node, or endpoint, fingerprint, token."
        )
    if value is None:
        raise wrong("the host is missing", "Write `host: lab` for the embedded node, or endpoint, fingerprint, token.")
    return None if value == "lab" else value


Host = Annotated[
    HostShape | None,
    BeforeValidator(_host),
    WithJsonSchema({"anyOf": [{"const": "lab"}, {"$comment": HOST_HERE}]}),
]


class StackShape(Shape):
    """A pvekit stack file: one home lab on Proxmox VE."""

    pvekit: Literal[1] = Field(description="File format: 1.")
    name: s.StackName = Field(description="The stack's name; its VMs carry the tag pvekit and this name.")
    host: Host = Field(description="The PVE server; `lab` is the embedded node.")
    defaults: VmFields = Field(default_factory=VmFields, description="For every VM that does not say otherwise.")
    images: dict[s.ImageName, ImageShape] = Field(default_factory=dict, description="Disk images by name.")
    gpus: dict[gpu.GpuName, gpu.GpuShape] = Field(
        default_factory=dict, description="Cards of the nodes, by names that VMs use."
    )
    vms: dict[s.VmName, VmShape] = Field(description="The VMs by name.")
