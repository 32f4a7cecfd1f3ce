"""Where VMs go: one case file each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pvekit.model.errors import PreflightRefused
from pvekit.provision.placement import place
from tests.provision.world import cases, desired_of, facts_of, stack_of

CASES = Path(__file__).parent / "cases" / "placement"


def outcome(case: dict[str, Any]) -> str:
    """Return ``VM: node`` lines with the notes, or the reasons why there is none."""
    stack = stack_of(case["vms"], case.get("defaults"))
    try:
        placed = place(desired_of(stack), facts_of(case, stack))
    except PreflightRefused as refused:
        return "".join(f"refused: {reason}\n" for reason in refused.reasons)
    return "".join(f"{vm.name}: {vm.node}\n" + "".join(f"  {note}\n" for note in vm.notes) for vm in placed)


@pytest.mark.parametrize("case", cases(CASES))
def test_placement(case: dict[str, Any]) -> None:
    assert outcome(case) == case["places"]
