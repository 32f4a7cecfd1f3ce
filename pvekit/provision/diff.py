"""Compares how VMs should be with how they are. Pure: facts in, actions out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pvekit.model.desired import SETUP_SLOT, DesiredVm
from pvekit.model.errors import PreflightRefused
from pvekit.model.facts import Facts, VmFacts
from pvekit.model.mark import Stage
from pvekit.model.plan import Action, Change, Effect, Plan, Verb
from pvekit.model.properties import covers
from pvekit.provision.budget import costs
from pvekit.provision.disks import DiskChanges, disk_changes, disk_text
from pvekit.provision.privileges import root_steps
from pvekit.provision.settings import setting_changes

_DANGERS = {
    "bios": "the guest may not boot with another firmware",
    "machine": "the guest may not boot on another machine type",
    "scsihw": "the guest may not boot with another disk controller",
}


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
    for wanted in vms:
        refused += _impossible(wanted)
        own = facts.own.get(wanted.name)
        vm = wanted.at(own.mark.stage if own is not None and own.mark is not None else None)
        if own is None:
            chain = _new(vm)
            refused += _unanswered(vm, None, chain)
            actions += chain
            notes += [*vm.notes, *_promises(vm, chain)]
            continue
        disks = disk_changes(vm, own)
        chain = _chain(vm, own, _changed(vm, own, disks), provision=provision, restart=restart)
        refused += [*disks.refused, *_locked(vm, own, chain), *_unanswered(vm, own, chain)]
        actions += chain
        notes += [*_notes(vm, own, restart=restart), *_promises(vm, chain), *disks.notes, *_unmarked(vm, own)]
    notes += [
        f"{name} (VMID {row.vmid}) carries the stack's tag but is not in the stack file: "
        f"pvekit down --only {name} removes it"
        for name, row in sorted(facts.strays.items())
    ]
    if refused:
        raise PreflightRefused(refused)
    plan = (*_images(vms, actions), *_after_hosts(vms, actions))
    return Plan(stack, plan, costs(vms, facts), tuple(notes), root_steps(plan))


def _after_hosts(vms: Sequence[DesiredVm], actions: Sequence[Action]) -> list[Action]:
    """Return the actions; a VM's playbooks wait for those of the VMs that they use, or for these to run at all."""
    hosts = {vm.name: vm.provisioning.hosts for vm in vms}
    last: dict[str, str] = {}
    for action in actions:
        if action.verb in (Verb.START, Verb.RESTART, Verb.AWAIT, Verb.PROVISION):
            # In the order of a VM's life: the latest of them is what others wait for.
            last[action.vm] = action.id
    return [
        replace(action, needs=(*action.needs, *(last[name] for name in hosts[action.vm] if name in last)))
        if action.verb is Verb.PROVISION
        else action
        for action in actions
    ]


def image_id(image: str, vm: DesiredVm) -> str:
    """Return the id of the action that brings an image to the VM's node."""
    return f"image:{image}:{vm.image_storage}:{vm.node}"


def _images(vms: Iterable[DesiredVm], actions: Iterable[Action]) -> list[Action]:
    """Return one action per image and place that the new VMs are made from."""
    creating = {action.vm for action in actions if action.verb is Verb.CREATE}
    ids = {name for vm in vms if vm.name in creating for name in _images_of(vm)}
    return [Action(name, Verb.IMAGE, "", why="new VMs are made from it") for name in sorted(ids)]


def _images_of(vm: DesiredVm) -> list[str]:
    """Return the ids of the actions that bring what the VM is made from."""
    found = {image_id(disk.image, vm) for disk in vm.disks if disk.image}
    if vm.install is not None:
        found.add(f"image:{vm.install.iso}:{vm.iso_storage}:{vm.node}")
    return sorted(found)


def _new(vm: DesiredVm) -> list[Action]:
    """Return the whole life of a VM that does not exist yet."""
    name = vm.name
    changes = [Change(key, None, value) for key, value in sorted(vm.config.items())]
    changes += [Change(d.slot, None, disk_text(d)) for d in vm.disks]
    changes += [Change(key, None, value) for key, value in vm.create_only.items()]
    actions: list[Action] = []
    if vm.first_boot:
        actions.append(Action(f"{name}:seed", Verb.SEED, name, why="first boot settings"))
    needs = tuple(_images_of(vm))
    needs += (f"{name}:seed",) if vm.first_boot else ()
    actions.append(Action(f"{name}:create", Verb.CREATE, name, tuple(changes), needs, why="does not exist"))
    if not vm.running:
        return actions
    last = f"{name}:create"
    if vm.install is not None:
        actions.append(Action(f"{name}:install", Verb.INSTALL, name, needs=(last,), why="its disk is empty"))
        last = f"{name}:install"
    actions.append(Action(f"{name}:start", Verb.START, name, needs=(last,), why="should run"))
    return actions + _first_boot(vm, f"{name}:start")


