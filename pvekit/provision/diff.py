"""Compares how VMs should be with how they are. Pure: facts in, actions out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pvekit.model.desired import DesiredDisk, DesiredVm
from pvekit.model.errors import PreflightRefused
from pvekit.model.facts import Facts, VmFacts
from pvekit.model.mark import Stage, strip
from pvekit.model.plan import Action, Change, Effect, Plan, Verb
from pvekit.model.properties import Disk, covers
from pvekit.model.units import format_pve_size
from pvekit.provision.budget import costs

# What PVE applies to a running VM with its default `hotplug` (disk, network, usb). Everything else is a forecast of
# "needs a restart"; after the write PVE's /pending has the last word.
_LIVE = frozenset(
    {"name", "tags", "description", "onboot", "startup", "protection", "balloon", "net", "scsi", "boot", "ide"}
)


def plan_for(
    stack: str, vms: Sequence[DesiredVm], facts: Facts, *, provision: bool = False, restart: bool = False
) -> Plan:
    """Return what has to be done so that the VMs are as desired.

    ``provision`` runs the playbooks even where their inputs did not change; ``restart`` restarts VMs whose changes
    wait for it. Raises PreflightRefused for what cannot be done at all (a shrink, a stale lock).
    """
    actions: list[Action] = []
    notes: list[str] = []
    refused: list[str] = []
    for vm in vms:
        own = facts.own.get(vm.name)
        if own is None:
            actions += _new(vm)
            continue
        try:
            changed = _changed(vm, own)
        except PreflightRefused as error:
            refused += error.reasons
            continue
        actions += _chain(vm, own, changed, provision=provision, restart=restart)
        notes += _notes(vm, own, restart=restart)
    notes += [
        f"{name} (VMID {row.vmid}) carries the stack's tag but is not in the stack file: "
        f"pvekit down --only {name} removes it"
        for name, row in sorted(facts.strays.items())
    ]
    if refused:
        raise PreflightRefused(refused)
    return Plan(stack, (*_images(vms, actions), *actions), costs(vms, facts), tuple(notes))


def image_id(image: str, vm: DesiredVm) -> str:
    """Return the id of the action that brings an image to the VM's node."""
    return f"image:{image}:{vm.image_storage}:{vm.node}"


def _images(vms: Iterable[DesiredVm], actions: Iterable[Action]) -> list[Action]:
    """Return one action per image and place that the new VMs are made from."""
    creating = {action.vm for action in actions if action.verb is Verb.CREATE}
    ids = {image_id(d.image, vm) for vm in vms if vm.name in creating for d in vm.disks if d.image}
    return [Action(name, Verb.IMAGE, "", why="new VMs are made from it") for name in sorted(ids)]


def _new(vm: DesiredVm) -> list[Action]:
    """Return the whole life of a VM that does not exist yet."""
    name = vm.name
    changes = [Change(key, None, value) for key, value in sorted(vm.config.items())]
    changes += [Change(d.slot, None, disk_text(d)) for d in vm.disks]
    changes += [Change(key, None, value) for key, value in vm.create_only.items()]
    actions: list[Action] = []
    images = sorted({d.image for d in vm.disks if d.image})
    if vm.seed is not None:
        actions.append(Action(f"{name}:seed", Verb.SEED, name, why="first boot settings"))
    needs = tuple(image_id(image, vm) for image in images)
    needs += (f"{name}:seed",) if vm.seed is not None else ()
    actions.append(Action(f"{name}:create", Verb.CREATE, name, tuple(changes), needs, why="does not exist"))
    if not vm.running:
        return actions
    actions.append(Action(f"{name}:start", Verb.START, name, needs=(f"{name}:create",), why="should run"))
    return actions + _first_boot(vm, f"{name}:start")


