"""Makes a plan: stack file and cluster in, actions out. Reads 1 + N times, and more only when there is work."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from pvekit import guests
from pvekit.model.desired import DesiredVm
from pvekit.model.errors import PvekitError
from pvekit.model.facts import Facts
from pvekit.model.plan import Plan
from pvekit.provision import preflight
from pvekit.provision.diff import plan_for
from pvekit.provision.facts import read_facts, read_host
from pvekit.provision.placement import place
from pvekit.workflows.session import Session


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan and what it was made from."""

    plan: Plan
    vms: tuple[DesiredVm, ...]
    facts: Facts


def make_plan(
    session: Session, *, only: Collection[str] = (), provision: bool = False, restart: bool = False
) -> Planned:
    """Return the plan. Raises PreflightRefused or PermissionsMissing for what cannot work, before anything is touched.

    ``only`` names the VMs to look at (empty: all).
    """
    stack = session.stack
    names = [vm.name for vm in stack.vms]
    unknown = sorted(set(only) - set(names))
    if unknown:
        raise PvekitError(
            f"the stack has no VM {', '.join(unknown)}", where=stack.file, hint=f"It has: {', '.join(names)}"
        )
    facts = read_facts(session.pve, stack.name, names)
    wanted = [guests.desired(stack, vm) for vm in stack.vms if not only or vm.name in only]
    vms = place(wanted, facts)
    plan = plan_for(stack.name, vms, facts, provision=provision, restart=restart)
    if not plan.empty:
        host = read_host(session.pve, plan, vms)
        notes = preflight.check(plan, vms, facts, host, session.token_id)
        plan = replace(plan, notes=(*plan.notes, *notes))
    return Planned(plan, vms, facts)
