"""What holds for every stack file and every cluster."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, Phase, event, given, reject, settings
from hypothesis import strategies as st

from pvekit import guests
from pvekit.model.desired import DesiredVm
from pvekit.model.errors import PvekitError
from pvekit.model.facts import Facts, NodeFacts, StorageFacts
from pvekit.model.plan import Plan, Verb
from pvekit.model.stack import Stack, load
from pvekit.provision.diff import plan_for
from pvekit.provision.placement import place
from pvekit.provision.preflight import check
from tests.provision.simulated import stored, written
from tests.provision.world import desired_of, shown
from tests.strategies.clusters import clusters
from tests.strategies.stacks import STORAGES, stacks

LAW = settings(
    max_examples=30,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def loaded(text: str) -> Stack:
    return load(text, "stack.yaml", guests.kinds())


def world(stack: Stack, vms: tuple[DesiredVm, ...]) -> Facts:
    """Return the cluster after everything was done."""
    own = {vm.name: stored(vm, stack.name) for vm in vms}
    node = NodeFacts("pve", online=True, threads=0, memory=0, memory_used=0)
    content = frozenset({"images", "iso", "import"})
    storages = tuple(StorageFacts(n, "pve", True, False, content, 1 << 50, 0) for n in STORAGES)
    return Facts({"pve": node}, storages, tuple(found.row for found in own.values()), own)


@LAW
@given(stacks())
def test_the_plan_of_the_applied_state_is_empty(text: str) -> None:
    stack = loaded(text)
    vms = desired_of(stack)
    facts = world(stack, vms)
    plan = plan_for(stack.name, place(vms, facts), facts)
    assert shown(replace(plan, notes=())) == ""
    assert [note for note in plan.notes if "VMs are not moved" not in note] == []


@LAW
@given(stacks(), st.data())
def test_any_stack_file_and_any_cluster_make_a_plan_or_a_clear_refusal(text: str, data: st.DataObject) -> None:
    stack = loaded(text)
    vms = desired_of(stack)
    facts, host = data.draw(clusters(vms, stack.name))
    options = data.draw(st.fixed_dictionaries({"provision": st.booleans(), "restart": st.booleans()}))
    try:
        placed = place(vms, facts)
        plan = plan_for(stack.name, placed, facts, **options)
        sound(plan)
        check(plan, placed, facts, host, "kit@pve!ci")
        event("planned")
    except PvekitError as refused:
        event(f"{type(refused).__name__}: {str(refused).partition(':')[2][:30]}")


def sound(plan: Plan) -> None:
    """Assert what every plan promises: ids once, needs known and before, no change that changes nothing."""
    seen: set[str] = set()
    for action in plan.actions:
        assert action.id not in seen
        assert set(action.needs) <= seen, (action, seen)
        seen.add(action.id)
        assert action.why
        assert all(change.before != change.after for change in action.changes)
        assert (action.verb in (Verb.CONFIGURE, Verb.RESIZE)) == bool(action.digest)


@LAW
@given(stacks(("web",)), stacks(("web",)))
def test_a_change_that_is_carried_out_is_not_planned_again(before: str, after: str) -> None:
    """Whatever the VMs were before: after writing all changes the next plan has none."""
    new = loaded(after)
    (was,), (vm,) = desired_of(loaded(before)), desired_of(new)
    is_now = stored(was, new.name)
    facts = replace(world(new, (vm,)), own={vm.name: is_now})
    try:
        plan = plan_for(new.name, place((vm,), facts), facts)
    except PvekitError:
        reject()
    facts = replace(facts, own={vm.name: written(vm, is_now, plan.actions)})
    again = plan_for(new.name, place((vm,), facts), facts)
    left = [action for action in again.actions if action.verb in (Verb.CONFIGURE, Verb.RESIZE)]
    assert not left or any("made by the next run" in note for note in plan.notes)
