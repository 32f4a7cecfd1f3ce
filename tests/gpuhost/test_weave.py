"""Where the nodes' work stands in a plan, and which cards of a plan are looked at."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pvekit.engine import Context, Fate, Step, run
from pvekit.model.errors import RebootNeeded
from pvekit.model.hostchange import ChangeSet, FileChange
from pvekit.model.hostchange import Step as Command
from pvekit.model.pci import Bdf
from pvekit.model.plan import Action, Change, Effect, Plan, Verb
from pvekit.provision.gpuhost import AFTERWARDS, NodeWork, Todo, Use, action_id, by_node, cards_to_see, woven

CARD = Use("pve", "win", "p106", Bdf.parse("03:00.0"))
OTHER = Use("pve2", "llm", "p40", Bdf.parse("02:00.0"))
MADE = ChangeSet(
    "ab12cd34",
    "0001-ab12cd34",
    (FileChange("/etc/default/grub.d/pvekit-passthrough.cfg", None, "x\n", "KC-01: why", "may not start"),),
    (Command(("update-grub",), "the boot loader reads a copy"),),
    ("the screen stays dark",),
)


def chain(vm: str, *verbs: Verb) -> list[Action]:
    found: list[Action] = []
    for verb in verbs:
        needs = (found[-1].id,) if found else ("image:debian:local:pve",)
        found.append(Action(f"{vm}:{verb.value}", verb, vm, needs=needs))
    return found


def plan() -> Plan:
    image = Action("image:debian:local:pve", Verb.IMAGE, "")
    mapping = Action("mapping:home-p106", Verb.IMAGE, "")
    win = chain("win", Verb.CREATE, Verb.START, Verb.AWAIT)
    return Plan("home", (image, mapping, *win, *chain("web", Verb.CREATE, Verb.START)))


def fates(made: Plan, *failing: str) -> dict[str, Fate]:
    def runner(name: str):  # type: ignore[no-untyped-def]
        def go(context: Context) -> None:
            if name in failing:
                raise RebootNeeded("restart it")

        return go

    outcomes = run([Step(a.id, a.vm, a.id, runner(a.id), a.needs) for a in made.actions])
    return {outcome.step.id: outcome.fate for outcome in outcomes}


def test_the_vm_waits_and_all_others_go_on() -> None:
    made = woven(plan(), by_node([Todo(CARD, "KC-01", MADE)]), restart=False)
    assert made.actions[0].id == action_id("pve") == "gpuhost:pve"
    done = fates(made, "gpuhost:pve")
    assert {name for name, fate in done.items() if fate is Fate.SKIPPED} == {"win:create", "win:start", "win:await"}
    assert all(fate is Fate.DONE for name, fate in done.items() if name.startswith(("web", "image")))


def test_the_action_shows_files_commands_and_risks() -> None:
    (host, *_) = woven(plan(), by_node([Todo(CARD, "KC-01", MADE)]), restart=False).actions
    assert host.verb is Verb.HOSTGPU
    assert host.changes == (
        Change("/etc/default/grub.d/pvekit-passthrough.cfg", None, "x\n", Effect.RESTART),
        Change(AFTERWARDS, None, "update-grub", Effect.RESTART),
    )
    assert "may not start" in host.danger
    assert "the screen stays dark" in host.danger
    assert "has to be restarted afterwards" in host.danger
    (host, *_) = woven(plan(), by_node([Todo(CARD, "KC-01", MADE)]), restart=True).actions
    assert "pve is restarted, with all that runs there" in host.danger


def test_what_a_vm_of_no_card_needs_as_well_does_not_wait() -> None:
    made = woven(plan(), by_node([Todo(CARD, "KC-01", MADE)]), restart=False)
    assert fates(made, "gpuhost:pve")["image:debian:local:pve"] is Fate.DONE


def test_restarts_come_one_after_the_other_and_before_all_else() -> None:
    work = by_node([Todo(OTHER, "why", MADE), Todo(CARD, "why", MADE)])
    made = woven(plan(), work, restart=True)
    assert [action.id for action in made.actions[:2]] == ["gpuhost:pve", "gpuhost:pve2"]
    assert made.actions[1].needs == ("gpuhost:pve",)
    done = fates(made, "gpuhost:pve2")
    assert [name for name, fate in done.items() if fate is Fate.DONE] == ["gpuhost:pve"]


def test_nothing_further_is_begun_while_a_change_set_is_to_be_ended() -> None:
    second = Use("pve", "llm", "p40", Bdf.parse("02:00.0"))
    work = by_node([Todo(CARD, "why", MADE), Todo(second, "why", resume="0001-ab12cd34")])["pve"]
    assert work.resume == "0001-ab12cd34"
    assert all(todo.changes is None for todo in work.todos)
    assert work == NodeWork("pve", work.todos)
    assert work.vms == ("win", "llm")


def test_only_cards_that_the_plan_moves_are_looked_at() -> None:
    def sees(*actions: Action) -> bool:
        return bool(cards_to_see(Plan("home", actions), [CARD]))

    assert not sees()
    assert not sees(*chain("web", Verb.CREATE, Verb.START))
    assert not sees(*chain("win", Verb.AWAIT, Verb.PROVISION, Verb.VERIFY))
    assert not sees(Action("win:configure", Verb.CONFIGURE, "win", (Change("memory", "1", "2"),)))
    assert sees(Action("win:configure", Verb.CONFIGURE, "win", (Change("hostpci0", None, "mapping=home-p106"),)))
    assert sees(*chain("win", Verb.START))
    assert sees(*chain("win", Verb.CREATE, Verb.INSTALL))


@given(st.sets(st.sampled_from(["pve", "pve2", "pve3"])), st.booleans(), st.data())
def test_every_woven_plan_runs_to_an_end(nodes: set[str], restart: bool, data: st.DataObject) -> None:
    """The law: no circle and no unknown need, and a node that fails takes exactly the VMs of its cards with it."""
    vms = [f"vm{number}" for number in range(4)]
    uses = [
        Use(node, data.draw(st.sampled_from(vms)), "card", Bdf.parse(f"0{at}:00.0"))
        for at, node in enumerate(sorted(nodes))
    ]
    image = Action("image:debian:local:pve", Verb.IMAGE, "")
    before = Plan("home", (image, *(action for vm in vms for action in chain(vm, Verb.CREATE, Verb.START))))
    made = woven(before, by_node([Todo(use, "why", MADE) for use in uses]), restart=restart)
    done = fates(made, *(action_id(node) for node in nodes))
    skipped = {name.partition(":")[0] for name, fate in done.items() if fate is Fate.SKIPPED}
    if not restart:
        assert skipped == {use.vm for use in uses}
    elif nodes:
        assert set(vms) <= skipped
    else:
        assert not skipped
