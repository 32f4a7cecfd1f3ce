"""The stack as an Ansible inventory, read from the running guests."""

from __future__ import annotations

from typing import Any

from pvekit.adapters.sshkeys import HostKey, parse_host_key, write_known_hosts
from pvekit.model.inventory import Host, Inventory, dynamic_document
from pvekit.workflows.places import key_path, known_hosts
from pvekit.workflows.session import Session
from pvekit.workflows.status import look


def stack_inventory(session: Session) -> dict[str, Any]:
    """Return the inventory of all VMs that answer, and write their pinned host keys into known_hosts."""
    hosts: list[Host] = []
    pinned: list[tuple[str, int, HostKey]] = []
    vms = {vm.name: vm for vm in session.stack.vms}
    for state in look(session):
        if not state.address or not state.host_key:
            continue
        vm = vms[state.vm]
        pinned.append((state.address, 22, parse_host_key(state.host_key)))
        hosts.append(Host(vm.name, state.address, vm.user, private_key=str(key_path()), groups=(vm.kind, *vm.tags)))
    path = known_hosts(session.stack.name)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_known_hosts(path, pinned)
    return dynamic_document(Inventory(tuple(hosts), str(path)))
