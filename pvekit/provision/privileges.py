"""Which privileges a plan needs, and which of them the token lacks.

Sources: pve-access-control (VM.Monitor was replaced by VM.GuestAgent.* in 9.0.2), qemu-server API2/Qemu.pm
(check_vm_modify_config_perm), pve-storage API2/Storage/{Status,Content}.pm, PVE API schema.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pvekit.model.desired import DesiredVm
from pvekit.model.plan import Action, Verb

_CONFIG = {
    "cores": "VM.Config.CPU",
    "sockets": "VM.Config.CPU",
    "cpu": "VM.Config.CPU",
    "numa": "VM.Config.CPU",
    "memory": "VM.Config.Memory",
    "balloon": "VM.Config.Memory",
    "net": "VM.Config.Network",
    "scsi": "VM.Config.Disk",
    "virtio": "VM.Config.Disk",
    "sata": "VM.Config.Disk",
    "efidisk": "VM.Config.Disk",
    "tpmstate": "VM.Config.Disk",
    "machine": "VM.Config.HWType",
    "vga": "VM.Config.HWType",
    "rng": "VM.Config.HWType",
    "scsihw": "VM.Config.HWType",
    "serial": "VM.Config.HWType",
    "hostpci": "VM.Config.HWType",
    "ide": "VM.Config.CDROM",
}
_OPTIONS = "VM.Config.Options"


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One privilege on one path, and what it is for."""

    path: str
    privilege: str
    purpose: str = ""


def privilege_of(key: str) -> str:
    """Return the privilege that changing this configuration key takes."""
    return _CONFIG.get(key.rstrip("0123456789"), _OPTIONS)


def _agent(version: tuple[int, ...]) -> tuple[str, ...]:
    if version >= (9,):
        return ("VM.GuestAgent.Audit", "VM.GuestAgent.FileRead")
    return ("VM.Monitor",)


def needs(actions: Iterable[Action], vms: Mapping[str, DesiredVm], version: tuple[int, ...]) -> frozenset[Need]:
    """Return every privilege that the actions need on that version of PVE."""
    found: set[Need] = set()
    for action in actions:
        vm = vms.get(action.vm)
        if vm is not None:
            found |= _for(action, vm, version)
        elif action.verb is Verb.IMAGE:
            _, _, storage, node = action.id.split(":")
            found |= _image(storage, node)
    return frozenset(found)


def _image(storage: str, node: str) -> set[Need]:
    found = {Need(f"/storage/{storage}", "Datastore.AllocateTemplate", "put images there")}
    found.add(Need(f"/storage/{storage}", "Datastore.Audit", "see which images are there"))
    found.add(Need(f"/nodes/{node}", "Sys.AccessNetwork", "let the node download images"))
    return found


def _for(action: Action, vm: DesiredVm, version: tuple[int, ...]) -> set[Need]:
    place = f"/pool/{vm.pool}" if vm.pool else "/vms"
    verb = action.verb
    if verb is Verb.CREATE:
        return _create(vm, place)
    if verb is Verb.SEED:
        path = f"/storage/{vm.iso_storage}"
        return {
            Need(path, "Datastore.AllocateTemplate", "upload the cloud-init seed"),
            Need(path, "Datastore.Audit", "see the seed"),
        }
    if verb is Verb.UNSEED:
        return {Need(f"/storage/{vm.iso_storage}", "Datastore.Allocate", "delete the cloud-init seed")}
    if verb in (Verb.START, Verb.STOP, Verb.RESTART):
        return {Need(place, "VM.PowerMgmt", "start and stop VMs")}
    if verb is Verb.AWAIT:
        return {Need(place, privilege, "ask the guest agent") for privilege in _agent(version)}
    if verb is Verb.SETTLE:
        return {Need(place, "VM.Config.CDROM", "detach the seed"), Need(place, _OPTIONS, "keep the mark")}
    if verb is Verb.PROVISION:
        return {Need(place, _OPTIONS, "keep the mark")}
    if verb is Verb.RESIZE:
        return {Need(place, "VM.Config.Disk", "grow disks")}
    if verb is Verb.CONFIGURE:
        found = {Need(place, privilege_of(change.target), "change settings") for change in action.changes}
        return found | _startup(change.target for change in action.changes)
    return set()


def _startup(keys: Iterable[str]) -> set[Need]:
    return {Need("/", "Sys.Modify", "set the start order")} if "startup" in set(keys) else set()


def _create(vm: DesiredVm, place: str) -> set[Need]:
    keys = [*vm.config, *vm.create_only, *(disk.slot for disk in vm.disks), "ide2", "description"]
    found = {Need(place, "VM.Allocate", "create VMs"), Need(place, "VM.Audit", "see VMs")}
    found |= {Need(place, privilege_of(key), "set up VMs") for key in keys} | _startup(keys)
    for disk in vm.disks:
        found.add(Need(f"/storage/{disk.storage}", "Datastore.AllocateSpace", "make disks"))
    for value in vm.create_only.values():
        found.add(Need(f"/storage/{value.split(':')[0]}", "Datastore.AllocateSpace", "make disks"))
    for key, value in vm.config.items():
        if key.startswith("net"):
            bridge = dict(part.partition("=")[::2] for part in value.split(",")).get("bridge", "")
            found.add(Need(f"/sdn/zones/localnetwork/{bridge}", "SDN.Use", "use the bridge"))
    return found


def missing(needed: Iterable[Need], permissions: Mapping[str, Mapping[str, bool]]) -> tuple[Need, ...]:
    """Return the needed privileges that the token does not have.

    ``permissions`` is the answer of ``/access/permissions``: a privilege counts on its own path, and below it when
    it propagates; the nearest path that is listed decides.
    """
    return tuple(sorted(need for need in needed if not _granted(need, permissions)))


def _granted(need: Need, permissions: Mapping[str, Mapping[str, bool]]) -> bool:
    path = need.path
    if path in permissions:
        return need.privilege in permissions[path]
    while path not in ("", "/"):
        path = path.rpartition("/")[0] or "/"
        if path in permissions:
            return permissions[path].get(need.privilege, False)
    return False


def pveum_lines(lacking: Iterable[Need], token_id: str) -> tuple[str, ...]:
    """Return the commands that grant what is missing: one role per set of privileges, so that nothing more is given.

    A role is named after its privileges, so that the lines of another plan never meet a role that means something
    else; a name that begins with "PVE", in whatever case, is refused (pve-access-control, API2/Role.pm).
    """
    by_path: dict[str, set[str]] = {}
    for need in lacking:
        by_path.setdefault(need.path, set()).add(need.privilege)
    by_privileges: dict[frozenset[str], list[str]] = {}
    for path, privileges in sorted(by_path.items()):
        by_privileges.setdefault(frozenset(privileges), []).append(path)
    user = token_id.partition("!")[0]
    lines: list[str] = []
    for granted, paths in by_privileges.items():
        role = f"Kit-{hashlib.sha256(' '.join(sorted(granted)).encode()).hexdigest()[:8]}"
        lines.append(f"pveum role add {role} --privs '{' '.join(sorted(granted))}'")
        for path in paths:
            lines.append(f"pveum acl modify {path} --tokens '{token_id}' --roles {role}")
            # A token with privilege separation has at most what its user has.
            if user != "root@pam":
                lines.append(f"pveum acl modify {path} --users '{user}' --roles {role}")
    return tuple(lines)
