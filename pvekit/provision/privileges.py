"""Which privileges a plan needs, and which of them the token lacks.

Sources: pve-access-control (VM.Monitor was replaced by VM.GuestAgent.* in 9.0.2; ``RPCEnvironment.pm``), qemu-server
``API2/Qemu.pm``, pve-storage ``API2/Storage/{Status,Content}.pm``, pve-guest-common ``GuestHelpers.pm``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pvekit.model.desired import DesiredVm
from pvekit.model.plan import Action, Verb
from pvekit.model.properties import HostPci, PropertyInvalid
from pvekit.provision.rights import OPTIONS, privilege_of, root_only
from pvekit.provision.settings import network_of

Permissions = Mapping[str, Mapping[str, bool]]

# A larger privilege that PVE takes instead.
_INSTEAD = {
    "VM.GuestAgent.Audit": "VM.GuestAgent.Unrestricted",
    "VM.GuestAgent.FileRead": "VM.GuestAgent.Unrestricted",
}
_FAMILIES = {
    "mapping": ("Mapping.", "Permissions."),
    "nodes": ("Sys.", "Permissions."),
    "pool": ("VM.", "Datastore.", "Pool.", "Permissions."),
    "sdn": ("SDN.", "Permissions."),
    "storage": ("Datastore.", "Permissions."),
    "vms": ("VM.", "Permissions."),
}


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One privilege on one path, and what it is for.

    ``also`` are other paths where PVE takes it as well. ``exact`` is the path that PVE really looks at, when ``path``
    is one above it that serves many.
    """

    path: str
    privilege: str
    purpose: str = ""
    also: tuple[str, ...] = ()
    exact: str = ""


def agent_privileges(version: tuple[int, ...]) -> tuple[str, ...]:
    """Return what asking the guest agent takes on that version of PVE."""
    if version >= (9,):
        return ("VM.GuestAgent.Audit", "VM.GuestAgent.FileRead")
    return ("VM.Monitor",)


def needs(
    actions: Iterable[Action],
    vms: Mapping[str, DesiredVm],
    version: tuple[int, ...],
    vmids: Mapping[str, int] | None = None,
) -> frozenset[Need]:
    """Return every privilege that the actions need on that version of PVE. ``vmids`` are those of existing VMs."""
    found: set[Need] = set()
    for action in actions:
        vm = vms.get(action.vm)
        if vm is not None:
            place = _place(vm, (vmids or {}).get(vm.name))
            found |= _prove(vm, place, version) if action.verb is Verb.PROVE else _for(action, vm, place, version)
        elif action.verb is Verb.IMAGE:
            _, _, storage, node = action.id.split(":")
            found |= _image(storage, node)
        elif action.verb is Verb.MAPPING:
            found |= _mapping(action)
    return frozenset(found)


def hardware(node: str) -> Need:
    """Return what seeing a node's PCI devices takes."""
    return Need("/", "Sys.Audit", f"see the PCI devices of {node}")


def _mapping(action: Action) -> set[Need]:
    """Return what making, changing or removing a resource mapping takes."""
    exact = f"/mapping/pci/{action.id.removeprefix('mapping:')}"
    # PVE looks at the mapping itself for a change, and above all of them for a new one or a removal.
    changed = any(change.before is not None and change.after is not None for change in action.changes)
    return {Need("/mapping/pci", "Mapping.Modify", "keep resource mappings", exact=exact if changed else "")}


def _use(value: str) -> set[Need]:
    """Return what giving a mapped device to a VM takes."""
    try:
        name = HostPci.parse(value).mapping
    except PropertyInvalid:
        return set()
    if not name:
        return set()
    return {Need("/mapping/pci", "Mapping.Use", "give mapped devices to VMs", exact=f"/mapping/pci/{name}")}


