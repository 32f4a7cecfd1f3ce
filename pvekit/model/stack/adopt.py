"""An existing VM's PVE configuration as a ``vms:`` entry, so that the next plan has nothing to change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface
from typing import Any

from pydantic_core import PydanticCustomError

from pvekit.model import mark
from pvekit.model.properties import (
    Agent,
    Boot,
    Disk,
    EfiDisk,
    IpConfig,
    Machine,
    Memory,
    Net,
    PropertyInvalid,
    SshKeys,
    Startup,
    Tags,
    covers,
)
from pvekit.model.stack import shape
from pvekit.model.stack.emit import block, scalar
from pvekit.model.stack.scalars import check_ssh_key
from pvekit.model.units import MIB, format_size

Config = Mapping[str, str]

_DISK = re.compile(r"scsi\d+|virtio\d+|sata\d+|ide\d+")
_NIC = re.compile(r"net\d+")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SERIAL = re.compile(r"[A-Za-z0-9_.-]{1,20}")
_NIC_MODELS = frozenset(shape.NIC_MODELS)
_WRITTEN_BY_ADOPTION = frozenset({"tags", "description"})


class CannotAdopt(ValueError):
    """This VM cannot be described in a stack file; the text says why."""


@dataclass(slots=True)
class _Entry:
    """The entry while it is made: ``raw`` is what goes under ``pve:``, ``notes`` what stays out."""

    config: Config
    fields: dict[str, object] = field(default_factory=dict)
    raw: dict[str, str | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def to_yaml(
    vmid: int,
    config: Config,
    *,
    kind: str,
    node: str | None = None,
    pool: str | None = None,
    running: bool = True,
    overrides: Mapping[str, str | None] | None = None,
) -> str:
    """Return the YAML of the entry, indented by two, to stand under ``vms:``.

    ``config`` is PVE's configuration of the VM. ``overrides`` come from ``overrides()``: what the kind would set
    differently. Raises CannotAdopt for templates and for other processors than x86-64, PropertyInvalid for a
    configuration that cannot be read.
    """
    if config.get("template", "0") == "1":
        raise CannotAdopt(f"VM {vmid} is a template: templates do not run, clone it first")
    if config.get("arch", "x86_64") != "x86_64":
        raise CannotAdopt(f"VM {vmid} has the processor {config['arch']}: only x86_64 is supported")
    entry = _Entry(config)
    entry.fields = {"kind": kind, "vmid": vmid}
    if node:
        entry.fields["node"] = node
    _hardware(entry)
    _disks(entry)
    _nics(entry)
    _guest(entry)
    _operation(entry, pool=pool, running=running)
    raw = {**(overrides or {}), **entry.raw}
    if raw:
        entry.fields["pve"] = {key: raw[key] for key in sorted(raw)}
    notes = "".join(f"    # {note}\n" for note in entry.notes)
    return f"  {scalar(vm_name(vmid, config))}:\n{block(entry.fields, 4)}{notes}"


def vm_name(vmid: int, config: Config) -> str:
    """Return the name that the VM gets in the stack: its own, without domain and in lower case."""
    name = config.get("name", "").lower().partition(".")[0]
    return name if _LABEL.fullmatch(name) else f"vm-{vmid}"


def overrides(desired: Config, actual: Config) -> dict[str, str | None]:
    """Return what has to stand under ``pve:`` so that the kind leaves the VM as it is.

    ``desired`` is what the kind makes of the entry without overrides, ``actual`` PVE's configuration.
    """
    found: dict[str, str | None] = {}
    for key, value in desired.items():
        if key in _WRITTEN_BY_ADOPTION or not covers(key, value, actual.get(key)):
            continue
        now = actual.get(key)
        found[key] = now if now and now.isprintable() and not covers(key, now, now) else None
    return found


def _hardware(entry: _Entry) -> None:
    config, fields = entry.config, entry.fields
    fields["cores"] = int(config.get("cores", "1"))
    if config.get("sockets", "1") != "1":
        fields["sockets"] = int(config["sockets"])
    fields["cpu"] = config.get("cpu", "kvm64")
    memory = Memory.parse(config.get("memory", "512")).current or 512
    fields["memory"] = format_size(memory * MIB)
    balloon = int(config.get("balloon", "0"))
    if 0 < balloon <= memory:
        fields["balloon"] = format_size(balloon * MIB)
    chipset = Machine.parse(config.get("machine", "pc")).chipset
    if chipset not in {"q35", "i440fx"}:
        raise CannotAdopt(f"the machine type {config['machine']} is not supported: only q35 and i440fx are")
    fields["machine"] = chipset
    if config.get("bios", "seabios") == "ovmf":
        fields["firmware"] = "ovmf"
        if "efidisk0" in config and EfiDisk.parse(config["efidisk0"]).pre_enrolled_keys:
            fields["secure_boot"] = True
    if "tpmstate0" in config:
        fields["tpm"] = True
    if not Agent.parse(config.get("agent", "0")).enabled:
        fields["agent"] = False


def _slots(config: Config, pattern: re.Pattern[str]) -> list[str]:
    found = (key for key in config if pattern.fullmatch(key))
    return sorted(found, key=lambda key: (key.rstrip("0123456789"), int(key.lstrip("abcdefghijklmnopqrstuvwxyz"))))


def _disks(entry: _Entry) -> None:
    first = (Boot.parse(entry.config.get("boot", "")).order or ("",))[0]
    slots = sorted(_slots(entry.config, _DISK), key=lambda slot: slot != first)
    found: list[dict[str, object]] = []
    for slot in slots:
        disk = Disk.parse(entry.config[slot])
        if disk.is_cdrom:
            continue
        if disk.storage is None or not disk.size or disk.size % MIB:
            entry.notes.append(f"{slot} ({disk.volume}) is left alone: it is no volume of a storage")
            continue
        found.append({"slot": slot, **_disk(slot, disk)})
    if [item["slot"] for item in found] == [f"scsi{number}" for number in range(len(found))]:
        found = [{key: value for key, value in item.items() if key != "slot"} for item in found]
    entry.fields["disks"] = found


def _disk(slot: str, disk: Disk) -> dict[str, object]:
    bus = slot.rstrip("0123456789")
    discard = {"on": True, "ignore": False}.get(disk.discard or "")
    values: dict[str, object] = {
        "size": format_size(disk.size or 0),
        "storage": disk.storage,
        "serial": disk.serial if disk.serial and _SERIAL.fullmatch(disk.serial) else None,
        "ssd": disk.ssd if bus != "virtio" else None,
        "discard": discard,
        "backup": disk.backup,
        "iothread": disk.iothread if bus in {"scsi", "virtio"} else None,
        "cache": disk.cache,
    }
    return {key: value for key, value in values.items() if value is not None}


def _nics(entry: _Entry) -> None:
    found: list[dict[str, object]] = []
    for slot in _slots(entry.config, _NIC):
        net = Net.parse(entry.config[slot])
        if net.model not in _NIC_MODELS or not net.bridge or len(net.bridge) > 15 or not _good_mac(net.macaddr):
            entry.raw[slot] = entry.config[slot]
            continue
        number = slot.removeprefix("net")
        found.append({"slot": slot, **_nic(net), **_address(entry.config.get(f"ipconfig{number}", ""))})
    if [item["slot"] for item in found] == [f"net{number}" for number in range(len(found))]:
        found = [{key: value for key, value in item.items() if key != "slot"} for item in found]
    entry.fields["nics"] = found


def _good_mac(mac: str | None) -> bool:
    return mac is not None and re.fullmatch(r"(?i)[0-9a-f][02468ace](:[0-9a-f]{2}){5}", mac) is not None


def _nic(net: Net) -> dict[str, object]:
    values: dict[str, object] = {
        "bridge": net.bridge,
        "model": None if net.model == "virtio" else net.model,
        "mac": (net.macaddr or "").upper(),
        "vlan": net.tag,
        "mtu": net.mtu,
        "firewall": True if net.firewall else None,
    }
    return {key: value for key, value in values.items() if value is not None}


def _address(text: str) -> dict[str, object]:
    """Return the addresses of an ``ipconfig`` value; what is not plainly usable is left away."""
    config = IpConfig.parse(text)
    values: dict[str, object] = {}
    for address, gateway, name, way in (
        (config.ip, config.gw, "address", "gateway"),
        (config.ip6, config.gw6, "address6", "gateway6"),
    ):
        if not address or address in {"dhcp", "auto"}:
            continue
        try:
            interface = ip_interface(address)
            router = ip_address(gateway) if gateway else None
        except ValueError:
            continue
        usable = interface.network.prefixlen >= interface.max_prefixlen - 1
        usable = usable or interface.ip not in {interface.network.network_address, interface.network.broadcast_address}
        if "/" not in address or not usable:
            continue
        values[name] = str(interface)
        if router in interface.network and router != interface.ip:
            values[way] = str(router)
    return values


def _guest(entry: _Entry) -> None:
    config, fields = entry.config, entry.fields
    user = config.get("ciuser", "")
    if re.fullmatch("[a-z_][a-z0-9_-]{0,31}", user):
        fields["user"] = user
    keys = [key for key in SshKeys.parse(config.get("sshkeys", "")).keys if _good_key(key)]
    if keys:
        fields["ssh_keys"] = keys
    dns: dict[str, Any] = {}
    servers = [word for word in re.split(r"[;,\s]+", config.get("nameserver", "")) if _good_ip(word)]
    search = [word for word in re.split(r"[;,\s]+", config.get("searchdomain", "")) if word]
    if servers:
        dns["servers"] = servers
    if search and all(re.fullmatch("[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", word) for word in search):
        dns["search"] = search
    if dns:
        fields["dns"] = dns


def _good_key(key: str) -> bool:
    try:
        check_ssh_key(key)
    except PydanticCustomError:
        return False
    return True


def _good_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _operation(entry: _Entry, *, pool: str | None, running: bool) -> None:
    config, fields = entry.config, entry.fields
    start: dict[str, object] = {"auto": config.get("onboot", "0") == "1"}
    if "startup" in config:
        startup = Startup.parse(config["startup"])
        values = {"order": startup.order}
        values |= {"up": startup.up, "down": startup.down}
        for key, value in values.items():
            if value is not None:
                start[key] = value if key == "order" else f"{value}s"
    fields["start"] = start
    if not running:
        fields["state"] = "stopped"
    try:
        tags = [tag for tag in Tags.parse(config.get("tags", "").lower()).names if not tag.startswith("pvekit")]
    except PropertyInvalid:
        tags = []
    if tags:
        fields["tags"] = tags
    if pool:
        fields["pool"] = pool
    if config.get("protection", "0") == "1":
        fields["protection"] = True
    text = mark.strip(config.get("description", "")).strip()
    if text and len(text) <= shape.DESCRIPTION_LIMIT:
        fields["description"] = text
