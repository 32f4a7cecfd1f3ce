"""From the file's shape to the values that the house uses, defaults merged in.

A VM's value wins over ``defaults``, which wins over pvekit's own. Mappings (dns, start, ready, ansible and its vars,
options) are merged key by key; lists and user_data are replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from pvekit.model.stack import shape
from pvekit.model.stack.include import Includer
from pvekit.model.stack.text import Document, Path
from pvekit.model.stack.values import (
    Ansible,
    Built,
    Checksum,
    Disk,
    Dns,
    Download,
    Host,
    Image,
    LocalFile,
    Login,
    Nic,
    Parallel,
    Ready,
    Start,
    Timeouts,
    Token,
    User,
    Vm,
)
from pvekit.model.units import GIB

OWN: Mapping[str, Any] = {
    "kind": "",
    "image": None,
    "node": "auto",
    "cores": 2,
    "sockets": 1,
    "cpu": "x86-64-v2-AES",
    "memory": 2048,
    "balloon": None,
    "machine": "q35",
    "firmware": "seabios",
    "secure_boot": False,
    "tpm": False,
    "agent": True,
    "storage": "local-lvm",
    "iso_storage": "local",
    "image_storage": "local",
    "bridge": "vmbr0",
    "user": "ops",
    "password": None,
    "state": "running",
    "pool": None,
    "protection": False,
    "description": "",
    "timezone": None,
    "updates": "security",
}
"""pvekit's own defaults (memory in MiB)."""


class Fields:
    """A VM's fields with the defaults behind them; ``path`` says where a value stands in the file."""

    def __init__(self, name: str, vm: shape.VmShape, defaults: shape.VmFields) -> None:
        self.layers: tuple[tuple[Path, shape.VmFields], ...] = ((("vms", name), vm), (("defaults",), defaults))

    def find(self, key: str) -> tuple[Any, Path]:
        """Return the value that wins and its path; pvekit's own default has the VM's path."""
        for path, layer in self.layers:
            value = getattr(layer, key)
            if value is not None:
                return value, (*path, key)
        return OWN.get(key), (*self.layers[0][0], key)

    def was_cut(self, document: Document, key: str) -> bool:
        """Return whether the file has a value for this key that was wrong."""
        return document.was_cut(*((*path, key) for path, _layer in self.layers))

    def __getitem__(self, key: str) -> Any:
        """Return the value that wins."""
        return self.find(key)[0]

    def part(self, key: str, inner: str) -> tuple[Any, Path]:
        """Return the winning value of a key inside a mapping (``start.order``), and its path."""
        for path, layer in self.layers:
            value = getattr(getattr(layer, key), inner, None)
            if value is not None:
                return value, (*path, key, inner)
        return None, (*self.layers[0][0], key)

    def merged(self, key: str, inner: str | None = None) -> list[tuple[Path, dict[str, Any]]]:
        """Return the layers of a free mapping, the default's first, so that later ones win."""
        found = []
        for path, layer in reversed(self.layers):
            value = getattr(layer, key)
            value = getattr(value, inner, None) if inner and value else value
            if value and not (inner and value is getattr(layer, key)):
                found.append(((*path, key, inner) if inner else (*path, key), value))
        return found


def build_host(host: shape.HostShape) -> Host:
    """Return the host."""
    return Host(
        endpoints=tuple(endpoint.rstrip("/") for endpoint in host.endpoint),
        fingerprints=tuple(host.fingerprint or ()),
        token=Token(host.token.id, host.token.secret) if host.token else None,
        login=Login(host.login.user, host.login.password) if host.login else None,
        timeouts=Timeouts(host.timeouts.connect, host.timeouts.read),
        parallel=Parallel(host.parallel.storage, host.parallel.node, host.parallel.boot),
    )


def build_image(name: str, image: shape.ImageShape, include: Includer) -> Image:
    """Return the image; ``checks`` has made sure that exactly one source is given."""
    checksum = Checksum("sha256", image.sha256) if image.sha256 else None
    checksum = Checksum("sha512", image.sha512) if image.sha512 else checksum
    source: Download | LocalFile | Built
    if image.url:
        source = Download(image.url, checksum, image.checksums)
    elif image.path:
        source = LocalFile(include.locate(image.path, ("images", name, "path")), checksum)
    else:
        source = Built(image.build or "")
    return Image(name, source, image.format or image_format(image.url or image.path or ""))


def image_format(name: str) -> Literal["qcow2", "raw", "vmdk"]:
    """Return the format that a file name's ending stands for; ``.img`` of the cloud publishers is qcow2."""
    ending = name.partition("?")[0].lower().rpartition(".")[2]
    if ending == "raw":
        return "raw"
    return "vmdk" if ending == "vmdk" else "qcow2"


