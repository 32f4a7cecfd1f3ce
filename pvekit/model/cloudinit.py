"""The NoCloud seed of a guest: what cloud-init reads on the first boot. Pure text, nothing is written here.

The seed ISO is detached and deleted once the guest is ready, so the guest has to keep its instance without it.
Left alone, cloud-init would find no datasource on the next boot, take the guest for a new one
(``iid-datasource-none``), delete and regenerate the SSH host keys and fall back to DHCP on the first NIC. Three
things on the guest's own disk prevent that; they are written by ``write_files`` during the first boot:

* ``manual_cache_clean: true`` in ``/etc/cloud/cloud.cfg.d``: ``cloud-init init --local`` then trusts the cached
  datasource instead of checking it (``main_init``: ``existing = "trust"``).
* ``/var/lib/cloud/instance/manual-clean``: the systemd generator ``ds-identify`` runs before that, cannot parse YAML,
  and looks for this empty file only; without it, it finds no datasource and turns cloud-init off.
* ``/var/lib/cloud/seed/nocloud``: the same instance id and network, without users and secrets. A new Python version
  (a release upgrade) makes cloud-init throw its cache away (``purge_cache_on_python_version_change``); it then finds
  this seed, sees an instance id that it knows, and changes nothing.

Source: cloud-init, ``cloudinit/cmd/main.py``, ``cloudinit/stages.py``, ``tools/ds-identify``,
``cloudinit/sources/DataSourceNoCloud.py``.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

LABEL = "cidata"
"""The volume label by which NoCloud finds its seed."""

_LOCAL_SEED = "/var/lib/cloud/seed/nocloud"

# Cloud images of Ubuntu come without the agent, images made for PVE with it: look before asking the archive.
_START_AGENT = """\
if ! command -v qemu-ga >/dev/null 2>&1 && ! [ -x /usr/sbin/qemu-ga ]; then
  if command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update && apt-get -q -y install qemu-guest-agent || exit 1
  elif command -v dnf >/dev/null 2>&1; then
    dnf -q -y install qemu-guest-agent || exit 1
  fi
