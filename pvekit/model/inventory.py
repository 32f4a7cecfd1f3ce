"""The Ansible inventory of a stack, as plain documents. Pure: plain arguments in, mappings out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pvekit.model.errors import PvekitError


@dataclass(frozen=True, slots=True)
class Host:
    """One machine of the inventory. ``groups`` are kinds and tags; ``variables`` are its own, without secrets.

    ``private_key`` is the path of the key file; empty means the keys of the ssh-agent.
    """

    name: str
    address: str
    user: str
    port: int = 22
    private_key: str = ""
    groups: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inventory:
    """Hosts, variables common to all of them, and the known_hosts file that holds their pinned keys."""

    hosts: tuple[Host, ...]
    known_hosts: str
    variables: Mapping[str, Any] = field(default_factory=dict)


def group_name(text: str) -> str:
    """Return the Ansible group of a kind or tag: ``pvekit_`` and the characters that Ansible takes without a warning.

    The prefix keeps groups and hosts apart: a VM named ``nas`` of the kind ``nas`` is common, and no VM name has an
    underscore.
    """
    return "pvekit_" + re.sub(r"[^A-Za-z0-9_]", "_", text)


def host_variables(host: Host) -> dict[str, Any]:
    """Return the connection variables of a host, and its own over them."""
    made: dict[str, Any] = {
        "ansible_host": host.address,
        "ansible_port": host.port,
        "ansible_user": host.user,
        # Given, Ansible does not search for an interpreter: one round trip less on the first task.
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    if host.private_key:
        made["ansible_ssh_private_key_file"] = host.private_key
    return made | dict(host.variables)


def common_variables(inventory: Inventory) -> dict[str, Any]:
    """Return the variables of the group ``all``: only pinned host keys, and only the key that the stack names."""
    # ssh parses the value of UserKnownHostsFile itself, Ansible splits the whole text before: two layers of quotes.
    options = [
        "-o StrictHostKeyChecking=yes",
        f"""-o 'UserKnownHostsFile="{_plain(inventory.known_hosts)}"'""",
        "-o GlobalKnownHostsFile=/dev/null",
        "-o UpdateHostKeys=no",
    ]
    if inventory.hosts and all(host.private_key for host in inventory.hosts):
        options.append("-o IdentitiesOnly=yes")
    return {"ansible_ssh_common_args": " ".join(options)} | dict(inventory.variables)


def static_document(inventory: Inventory) -> dict[str, Any]:
    """Return the inventory in the form of an inventory file (YAML or JSON)."""
    groups: dict[str, dict[str, Any]] = {}
    for host in inventory.hosts:
        for group in host.groups:
            groups.setdefault(group_name(group), {"hosts": {}})["hosts"][host.name] = {}
    return {
        "all": {
            "hosts": {host.name: host_variables(host) for host in inventory.hosts},
            "children": dict(sorted(groups.items())),
            "vars": common_variables(inventory),
        }
    }


def dynamic_document(inventory: Inventory) -> dict[str, Any]:
    """Return the inventory in the form that Ansible wants from a script called with ``--list``."""
    groups: dict[str, list[str]] = {}
    for host in inventory.hosts:
        for group in host.groups:
            groups.setdefault(group_name(group), []).append(host.name)
    document: dict[str, Any] = {
        "_meta": {"hostvars": {host.name: host_variables(host) for host in inventory.hosts}},
        "all": {
            "hosts": [host.name for host in inventory.hosts],
            "children": sorted(groups),
            "vars": common_variables(inventory),
        },
    }
    document.update({name: {"hosts": hosts} for name, hosts in sorted(groups.items())})
    return document


def limit(inventory: Inventory, names: Sequence[str]) -> Inventory:
    """Return the inventory with the named hosts only."""
    return Inventory(
        tuple(host for host in inventory.hosts if host.name in names), inventory.known_hosts, inventory.variables
    )


def _plain(path: str) -> str:
    """Refuse the characters that cannot be quoted in both layers; ssh also expands ``%`` and ``${``."""
    if re.search(r"""["'\\\n%$]""", path):
        raise PvekitError(
            "quotes, backslashes, % and $ cannot be used in the path of the known_hosts file",
            where=path,
            hint="Keep the stack in a folder with a plainer name.",
        )
    return path
