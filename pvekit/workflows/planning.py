"""Makes a plan: stack file and cluster in, actions out. Reads 1 + N times, and more only when there is work."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pvekit import guests
from pvekit.adapters import pve as api
from pvekit.model.desired import DesiredVm
from pvekit.model.errors import PermissionsMissing, PreflightRefused, PvekitError
from pvekit.model.facts import Facts
from pvekit.model.mark import Stage
from pvekit.model.plan import Plan, Verb
from pvekit.model.stack import Stack, Vm
from pvekit.model.stack.home import Tuning
from pvekit.provision import cpu, mappings, preflight
from pvekit.provision.box import read_box
from pvekit.provision.box_rules import box_check
from pvekit.provision.diff import plan_for
from pvekit.provision.facts import read_facts, read_host
from pvekit.provision.gpumaps import CardWork, leftover
from pvekit.provision.placement import place
from pvekit.provision.rootstep.plan import Work
from pvekit.provision.tables import budgets
from pvekit.workflows.rootstep import with_root
from pvekit.workflows.session import Session

if TYPE_CHECKING:
    from pvekit.workflows.cards import Cards
    from pvekit.workflows.gpuhost import HostWork

_TASKS = frozenset({"qmshutdown", "qmstop", "qmreboot", "qmstart", "qmconfig", "resize"})
_TASK_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan and what it was made from."""

    plan: Plan
    vms: tuple[DesiredVm, ...]
    facts: Facts
    root: Work = field(default_factory=Work)
    cards: CardWork = field(default_factory=CardWork)
    hosts: HostWork | None = None


def make_plan(
    session: Session,
    *,
    only: Collection[str] = (),
    provision: bool = False,
    restart: bool = False,
    reboot_nodes: bool = False,
) -> Planned:
    """Return the plan. Raises PreflightRefused or PermissionsMissing for what cannot work, before anything is touched.

    ``only`` names the VMs to look at (empty: all). ``reboot_nodes`` lets the run restart nodes that need it for cards.
    """
    stack = session.stack
    names = [vm.name for vm in stack.vms]
    unknown = sorted(set(only) - set(names))
    if unknown:
        raise PvekitError(
            f"the stack has no VM {', '.join(unknown)}", where=stack.file, hint=f"It has: {', '.join(names)}"
        )
    facts = read_facts(session.pve, stack.name, names)
    if _tasks_ended(session, facts, _unfinished(facts, only)):
        facts = read_facts(session.pve, stack.name, names)
    wanted = [_desired(stack, vm) for vm in stack.vms if not only or vm.name in only]

    cards = _cards(session, facts)

    def draft(facts: Facts) -> tuple[tuple[DesiredVm, ...], tuple[str, ...], Plan]:
        placed = cards.placed(wanted, facts) if cards is not None else wanted
        vms, chosen = cpu.choose(session.pve, place(placed, facts), facts)
        return vms, chosen, plan_for(stack.name, vms, facts, provision=provision, restart=restart)

    vms, chosen, plan = draft(facts)
    if changed := _changed(plan, facts):
        _tasks_ended(session, facts, changed)
        # Such a task may also have ended since the facts were read.
        facts = read_facts(session.pve, stack.name, names)
        vms, chosen, plan = draft(facts)
    plan, given = replace(plan, notes=(*plan.notes, *chosen)), CardWork()
    if cards is not None:
        plan, given = cards.woven(plan, vms, facts, only=only, restart=restart)
    plan, root = with_root(session, plan, vms, facts, only=only)
    hosts: HostWork | None = None
    if cards is not None:
        from pvekit.workflows.gpuhost import with_gpu_hosts

        plan, hosts = with_gpu_hosts(session, plan, vms, cards.resolved(vms), facts, reboot=reboot_nodes)
    plan = (
        replace(plan, budgets=budgets(vms, facts, tuning_of(session)))
        if plan.empty
        else _checked(session, plan, vms, facts)
    )
    return Planned(plan, vms, facts, root, given, hosts)


def _cards(session: Session, facts: Facts) -> Cards | None:
    """Return what knows about the nodes' cards; None for a stack that has nothing to do with any."""
    stack = session.stack
    if not any(vm.gpus for vm in stack.vms) and not leftover(stack.name, facts.own.values()):
        return None
    from pvekit.workflows.cards import Cards

    return Cards(session)