fi
systemctl start qemu-guest-agent.service
"""


@dataclass(frozen=True, slots=True)
class SeedNic:
    """One network card of the guest, found by its MAC address.

    ``addresses`` are in CIDR form, IPv4 and IPv6. ``dhcp`` is None for "when there is no address". ``ipv6`` is
    ``auto`` (router advertisements), ``dhcp`` or ``none``. ``name`` renames the card in the guest; without it, the
    guest's own name stays.
    """

    mac: str
    addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    dhcp: bool | None = None
    name: str = ""
    mtu: int | None = None
    ipv6: str = "auto"


@dataclass(frozen=True, slots=True)
class SeedUser:
    """The person who logs in. ``password`` is in clear, ``password_hash`` in crypt(5) form; at most one of them."""

    name: str
    ssh_keys: tuple[str, ...] = ()
    password: str = field(default="", repr=False)
    password_hash: str = field(default="", repr=False)
    sudo: bool = True


@dataclass(frozen=True, slots=True)
class Seed:
    """The three documents of a NoCloud seed. ``has_secrets`` is True when they may hold something secret."""

    user_data: str = field(repr=False)
    meta_data: str
    network_config: str
    has_secrets: bool

    def files(self) -> dict[str, bytes]:
        """Return the files of the seed ISO by name."""
        return {
            "user-data": self.user_data.encode(),
            "meta-data": self.meta_data.encode(),
            "network-config": self.network_config.encode(),
        }


def seed(
    *,
    hostname: str,
    instance_id: str,
    user: SeedUser,
    nics: Sequence[SeedNic],
    fqdn: str = "",
    dns: Sequence[str] = (),
    search: Sequence[str] = (),
    packages: Sequence[str] = (),
    agent: bool = True,
    extra: Mapping[str, Any] | None = None,
) -> Seed:
    """Return the seed of one guest.

    ``extra`` is user-data written by the person: lists are appended to ours, mappings are merged, and where both give
    a value theirs wins. Since nobody can tell whether it holds a secret, a seed with ``extra`` counts as holding one.
    ``agent`` makes the guest start qemu-guest-agent, and install it when the image lacks it. Raises ValueError for an
    address that is none.
    """
    network = _network(nics, dns, search)
    meta = {"instance-id": instance_id, "local-hostname": hostname}
    data = merge(_base(hostname, fqdn, user), extra or {})
    _append(data, "packages", list(packages))
    if data.get("packages"):
        data.setdefault("package_update", True)
    if agent:
        _append(data, "runcmd", [["sh", "-c", _START_AGENT]])
    data["write_files"] = _keep_instance(data, meta, network) + list(data.get("write_files") or [])
    return Seed(
        user_data="#cloud-config\n" + _dump(data),
        meta_data=_dump(meta),
        network_config=_dump(network),
        has_secrets=bool(user.password or user.password_hash or extra),
    )


def seed_digest(made: Seed) -> str:
    """Return a SHA-256 (hex) that changes exactly when a document of the seed changes."""
    text = json.dumps([made.user_data, made.meta_data, made.network_config])
    return hashlib.sha256(text.encode()).hexdigest()


def merge(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two documents: lists are appended, mappings merged, any other value of ``theirs`` wins."""
    merged = dict(ours)
    for key, value in theirs.items():
        before = merged.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            merged[key] = merge(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            merged[key] = before + [item for item in value if item not in before]
        else:
            merged[key] = value
    return merged


def _base(hostname: str, fqdn: str, user: SeedUser) -> dict[str, Any]:
    """Return our own part of user-data."""
    account: dict[str, Any] = {
        "name": user.name,
        "groups": ["adm", "sudo"] if user.sudo else ["adm"],
        "shell": "/bin/bash",
        "lock_passwd": not (user.password or user.password_hash),
    }
    if user.sudo:
        account["sudo"] = "ALL=(ALL) NOPASSWD:ALL"
    if user.ssh_keys:
        account["ssh_authorized_keys"] = list(user.ssh_keys)
    if user.password_hash:
        account["passwd"] = user.password_hash
    data: dict[str, Any] = {
        "hostname": hostname,
        "manage_etc_hosts": True,
        "users": [account],
        "disable_root": True,
        "ssh_pwauth": False,
        # RSA and ECDSA keys are never used here, and making an RSA key takes an emulated guest a minute.
        "ssh_genkeytypes": ["ed25519"],
    }
    if fqdn:
        data["fqdn"] = fqdn
    if user.password:
        data["chpasswd"] = {
            "expire": False,
            "users": [{"name": user.name, "password": user.password, "type": "text"}],
        }
    return data


def _network(nics: Sequence[SeedNic], dns: Sequence[str], search: Sequence[str]) -> dict[str, Any]:
    """Return network-config version 2, every card matched by MAC (read by netplan, networkd and ifupdown guests)."""
    ethernets: dict[str, Any] = {}
    for index, nic in enumerate(nics):
        card: dict[str, Any] = {"match": {"macaddress": nic.mac.lower()}}
        if nic.name:
            card["set-name"] = nic.name
        dhcp = nic.dhcp if nic.dhcp is not None else not nic.addresses
        card["dhcp4"] = dhcp
        if nic.ipv6 == "dhcp":
            card["dhcp6"] = True
        elif nic.ipv6 == "none":
            card |= {"accept-ra": False, "link-local": []}
        if nic.addresses:
            card["addresses"] = [str(ipaddress.ip_interface(each)) for each in nic.addresses]
        if nic.gateways:
            card["routes"] = [{"to": _everywhere(each), "via": each} for each in nic.gateways]
        if nic.mtu is not None:
            card["mtu"] = nic.mtu
        if index == 0 and (dns or search):
            card["nameservers"] = {key: list(value) for key, value in (("addresses", dns), ("search", search)) if value}
        if index > 0:
            # A second card without a cable or lease must not hold up the boot for two minutes.
            card["optional"] = True
        ethernets[f"nic{index}"] = card
    return {"version": 2, "ethernets": ethernets}


def _everywhere(gateway: str) -> str:
    """Return the default route of the gateway's family; the word ``default`` is not known to older renderers."""
    return "0.0.0.0/0" if ipaddress.ip_address(gateway).version == 4 else "::/0"


def _keep_instance(
    data: Mapping[str, Any], meta: Mapping[str, Any], network: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the files that let the guest keep its instance without the seed ISO (see the module's docstring)."""
    kept = {key: data[key] for key in ("hostname", "fqdn", "manage_etc_hosts", "preserve_hostname") if key in data}
    return [
        {
            "path": "/etc/cloud/cloud.cfg.d/99-pvekit.cfg",
            "content": "# The seed ISO is gone after the first boot: keep this instance.\nmanual_cache_clean: true\n",
        },
        {"path": "/var/lib/cloud/instance/manual-clean", "content": ""},
        {"path": f"{_LOCAL_SEED}/meta-data", "content": _dump(meta)},
        {"path": f"{_LOCAL_SEED}/user-data", "content": "#cloud-config\n" + _dump(kept)},
        {"path": f"{_LOCAL_SEED}/network-config", "content": _dump(network), "permissions": "0600"},
    ]


def _append(data: dict[str, Any], key: str, items: list[Any]) -> None:
    """Put ``items`` before what is already listed under ``key``."""
    if items:
        there = data.get(key) or []
        data[key] = items + [item for item in there if item not in items]


_ODD_LINE_ENDS = frozenset("\r\x85\u2028\u2029")


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, so that a person can read them."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    # YAML 1.1 takes these for line ends, and PyYAML writes them bare outside of quotes: they would come back as spaces.
    if not _ODD_LINE_ENDS.isdisjoint(text):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _dump(document: Mapping[str, Any]) -> str:
    """Return YAML in the given order, without line folding, so that equal input gives equal bytes."""
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=4096, allow_unicode=True))
