"""How a host is reached, for SSH by pvekit itself and for a playbook: one set of pinned keys for both."""

from __future__ import annotations

import getpass
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pvekit.model.inventory import Host as Machine
from pvekit.model.inventory import Inventory
from pvekit.workflows.collect import HERE, Host, own_key, pinned_keys, split_host

if TYPE_CHECKING:
    from pvekit.adapters.nodessh import NodeDoor
    from pvekit.adapters.sshkeys import HostKey

_ATTEMPT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Reached:
    """User, address, port, pinned keys and private key of a host; without an address it is this machine."""

    name: str
    user: str
    address: str
    port: int
    keys: tuple[HostKey, ...]
    key: Path | None
    sudo: bool

    def door(self) -> NodeDoor:
        """Return the way in; nothing is sent yet."""
        from pvekit.adapters.nodessh import NodeDoor
        from pvekit.adapters.ssh import Target

        target = Target(self.name, self.address, self.port, self.user, self.keys, self.key,
                        attempt_seconds=_ATTEMPT_SECONDS)  # fmt: skip
        return NodeDoor(self.name, target, sudo=self.sudo)

    def inventory(self, folder: Path) -> Inventory:
        """Return it for a playbook; the known_hosts file is written into a folder."""
        from pvekit.adapters.sshkeys import write_known_hosts

        known = folder / "known_hosts"
        if not self.address:
            variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
            return Inventory((Machine("host", "127.0.0.1", self.user, variables=variables),), str(known))
        write_known_hosts(known, [(self.address, self.port, key) for key in self.keys])
        key = "" if self.key is None else str(self.key)
        return Inventory((Machine("host", self.address, self.user, self.port, key),), str(known))


def reach(host: Host) -> Reached:
    """Return how a host is reached. Raises PreflightRefused, NotFound as ``collect`` does."""
    if host.name == HERE:
        return Reached(HERE, getpass.getuser(), "", 0, (), None, sudo=False)
    node = _node(host)
    if node is not None:
        return node
    user, address, port = split_host(host.name)
    keys = pinned_keys(host, address, port)
    # Changing the host needs root: any other user goes through sudo.
    return Reached(host.name, user, address, port, keys, host.key or own_key(), sudo=user != "root")


def _node(host: Host) -> Reached | None:
    if host.stack is None:
        return None
    from pvekit.adapters.sshkeys import parse_host_key
    from pvekit.workflows.session import read_stack

    settings = read_stack(host.stack).host
    if settings is None or settings.ssh is None or host.name not in settings.ssh.nodes:
        return None
    node, user = settings.ssh.nodes[host.name], settings.ssh.user
    key = Path(settings.ssh.key).expanduser() if settings.ssh.key is not None else None
    return Reached(host.name, user, node.address, node.port, (parse_host_key(node.host_key),), key, sudo=user != "root")