def _checked(session: Session, plan: Plan, vms: tuple[DesiredVm, ...], facts: Facts) -> Plan:
    """Return the plan with its tables and notes. Raises what ``make_plan`` raises."""
    tuning = tuning_of(session)
    host = read_host(session.pve, plan, vms)
    more = read_box(session.pve, plan, vms, facts, tuning)
    plan = replace(plan, budgets=budgets(vms, facts, tuning, more))
    refused, advice = box_check(plan, vms, {vm.name: vm for vm in session.stack.vms}, facts, tuning, more)
    notes = preflight.check(plan, vms, facts, host, session.token_id, refused)
    reasons, unsure = _models(session, plan)
    reasons = (*mappings.check(session.pve, plan, vms), *reasons)
    if reasons:
        raise PreflightRefused(reasons)
    notes = (*notes, *unsure)
    return replace(plan, notes=(*plan.notes, *notes, *advice, *_media_notes(session, plan, vms)))


def _models(session: Session, plan: Plan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what does not fit, and what is not known, of language models that this plan would bring."""
    names = {action.vm for action in plan.actions if action.verb in (Verb.CREATE, Verb.PROVISION)}
    if session.offline or not any(vm.llama is not None and vm.name in names for vm in session.stack.vms):
        return (), ()
    from pvekit.workflows.llama_fit import refused

    return refused(session.stack, names)


def _desired(stack: Stack, vm: Vm) -> DesiredVm:
    keys = {"affinity": vm.affinity, "hugepages": vm.hugepages}
    return replace(guests.desired(stack, vm), root_keys={key: value for key, value in keys.items() if value})


def tuning_of(session: Session) -> Tuning:
    """Return what the stack file asks of the nodes themselves; the embedded node has no such settings."""
    host = session.stack.host
    return host.tuning if host is not None and not session.lab else Tuning()


def _media_notes(session: Session, plan: Plan, vms: tuple[DesiredVm, ...]) -> tuple[str, ...]:
    if all(vm.install is None for vm in vms):
        return ()
    # Only these stacks need what reads media; others start faster without.
    from pvekit.workflows.media import StackMedia, check_media

    return check_media(StackMedia(session.stack), session.stack, plan, vms, offline=session.offline)


def _unfinished(facts: Facts, only: Collection[str]) -> list[str]:
    """Return the VMs that a broken run may have left on their way into another power state.

    Such a VM is found running and stops a moment later. A run without changes asks for nothing more.
    """
    found = {name: own for name, own in facts.own.items() if not only or name in only}
    return [
        name
        for name, own in found.items()
        if own.pending or own.removed or (own.mark is not None and own.mark.stage is not Stage.READY)
    ]


def _changed(plan: Plan, facts: Facts) -> list[str]:
    """Return the VMs whose configuration differs, perhaps only because a broken run's change is still at work."""
    verbs = (Verb.CONFIGURE, Verb.RESIZE)
    return sorted({a.vm for a in plan.actions if a.verb in verbs and a.vm in facts.own})


def _tasks_ended(session: Session, facts: Facts, names: Iterable[str]) -> bool:
    """Wait for tasks about these VMs that a broken run left at work; return whether there were any."""
    waited = False
    for row in (facts.own[name].row for name in names if not session.offline):
        for task in api.node_tasks(session.pve, row.node, vmid=row.vmid, running=True):
            if task.type in _TASKS and not task.exitstatus:
                with api.TaskPoller(session.pve) as poller:
                    poller.wait(task.upid, timeout=_TASK_SECONDS)
                waited = True
    return waited


def check_root_steps(session: Session, plan: Plan) -> None:
    """Raise PermissionsMissing when the plan has steps that need a login, and there is none."""
    if plan.root_steps and session.by_token and session.login is None:
        steps = "".join(f"\n  {step}" for step in plan.root_steps)
        raise PermissionsMissing(
            f"PVE refuses to every API token:{steps}",
            where=session.stack.file,
            hint="Add to host: login: {user: root@pam, password: 'env:PVE_PASSWORD'}, or leave these settings out. "
            "The login is used for such runs only.",
        )
