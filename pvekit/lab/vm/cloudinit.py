"""The NoCloud drive that PVE makes from a VM's ``ci*`` keys."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pycdlib

from pvekit.lab.propstring import split
from pvekit.lab.vm.devicespec import CICUSTOM, IPCONFIG, NET

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab

FALLBACK_DNS = ("10.0.2.3",)
"""Where QEMU's user-mode network answers DNS."""


def user_data(vmid: int, config: Mapping[str, str]) -> str:
    """Return the ``user-data`` document."""
    name = config.get("name", f"VM{vmid}")
    host, _dot, domain = name.partition(".")
    search = config.get("searchdomain", "")
    fqdn = f"{host}.{domain or search}" if domain or search else host
    lines = ["#cloud-config", f"hostname: {host}", "manage_etc_hosts: true", f"fqdn: {fqdn}"]
    if "ciuser" in config:
        lines.append(f"user: {config['ciuser']}")
    if "cipassword" in config:
        lines.append(f"password: {config['cipassword']}")
    keys = [line for line in unquote(config.get("sshkeys", "")).splitlines() if line.strip()]
    if keys:
        lines += ["ssh_authorized_keys:", *(f"  - {key}" for key in keys)]
    lines += ["chpasswd:", "  expire: False", "users:", "  - default"]
    if config.get("ciupgrade", "1") == "1":
        lines.append("package_upgrade: true")
    return "\n".join(lines) + "\n"


def _subnets(ip: Mapping[str, str]) -> list[str]:
    lines: list[str] = []
    if ip.get("ip") == "dhcp":
        lines.append("      - type: dhcp4")
    elif "ip" in ip and ip["ip"] != "manual":
        address, _slash, prefix = ip["ip"].partition("/")
        mask = (0xFFFFFFFF << (32 - int(prefix))) & 0xFFFFFFFF
        dotted = ".".join(str(mask >> shift & 255) for shift in (24, 16, 8, 0))
        lines += ["      - type: static", f"        address: '{address}'", f"        netmask: '{dotted}'"]
        if "gw" in ip:
            lines.append(f"        gateway: '{ip['gw']}'")
    if ip.get("ip6") == "dhcp":
        lines.append("      - type: dhcp6")
    elif ip.get("ip6") == "auto":
        lines.append("      - type: ipv6_slaac")
    elif "ip6" in ip and ip["ip6"] != "manual":
        lines += ["      - type: static6", f"        address: '{ip['ip6']}'"]
        if "gw6" in ip:
            lines.append(f"        gateway: '{ip['gw6']}'")
    return lines


def network_config(config: Mapping[str, str]) -> str:
    """Return the ``network-config`` document (version 1)."""
    lines = ["version: 1", "config:"]
    for key in sorted((key for key in config if re.fullmatch(r"net\d+", key)), key=lambda key: int(key[3:])):
        number = key[3:]
        mac = split(NET, config[key]).get("macaddr", "").lower()
        lines += ["    - type: physical", f"      name: eth{number}", f"      mac_address: '{mac}'"]
        subnets = _subnets(split(IPCONFIG, config.get(f"ipconfig{number}", "")))
        if subnets:
            lines += ["      subnets:", *subnets]
    servers = re.split(r"[\s,;]+", config["nameserver"]) if config.get("nameserver") else list(FALLBACK_DNS)
    lines += ["    - type: nameserver", "      address:", *(f"      - '{server}'" for server in servers)]
    if config.get("searchdomain"):
        lines += ["      search:", f"      - '{config['searchdomain']}'"]
    return "\n".join(lines) + "\n"


def meta_data(user: str, network: str) -> str:
    """Return the ``meta-data`` document: the instance id changes with the other two."""
    digest = hashlib.sha1((user + network).encode(), usedforsecurity=False).hexdigest()
    return f"instance-id: {digest}\n"


def documents(lab: Lab, vmid: int, config: Mapping[str, str]) -> dict[str, str]:
    """Return the files of the drive by name; ``cicustom`` snippets replace the made ones."""
    user, network = user_data(vmid, config), network_config(config)
    made = {"user-data": user, "network-config": network, "meta-data": meta_data(user, network)}
    names = {"user": "user-data", "network": "network-config", "meta": "meta-data", "vendor": "vendor-data"}
    for kind, volume_id in split(CICUSTOM, config.get("cicustom", "")).items():
        made[names[kind]] = lab.storages.path_of(volume_id).read_text(encoding="utf-8")
    return made


def write_seed(lab: Lab, vmid: int, config: Mapping[str, str], target: Path) -> None:
    """Write the drive as an ISO image with the label ``cidata``."""
    image = pycdlib.PyCdlib()
    image.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="cidata")
    for number, (name, text) in enumerate(sorted(documents(lab, vmid, config).items())):
        data = text.encode()
        image.add_fp(
            io.BytesIO(data), len(data), f"/FILE{number}.;1", rr_name=name, joliet_path=f"/{name}"
        )  # fmt: skip
    image.write(str(target))
    image.close()
