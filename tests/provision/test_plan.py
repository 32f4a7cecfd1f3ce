"""What a stack and a cluster make of each other: one case file each, the expected plan as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pvekit.model.errors import PreflightRefused
from pvekit.provision.diff import plan_for
from pvekit.provision.placement import place
from tests.provision.world import cases, desired_of, facts_of, shown, stack_of

CASES = Path(__file__).parent / "cases" / "plan"


def outcome(case: dict[str, Any]) -> str:
    """Return the plan as text, or the reasons why there is none."""
    stack = stack_of(case["vms"], case.get("defaults"))
    facts = facts_of(case, stack)
    try:
        plan = plan_for(stack.name, place(desired_of(stack), facts), facts, **case.get("options", {}))
    except PreflightRefused as refused:
        return "".join(f"refused: {reason}\n" for reason in refused.reasons)
    return shown(plan)


@pytest.mark.parametrize("case", cases(CASES))
def test_plan(case: dict[str, Any]) -> None:
    assert outcome(case) == (case["plan"] or "")