def _first_boot(vm: DesiredVm, after: str) -> list[Action]:
    name = vm.name
    if vm.seed is None:
        return []
    return [
        Action(f"{name}:await", Verb.AWAIT, name, needs=(after,) if after else (), why="first boot"),
        Action(f"{name}:settle", Verb.SETTLE, name, needs=(f"{name}:await",), why="the seed has done its work"),
        Action(f"{name}:unseed", Verb.UNSEED, name, needs=(f"{name}:settle",), why="the seed has done its work"),
        Action(f"{name}:provision", Verb.PROVISION, name, needs=(f"{name}:unseed",), why="first provisioning"),
        Action(f"{name}:verify", Verb.VERIFY, name, needs=(f"{name}:provision",), why="is it usable"),
    ]


def _chain(vm: DesiredVm, own: VmFacts, changed: list[Action], *, provision: bool, restart: bool) -> list[Action]:
    """Return what an existing VM still needs: its changes, its power state, the rest of an interrupted first run."""
    name, running = vm.name, own.row.running
    actions = list(changed)
    last = tuple(action.id for action in changed)
    if not vm.running:
        if running:
            actions.append(Action(f"{name}:stop", Verb.STOP, name, needs=last, why="should be stopped"))
        return actions
    if not running:
        actions.append(Action(f"{name}:start", Verb.START, name, needs=last, why="should run"))
        last = (f"{name}:start",)
    elif restart and (
        own.pending or own.removed or any(c.effect is Effect.RESTART for a in changed for c in a.changes)
    ):
        why = "changes wait for a restart"
        actions.append(Action(f"{name}:restart", Verb.RESTART, name, needs=last, why=why, danger="interrupts the VM"))
        last = (f"{name}:restart",)
    return actions + _rest(vm, own, last, provision=provision)


def _rest(vm: DesiredVm, own: VmFacts, last: tuple[str, ...], *, provision: bool) -> list[Action]:
    name, mark = vm.name, own.mark
    if mark is None or vm.seed is None:
        return []
    if mark.stage is Stage.CREATED:
        chain = _first_boot(vm, "")
        first = chain[0]
        return [Action(first.id, first.verb, name, needs=last, why="first boot was not finished"), *chain[1:]]
    why = ""
    if mark.stage is Stage.BOOTED:
        why = "provisioning was not finished"
    elif provision:
        why = "asked for"
    elif mark.provision != vm.provisioning.digest:
        why = "its inputs changed"
    started = any(item.endswith((":start", ":restart")) for item in last)
    if not why and not started:
        return []
    actions = [Action(f"{name}:await", Verb.AWAIT, name, needs=last, why="has to answer first")]
    if mark.seed:
        actions.append(Action(f"{name}:unseed", Verb.UNSEED, name, needs=last, why="the seed has done its work"))
    if why:
        needs = tuple(action.id for action in actions)
        actions.append(Action(f"{name}:provision", Verb.PROVISION, name, needs=needs, why=why))
    actions.append(Action(f"{name}:verify", Verb.VERIFY, name, needs=(actions[-1].id,), why="is it usable"))
    return actions


def _changed(vm: DesiredVm, own: VmFacts) -> list[Action]:
    """Return the settings and disk sizes that differ. Raises PreflightRefused for a shrink or a lock."""
    wanted = own.wanted
    changes = [c for key, value in sorted(vm.config.items()) for c in _compare(key, value, wanted, own)]
    changes += [
        Change(key, wanted[key], None, _effect(key, own))
        for key in sorted(wanted)
        if key.startswith("net") and key[3:].isdigit() and key not in vm.config
    ]
    if vm.description != strip(wanted.get("description", "")):
        changes.append(Change("description", strip(wanted.get("description", "")), vm.description, Effect.LIVE))
    grown: list[Action] = []
    refused: list[str] = []
    for item in vm.disks:
        changes += _disk_options(item, wanted, own)
        grown += _grown(vm.name, item, wanted, own.digest, refused)
    if own.row.lock and (changes or grown):
        refused.append(
            f"{vm.name} (VMID {own.row.vmid}) is locked ({own.row.lock}): wait for the task that holds the lock, "
            f"or release it on the node with: qm unlock {own.row.vmid}"
        )
    if refused:
        raise PreflightRefused(refused)
    actions = []
    if changes:
        why = "differs from the stack file"
        act = Action(f"{vm.name}:configure", Verb.CONFIGURE, vm.name, tuple(changes), why=why, digest=own.digest)
        actions.append(act)
    return actions + [
        Action(a.id, a.verb, a.vm, a.changes, tuple(x.id for x in actions), a.why, a.danger, a.digest) for a in grown
    ]


