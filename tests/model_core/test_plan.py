"""Plans as values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pvekit.model.plan import Action, Change, Effect, Plan, Verb

TEXTS = st.none() | st.text()
CHANGES = st.builds(Change, target=st.text(), before=TEXTS, after=TEXTS, effect=st.sampled_from(Effect))


@given(CHANGES)
def test_the_inverse_of_the_inverse_is_the_change(change: Change) -> None:
    assert change.inverse().inverse() == change
    assert (change.inverse().before, change.inverse().after) == (change.after, change.before)
    assert (change.inverse().target, change.inverse().effect) == (change.target, change.effect)


def test_a_plan_knows_its_vms() -> None:
    one, two, image = Action("a:x", Verb.START, "a"), Action("b:x", Verb.STOP, "b"), Action("i", Verb.IMAGE, "")
    three = Action("a:y", Verb.AWAIT, "a")
    plan = Plan("home", (image, one, two, three))
    assert plan.of("a") == (one, three)
    assert plan.of("c") == ()
    assert not plan.empty


def test_notes_make_no_plan() -> None:
    assert Plan("home", notes=("something",)).empty