def root_steps(actions: Iterable[Action]) -> tuple[str, ...]:
    """Return what no token can do, one line each."""
    return tuple(
        f"{action.vm}: set {change.target} to {change.after}"
        if change.after
        else f"{action.vm}: remove {change.target}"
        for action in actions
        if action.verb in (Verb.CREATE, Verb.CONFIGURE)
        for change in action.changes
        if root_only(change.target, change.after)
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the privileges on a VM are given, and where PVE looks for them."""

    path: str
    also: tuple[str, ...] = ()
    exact: str = ""

    def need(self, privilege: str, purpose: str) -> Need:
        return Need(self.path, privilege, purpose, self.also, self.exact)


def _place(vm: DesiredVm, vmid: int | None) -> _Place:
    """Return where the rights on a VM are: on all VMs; for one in a pool on that pool, and on itself once it exists."""
    number = vmid if vmid is not None else vm.vmid
    own = f"/vms/{number}" if number is not None else "/vms"
    if not vm.pool:
        return _Place("/vms", exact=own)
    return _Place(own) if vmid is not None else _Place(f"/pool/{vm.pool}", also=(own,))


def _image(storage: str, node: str) -> set[Need]:
    path = f"/storage/{storage}"
    return {
        Need(path, "Datastore.AllocateTemplate", "put images there"),
        Need(path, "Datastore.Audit", "see which images are there"),
        Need(f"/nodes/{node}", "Sys.AccessNetwork", "let the node download images"),
    }


def _for(action: Action, vm: DesiredVm, place: _Place, version: tuple[int, ...]) -> set[Need]:
    match action.verb:
        case Verb.CREATE:
            return _create(vm, place)
        case Verb.INSTALL:
            return _install(place, version)
        case Verb.CONFIGURE:
            return _configure(action, vm, place)
        case Verb.SEED | Verb.UNSEED:
            return _seed(action.verb, f"/storage/{vm.iso_storage}")
        case Verb.START | Verb.STOP | Verb.RESTART:
            return {place.need("VM.PowerMgmt", "start and stop VMs")}
        case Verb.AWAIT:
            return _agent(place, version)
        case Verb.SETTLE:
            return _detach(place, "detach the seed")
        case Verb.PROVISION:
            return {place.need(OPTIONS, "keep the mark")}
        case Verb.RESIZE:
            return _resize(action, vm, place)
        case _:
            return set()


def _seed(verb: Verb, path: str) -> set[Need]:
    if verb is Verb.UNSEED:
        return {Need(path, "Datastore.Allocate", "delete the cloud-init seed")}
    return {
        Need(path, "Datastore.AllocateTemplate", "upload the cloud-init seed"),
        Need(path, "Datastore.Audit", "see the seed"),
    }


def _resize(action: Action, vm: DesiredVm, place: _Place) -> set[Need]:
    storages = {d.storage for d in vm.disks if d.slot in {change.target for change in action.changes}}
    return {place.need("VM.Config.Disk", "grow disks"), *map(_allocate, storages)}


def _agent(place: _Place, version: tuple[int, ...]) -> set[Need]:
    return {place.need(privilege, "ask the guest agent") for privilege in agent_privileges(version)}


def _prove(vm: DesiredVm, place: _Place, version: tuple[int, ...]) -> set[Need]:
    found = {*_agent(place, version), place.need(OPTIONS, "keep the mark")}
    if vm.install is not None and version >= (9,):
        # Windows tells its devices to a program only, and PVE takes running one for everything.
        found.add(place.need("VM.GuestAgent.Unrestricted", "have Windows list its devices"))
    return found


def _detach(place: _Place, purpose: str) -> set[Need]:
    return {
        place.need("VM.Config.CDROM", purpose),
        place.need(privilege_of("boot"), "keep the boot order"),
        place.need(OPTIONS, "keep the mark"),
    }


def _install(place: _Place, version: tuple[int, ...]) -> set[Need]:
    return {
        place.need("VM.PowerMgmt", "start and stop VMs"),
        place.need("VM.Console", "press a key at the setup CD's prompt, and take pictures of the screen"),
        *_detach(place, "take the setup CD out"),
        *_agent(place, version),
    }


def _create(vm: DesiredVm, place: _Place) -> set[Need]:
    keys = [*vm.config, *vm.create_only, *(disk.slot for disk in vm.disks), "description"]
    found = {place.need("VM.Allocate", "create VMs"), place.need("VM.Audit", "see VMs")}
    found |= _settings(keys, place, "set up VMs")
    if vm.first_boot:
        found.add(place.need("VM.Config.CDROM", "attach the seed"))
    for storage in sorted({disk.storage for disk in vm.disks} | {storage_in(v) for v in vm.create_only.values()}):
        found |= _storage(storage)
    found |= {need for key, value in vm.config.items() if key.startswith("hostpci") for need in _use(value)}
    return found | {_bridge(value) for key, value in vm.config.items() if key.startswith("net")}


def _configure(action: Action, vm: DesiredVm, place: _Place) -> set[Need]:
    found = _settings([change.target for change in action.changes], place, "change settings")
    disks = {disk.slot: disk.storage for disk in vm.disks}
    for change in action.changes:
        key = change.target
        if key.startswith("net"):
            found |= {_bridge(value) for value in (change.before, change.after) if value}
        elif key.startswith("hostpci"):
            found |= {need for value in (change.before, change.after) if value for need in _use(value)}
        elif change.before is None and key in disks:
            found |= _storage(disks[key])
        elif change.before is None and key in vm.create_only:
            found |= _storage(storage_in(vm.create_only[key]))
    return found


def _settings(keys: Iterable[str], place: _Place, purpose: str) -> set[Need]:
    named = set(keys)
    found = {place.need(privilege, purpose) for privilege in map(privilege_of, named) if privilege}
    return found | ({Need("/", "Sys.Modify", "set the start order")} if "startup" in named else set())


def storage_in(value: str) -> str:
    """Return the storage of an order to make a volume (``local-lvm:1,...``)."""
    return value.partition(":")[0]


def _allocate(storage: str) -> Need:
    return Need(f"/storage/{storage}", "Datastore.AllocateSpace", "make disks")


def _storage(storage: str) -> set[Need]:
    return {_allocate(storage), Need(f"/storage/{storage}", "Datastore.Audit", "see how full it is")}


def _bridge(value: str) -> Need:
    net = network_of(value)
    path = f"/sdn/zones/localnetwork/{net.get('bridge', '')}"
    return Need(path, "SDN.Use", "use the bridge", (f"{path}/{net['tag']}",) if "tag" in net else ())


def missing(needed: Iterable[Need], permissions: Permissions) -> tuple[Need, ...]:
    """Return the needed privileges that the token does not have.

    ``permissions`` is the answer of ``/access/permissions``: a privilege counts on its own path, and below it when
    it propagates; the nearest path from which anything propagates decides.
    """
    lacking = (need for need in needed if not _granted(need, permissions))
    # Where the token has rights of its own on the exact path, those given above it would not reach it.
    return tuple(sorted(replace(n, path=n.exact) if n.exact in permissions else n for n in lacking))


def _granted(need: Need, permissions: Permissions) -> bool:
    for path in (need.exact or need.path, *need.also):
        held = held_at(path, permissions)
        if need.privilege in held or _INSTEAD.get(need.privilege) in held:
            return True
    # PVE's own alternative for downloads (API2/Storage/Status.pm).
    return need.privilege == "Sys.AccessNetwork" and {"Sys.Audit", "Sys.Modify"} <= held_at("/", permissions).keys()


def held_at(path: str, permissions: Permissions) -> dict[str, bool]:
    """Return the privileges that hold on a path, each with whether it holds below as well.

    What was given on a path without holding below says nothing about what is below: that comes from further above.
    """
    if path in permissions:
        return dict(permissions[path])
    while path not in ("", "/"):
        path = path.rpartition("/")[0] or "/"
        inherited = {name: True for name, below in permissions.get(path, {}).items() if below}
        if inherited:
            return inherited
    return {}


def pveum_lines(lacking: Iterable[Need], token_id: str, permissions: Permissions | None = None) -> tuple[str, ...]:
    """Return the commands that grant what is missing: one role per set of privileges, so that nothing more is given.

    A role that is given on a path replaces there what was inherited from above, so that it also holds what the token
    has there and below already (``permissions``), as far as that matters there. On ``/`` nothing is inherited, and
    what is given there shall not reach below.

    A role is named after its privileges, so that the lines of another plan never meet a role that means something
    else; a name that begins with "PVE", in whatever case, is refused (pve-access-control, API2/Role.pm).
    """
    by_path: dict[str, set[str]] = {}
    for need in lacking:
        by_path.setdefault(need.path, set()).add(need.privilege)
    grants: dict[tuple[frozenset[str], bool], list[str]] = {}
    for path, privileges in sorted(by_path.items()):
        below, here = _kept(path, permissions or {})
        grants.setdefault((frozenset(privileges | below), path != "/"), []).append(path)
        if here - privileges:
            grants.setdefault((frozenset(here - privileges), False), []).append(path)
    lines: list[str] = []
    for (held, reaches_below), paths in grants.items():
        names = " ".join(sorted(held))
        role = f"Kit-{hashlib.sha256(names.encode()).hexdigest()[:8]}"
        lines.append(f"pveum role add {role} --privs '{names}'")
        lines += [line for path in paths for line in _give(path, role, token_id, below=reaches_below)]
    return tuple(dict.fromkeys(lines))


def _kept(path: str, permissions: Permissions) -> tuple[set[str], set[str]]:
    """Return what the token has below a path, and what it has on the path only, as far as it matters there."""
    family = _FAMILIES.get(path.split("/")[1], ())
    below = {name for name in held_at(f"{path}/-", permissions) if name.startswith(family)}
    return below, {name for name in held_at(path, permissions) if name.startswith(family)} - below


def _give(path: str, role: str, token_id: str, *, below: bool) -> list[str]:
    user, end = token_id.partition("!")[0], "" if below else " --propagate 0"
    lines = [f"pveum acl modify {path} --tokens '{token_id}' --roles {role}{end}"]
    # A token with privilege separation has at most what its user has.
    return lines if user == "root@pam" else [*lines, f"pveum acl modify {path} --users '{user}' --roles {role}{end}"]