def build_vm(name: str, vm: shape.VmShape, fields: Fields, include: Includer) -> Vm:
    """Return the VM."""
    keys, keys_path = fields.find("ssh_keys")
    data, data_path = fields.find("user_data")
    users, users_path = fields.find("users")
    return Vm(
        name=name,
        kind=fields["kind"],
        vmid=vm.vmid,
        node=None if fields["node"] == "auto" else fields["node"],
        image=fields["image"],
        cores=fields["cores"],
        sockets=fields["sockets"],
        cpu=fields["cpu"],
        memory_mib=fields["memory"],
        balloon_mib=fields["balloon"],
        machine=fields["machine"],
        firmware=fields["firmware"],
        secure_boot=fields["secure_boot"],
        tpm=fields["tpm"],
        agent=fields["agent"],
        storage=fields["storage"],
        iso_storage=fields["iso_storage"],
        image_storage=fields["image_storage"],
        disks=build_disks(fields),
        nics=build_nics(fields),
        dns=_dns(fields),
        user=fields["user"],
        ssh_keys=include.ssh_keys(keys or [], keys_path),
        password=fields["password"],
        user_data=include.user_data(data, data_path) if data is not None else {},
        start=_start(fields),
        state=fields["state"],
        ready=_ready(fields),
        tags=tuple(sorted(set(fields["tags"] or ()))),
        pool=fields["pool"],
        protection=fields["protection"],
        description=fields["description"].strip(),
        packages=tuple(fields["packages"] or ()),
        timezone=fields["timezone"],
        updates=fields["updates"],
        users=tuple(_user(user, (*users_path, at), include) for at, user in enumerate(users or [])),
        ansible=_ansible(fields, include),
        options=_free(fields.merged("options"), include),
        pve=_pve(fields),
    )


def build_disks(fields: Fields) -> tuple[Disk, ...]:
    """Return the disks with their slots; without any in the file, one of 20 GiB."""
    disks: list[shape.DiskShape] | None = fields["disks"]
    if disks is None:
        return (Disk("scsi0", 20 * GIB, fields["storage"]),)
    slots = _slots("scsi", [disk.slot for disk in disks])
    return tuple(
        Disk(
            slot=slot,
            size_bytes=disk.size,
            storage=disk.storage or fields["storage"],
            serial=disk.serial,
            ssd=disk.ssd,
            discard=disk.discard,
            backup=disk.backup,
            iothread=disk.iothread,
            cache=disk.cache,
            format=disk.format,
        )
        for slot, disk in zip(slots, disks, strict=True)
    )


def build_nics(fields: Fields) -> tuple[Nic, ...]:
    """Return the network cards with their slots; without any in the file, one with DHCP."""
    nics: list[shape.NicShape] | None = fields["nics"]
    if nics is None:
        return (Nic("net0", fields["bridge"]),)
    slots = _slots("net", [nic.slot for nic in nics])
    return tuple(
        Nic(
            slot=slot,
            bridge=nic.bridge or fields["bridge"],
            model=nic.model,
            mac=nic.mac,
            vlan=nic.vlan,
            mtu=nic.mtu,
            firewall=nic.firewall,
            address=nic.address,
            gateway=nic.gateway,
            address6=nic.address6,
            gateway6=nic.gateway6,
        )
        for slot, nic in zip(slots, nics, strict=True)
    )


def _slots(bus: str, given: list[str | None]) -> list[str]:
    """Return a slot for each: the given one, or the next free one of the bus."""
    taken = {slot for slot in given if slot}
    free = (f"{bus}{number}" for number in range(1000) if f"{bus}{number}" not in taken)
    return [slot or next(free) for slot in given]


def _dns(fields: Fields) -> Dns:
    servers, search = fields.part("dns", "servers")[0], fields.part("dns", "search")[0]
    return Dns(tuple(str(server) for server in servers or ()), tuple(search or ()))


def _start(fields: Fields) -> Start:
    auto = fields.part("start", "auto")[0]
    order, up, down = (cast("int | None", fields.part("start", key)[0]) for key in ("order", "up", "down"))
    return Start(auto=True if auto is None else auto, order=order, up_s=up, down_s=down)


def _ready(fields: Fields) -> Ready:
    within, ports = fields.part("ready", "within")[0], fields.part("ready", "tcp")[0]
    return Ready(within_s=900.0 if within is None else within, tcp=tuple(ports or ()))


def _user(user: shape.UserShape, path: Path, include: Includer) -> User:
    keys = include.ssh_keys(user.ssh_keys, (*path, "ssh_keys"))
    return User(user.name, keys, user.sudo, tuple(user.groups), user.shell)


def _ansible(fields: Fields, include: Includer) -> Ansible:
    names, path = fields.part("ansible", "playbooks")
    playbooks = tuple(include.locate(name, (*path, at)) for at, name in enumerate(names or []))
    return Ansible(playbooks, _free(fields.merged("ansible", "vars"), include))


def _free(layers: list[tuple[Path, dict[str, Any]]], include: Includer) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for path, layer in layers:
        include.free_form(include.document, path)
        result.update({key: include.variables(value, (*path, key)) for key, value in layer.items()})
    return result


def _pve(fields: Fields) -> dict[str, str | None]:
    result: dict[str, str | None] = {}
    for _path, layer in fields.merged("pve"):
        for key, value in layer.items():
            result[key] = value if value is None else str(int(value)) if isinstance(value, bool) else str(value)
    return result