def _first_boot(vm: DesiredVm, after: str) -> list[Action]:
    name = vm.name
    if not vm.first_boot:
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
    if vm.install is not None and own.mark is not None and own.mark.stage is Stage.CREATED:
        why = "its installation was not finished"
        actions.append(Action(f"{name}:install", Verb.INSTALL, name, needs=last, why=why))
        last, running = (f"{name}:install",), False
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
    if mark is None or (not vm.first_boot and mark.stage is not Stage.READY):
        return []
    if mark.stage in (Stage.CREATED, Stage.INSTALLED):
        first, *rest = _first_boot(vm, "")
        return [replace(first, needs=last, why="first boot was not finished"), *rest]
    why = ""
    if mark.stage is Stage.BOOTED:
        why = "provisioning was not finished"
    elif provision:
        why = "asked for"
    elif mark.provision != vm.provisioning.digest:
        why = "its inputs changed"
    started = any(item.endswith((":start", ":restart")) for item in last)
    # Nobody knows how a guest answers that was not made from an image: it is only asked where it has to be.
    if not why and not (started and vm.first_boot):
        return []
    actions = [Action(f"{name}:await", Verb.AWAIT, name, needs=last, why="has to answer first")]
    if mark.seed:
        actions.append(Action(f"{name}:unseed", Verb.UNSEED, name, needs=last, why="the seed has done its work"))
    if why:
        needs = tuple(action.id for action in actions)
        actions.append(Action(f"{name}:provision", Verb.PROVISION, name, needs=needs, why=why))
    actions.append(Action(f"{name}:verify", Verb.VERIFY, name, needs=(actions[-1].id,), why="is it usable"))
    return actions


def _changed(vm: DesiredVm, own: VmFacts, disks: DiskChanges) -> list[Action]:
    """Return the actions that bring settings and disks to what is desired."""
    changes = (*setting_changes(vm, own), *disks.changed)
    actions: list[Action] = []
    if changes:
        actions.append(
            Action(
                f"{vm.name}:configure",
                Verb.CONFIGURE,
                vm.name,
                changes,
                why="differs from the stack file",
                danger=_danger(changes),
                digest=own.digest,
            )
        )
    before = tuple(action.id for action in actions)
    actions += [
        Action(
            f"{vm.name}:resize:{grown.target}",
            Verb.RESIZE,
            vm.name,
            (grown,),
            before,
            why="is too small",
            digest=own.digest,
        )
        for grown in disks.grown
    ]
    return actions


def _danger(changes: Iterable[Change]) -> str:
    """Return what the changes could break."""
    found = [_DANGERS[change.target] for change in changes if change.target in _DANGERS]
    found += [
        f"removes {change.target}" for change in changes if change.after is None and change.target.startswith("net")
    ]
    return "; ".join(found)


def _impossible(vm: DesiredVm) -> list[str]:
    """Return what no PVE could do."""
    if vm.first_boot and any(disk.slot == vm.seed_slot for disk in vm.disks):
        what = "cloud-init seed" if vm.install is None else "answer CD"
        return [f"{vm.name}: {vm.seed_slot} is where the {what} goes. Choose another slot for the disk"]
    if vm.install is not None and any(disk.slot == SETUP_SLOT for disk in vm.disks):
        return [f"{vm.name}: {SETUP_SLOT} is where the setup CD goes. Choose another slot for the disk"]
    return []


def _unanswered(vm: DesiredVm, own: VmFacts | None, chain: Iterable[Action]) -> list[str]:
    """Return why a guest cannot be waited for."""
    agent = vm.config.get("agent") or (own.wanted.get("agent") if own is not None else None) or "0"
    if not any(action.verb is Verb.AWAIT for action in chain) or not covers("agent", "1", agent):
        return []
    return [f"{vm.name}: the guest agent is switched off, and pvekit knows a guest through it only. Write agent: true"]


def _locked(vm: DesiredVm, own: VmFacts, chain: Sequence[Action]) -> list[str]:
    """Return why a locked VM cannot be worked on. PVE begins such tasks and fails inside them.

    A VM that was suspended to disk is locked as well, and starting it is what releases it.
    """
    lock = own.row.lock
    if not lock or not chain or (lock == "suspended" and chain[0].verb is Verb.START):
        return []
    who = f"{vm.name} (VMID {own.row.vmid}) is locked ({lock})"
    release = f"qm unlock {own.row.vmid}"
    return [f"{who}: wait for the task that holds the lock, or release it on the node with: {release}"]


def _promises(vm: DesiredVm, chain: Iterable[Action]) -> tuple[str, ...]:
    """Return what the playbooks will do, if they run."""
    return vm.provisioning.promises if any(action.verb is Verb.PROVISION for action in chain) else ()


def _notes(vm: DesiredVm, own: VmFacts, *, restart: bool) -> list[str]:
    notes = [*vm.notes]
    waiting = sorted({*own.pending, *own.removed})
    if waiting and not restart and own.row.running:
        verb = "wait" if len(waiting) > 1 else "waits"
        notes.append(f"{vm.name}: {', '.join(waiting)} {verb} for a restart (pvekit restart {vm.name})")
    if own.mark is not None and own.mark.first and vm.first_boot and own.mark.first != vm.first_boot:
        what = "user, password, addresses, name servers or user_data"
        if vm.install is not None:
            what = "user, password, time zone or windows"
        notes.append(
            f"{vm.name}: {what} are not those of its first boot; they reach only a new VM "
            f"(pvekit down --only {vm.name}, then up)"
        )
    return notes


def _unmarked(vm: DesiredVm, own: VmFacts) -> list[str]:
    if own.mark is not None:
        return []
    return [f"{vm.name}: has the stack's tags but no mark of pvekit; it is not provisioned"]