def _compare(key: str, value: str, wanted: Mapping[str, str], own: VmFacts) -> list[Change]:
    before = wanted.get(key)
    if before is None:
        return [] if value == _DEFAULTS.get(key) else [Change(key, None, value, _effect(key, own))]
    if not covers(key, value, before):
        return []
    return [Change(key, before, value, _effect(key, own))]


# What PVE means when a key is not there (qemu-server QemuServer.pm, $confdesc defaults).
_DEFAULTS = {"protection": "0", "onboot": "0", "agent": "0", "sockets": "1", "cores": "1", "bios": "seabios"}


def _effect(key: str, own: VmFacts) -> Effect:
    if not own.row.running:
        return Effect.NEW
    return Effect.LIVE if key.rstrip("0123456789") in _LIVE else Effect.RESTART


def _disk_options(item: DesiredDisk, wanted: Mapping[str, str], own: VmFacts) -> list[Change]:
    now = wanted.get(item.slot)
    if now is None:
        return [Change(item.slot, None, disk_text(item), _effect(item.slot, own))]
    options = ",".join(f"{key}={value}" for key, value in sorted(item.options.items()))
    volume = Disk.parse(now).volume
    after = f"{volume},{options}" if options else volume or ""
    if not options or not covers(item.slot, after, now):
        return []
    return [Change(item.slot, now, after, _effect(item.slot, own))]


def _grown(name: str, item: DesiredDisk, wanted: Mapping[str, str], digest: str, refused: list[str]) -> list[Action]:
    now = wanted.get(item.slot)
    before = Disk.parse(now).size if now else None
    if before is None:
        return []
    if before > item.size_bytes:
        refused.append(
            f"{name}: {item.slot} has {format_pve_size(before)} and cannot shrink to "
            f"{format_pve_size(item.size_bytes)}: PVE only grows disks. Write {format_pve_size(before)} or more"
        )
    if before >= item.size_bytes:
        return []
    change = Change(item.slot, format_pve_size(before), format_pve_size(item.size_bytes), Effect.LIVE)
    act = Action(f"{name}:resize:{item.slot}", Verb.RESIZE, name, (change,), why="is too small", digest=digest)
    return [act]


def disk_text(item: DesiredDisk) -> str:
    """Return a new disk as a person reads it in the plan."""
    source = f" from {item.image}" if item.image else ""
    return f"{format_pve_size(item.size_bytes)} on {item.storage}{source}"


def _notes(vm: DesiredVm, own: VmFacts, *, restart: bool) -> list[str]:
    waiting = sorted({*own.pending, *own.removed})
    notes = []
    if waiting and not restart and own.row.running:
        notes.append(f"{vm.name}: {', '.join(waiting)} wait for a restart (pvekit restart {vm.name})")
    known = {item.slot for item in vm.disks} | set(vm.create_only)
    extra = sorted(
        key
        for key, value in own.config.items()
        if key.rstrip("0123456789") in {"scsi", "virtio", "sata", "ide"}
        and key[-1].isdigit()
        and key not in known
        and "media=cdrom" not in value
    )
    if extra:
        notes.append(f"{vm.name}: {', '.join(extra)} is attached but not in the stack file; it is left alone")
    if own.mark is None:
        notes.append(f"{vm.name}: has the stack's tags but no mark of pvekit; it is not provisioned")
    return notes
