"""From the file's shape to the values that the house uses, defaults merged in.

A VM's value wins over ``defaults``, which wins over pvekit's own. Mappings (dns, start, ready, ansible and its vars,
options) are merged key by key; lists and user_data are replaced as a whole.
"""

from __future__ import annotations

from typing import Any, Literal, cast

from pvekit.model.stack import gpu_build, home_build, llama_build, shape
from pvekit.model.stack.fields import Fields
from pvekit.model.stack.include import Includer
from pvekit.model.stack.llama import Llama
from pvekit.model.stack.text import Path
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
    Volume,
)
from pvekit.model.units import GIB


def build_host(host: shape.HostShape) -> Host:
    """Return the host."""
    return Host(
        endpoints=tuple(endpoint.rstrip("/") for endpoint in host.endpoint),
        fingerprints=tuple(host.fingerprint or ()),
        token=Token(host.token.id, host.token.secret) if host.token else None,
        login=Login(host.login.user, host.login.password) if host.login else None,
        timeouts=Timeouts(host.timeouts.connect, host.timeouts.read),
        parallel=Parallel(host.parallel.storage, host.parallel.node, host.parallel.boot),
        ssh=home_build.host_ssh(host.ssh),
        tuning=home_build.tuning(host.tuning),
        passthrough=host.passthrough,
    )


def build_image(name: str, image: shape.ImageShape, include: Includer) -> Image:
    """Return the image; ``checks`` has made sure that exactly one source is given."""
    checksum = Checksum("sha256", image.sha256) if image.sha256 else None
    checksum = Checksum("sha512", image.sha512) if image.sha512 else checksum
    source: Download | LocalFile | Volume | Built
    if image.url:
        keyring = include.locate(image.keyring, ("images", name, "keyring")) if image.keyring else None
        source = Download(image.url, checksum, image.checksums, keyring)
    elif image.path:
        source = LocalFile(include.locate(image.path, ("images", name, "path")), checksum)
    elif image.volume:
        source = Volume(image.volume, checksum or Checksum("sha256", ""))
    else:
        source = Built(image.build or "")
    return Image(name, source, image.format or image_format(image.url or image.path or image.volume or ""))


def image_format(name: str) -> Literal["qcow2", "raw", "vmdk", "iso", "msi"]:
    """Return the format that a file name's ending stands for; ``.img`` of the cloud publishers is qcow2."""
    ending = name.partition("?")[0].lower().rpartition(".")[2]
    known: dict[str, Literal["raw", "vmdk", "iso", "msi"]] = {"raw": "raw", "vmdk": "vmdk", "iso": "iso", "msi": "msi"}
    return known.get(ending, "qcow2")


def build_vm(name: str, vm: shape.VmShape, stack: shape.StackShape, include: Includer) -> Vm:
    """Return the VM."""
    fields = Fields(name, vm, stack.defaults)
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
        # A card pins all memory, so that what `defaults` say about balloons is for other VMs.
        balloon_mib=None if vm.gpus else fields["balloon"],
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
        linux=home_build.linux(fields, stack),
        windows=home_build.windows(fields) if fields["kind"] == "windows" else None,
        nas=home_build.nas(fields["nas"]) if fields["kind"] == "nas" and fields["nas"] else None,
        affinity=fields["affinity"],
        hugepages=None if fields["hugepages"] is None else str(fields["hugepages"]),
        gpus=tuple(gpu_build.vm_gpu(card) for card in vm.gpus or ()),
        llama=_llama(fields, include),
    )


def _llama(fields: Fields, include: Includer) -> Llama | None:
    found, path = fields.find("llama")
    return llama_build.build(found, include, path) if fields["kind"] == "llama" and found else None


def build_disks(fields: Fields) -> tuple[Disk, ...]:
    """Return the disks with their slots; without any in the file, one of 20 GiB (Windows: 64)."""
    disks: list[shape.DiskShape] | None = fields["disks"]
    if disks is None:
        return (Disk("scsi0", (64 if fields["kind"] == "windows" else 20) * GIB, fields["storage"]),)
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
    schedule = home_build.schedule(fields)
    return Start(auto=True if auto is None else auto, order=order, up_s=up, down_s=down, schedule=schedule)


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
