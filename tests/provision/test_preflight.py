"""What is refused before anything is touched, and the memory, threads and disk that the plan counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pvekit.model.errors import PermissionsMissing, PreflightRefused
from pvekit.model.plan import Cost
from pvekit.model.units import format_size
from pvekit.provision import preflight
from pvekit.provision.diff import plan_for
from pvekit.provision.placement import place
from tests.provision.world import NODES, cases, desired_of, facts_of, host_of, stack_of

CASES = Path(__file__).parent / "cases" / "preflight"


def outcome(case: dict[str, Any]) -> str:
    """Return the notes and costs, or the reasons for refusing."""
    stack = stack_of(case["vms"], case.get("defaults"))
    facts = facts_of(case, stack)
    host = host_of(case, case.get("nodes", NODES))
    try:
        vms = place(desired_of(stack), facts)
        plan = plan_for(stack.name, vms, facts)
        notes = preflight.check(plan, vms, facts, host, case.get("token", "kit@pve!ci"))
    except PreflightRefused as refused:
        return "".join(f"refused: {reason}\n" for reason in refused.reasons)
    except PermissionsMissing as missing:
        return f"{missing}\n{missing.hint}\n"
    return "".join(f"{line}\n" for line in (*map(_cost, plan.costs), *(f"note: {note}" for note in notes)))


def _cost(cost: Cost) -> str:
    disks = ", ".join(
        f"{format_size(size)} of {format_size(cost.disk_free[name]) if name in cost.disk_free else '?'} on {name}"
        for name, size in sorted(cost.disk.items())
    )
    return (
        f"{cost.node}: {cost.memory_mib} + {cost.memory_used_mib} of {cost.memory_total_mib} MiB, "
        f"{cost.threads} of {cost.threads_total} threads; {disks or 'no disk'}"
    )


@pytest.mark.parametrize("case", cases(CASES))
def test_preflight(case: dict[str, Any]) -> None:
    assert outcome(case) == case["outcome"]
