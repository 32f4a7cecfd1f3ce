"""The table of a node, what is refused and what is told: cases, and the laws of the sums."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvekit.model.budget import (
    Budget,
    BudgetRow,
    GuestSettings,
    NodeMore,
    Part,
    arc_mib,
    host_mib,
    judge,
    most_mib,
    overhead_mib,
)
from pvekit.model.budget_table import MOST_OTHERS, budget_lines
from pvekit.model.stack.home import Tuning
from pvekit.provision.box_rules import box_check
from pvekit.provision.diff import plan_for
from pvekit.provision.placement import place
from pvekit.provision.tables import budgets
from tests.provision.world import cases, desired_of, facts_of, stack_of

CASES = Path(__file__).parent / "cases" / "box"


def outcome(case: dict[str, Any]) -> str:
    """Return tables, reasons for refusing and notes of a case.

    Beside what ``tests.provision.world`` reads, a case has ``tuning``, ``more`` (what was read about nodes) and
    ``config`` (PVE's keys, for which the stack file has no word).
    """
    stack = stack_of(case["vms"], case.get("defaults"), **case.get("stack", {}))
    facts = facts_of(case, stack)
    tuning = Tuning(**case.get("tuning", {}))
    more = {node: _more(about) for node, about in case.get("more", {}).items()}
    own, root = case.get("config", {}), case.get("root_keys", {})
    vms = tuple(
        replace(vm, config={**vm.config, **own.get(vm.name, {})}, root_keys=root.get(vm.name, {}))
        for vm in place(desired_of(stack), facts)
    )
    plan = plan_for(stack.name, vms, facts)
    plan = replace(plan, budgets=budgets(vms, facts, tuning, more))
    refused, notes = box_check(plan, vms, {vm.name: vm for vm in stack.vms}, facts, tuning, more)
    tables = [line for budget in plan.budgets for line in budget_lines(budget)]
    return "".join(
        f"{line}\n" for line in [*tables, *(f"refused: {r}" for r in refused), *(f"note: {n}" for n in notes)]
    )


def _more(about: dict[str, Any]) -> NodeMore:
    return NodeMore(
        cpu=about.get("cpu", ""),
        guests={int(vmid): GuestSettings(**row) for vmid, row in about.get("guests", {}).items()},
        thick=frozenset(about.get("thick", ())),
        thin=frozenset(about.get("thin", ())),
        displays=frozenset(about.get("displays", ())),
        taken={vm: frozenset(cards) for vm, cards in about.get("taken", {}).items()},
    )


@pytest.mark.parametrize("case", cases(CASES))
def test_cases(case: dict[str, Any]) -> None:
    assert outcome(case) == case["outcome"]


ROWS = st.lists(
    st.builds(
        BudgetRow,
        name=st.sampled_from("abcdef"),
        part=st.sampled_from([Part.VM, Part.OTHER]),
        memory_mib=st.integers(16, 1 << 20),
        overhead_mib=st.integers(0, 1 << 10),
        threads=st.integers(0, 512),
        least_mib=st.none() | st.integers(1, 16),
        firm=st.booleans(),
    ),
    max_size=12,
)


@given(ROWS, st.integers(1 << 10, 1 << 22))
def test_sums(rows: list[BudgetRow], memory: int) -> None:
    budget = Budget.of("n", rows, memory_mib=memory, threads=8)
    assert budget.least_mib <= budget.sum_mib
    assert budget.firm_mib <= budget.sum_mib
    refused, notes = judge(budget)
    assert any("starts with the node" in reason for reason in refused) == (budget.firm_mib > memory)
    assert not (budget.sum_mib <= memory * 0.9 and any("spoken for" in note for note in notes))
    assert len(budget_lines(budget)) <= len(rows) + 3


@given(ROWS, st.integers(16, 1 << 20), st.integers(1 << 10, 1 << 22))
def test_one_more_vm_never_makes_it_fit(rows: list[BudgetRow], more: int, memory: int) -> None:
    before = Budget.of("n", rows, memory_mib=memory, threads=8)
    after = Budget.of("n", [*rows, BudgetRow("more", Part.VM, more)], memory_mib=memory, threads=8)
    assert len(judge(after)[0]) >= len(judge(before)[0])


@given(st.integers(0, 1 << 22))
def test_shares_of_a_node(memory: int) -> None:
    assert 0 <= host_mib(memory) <= 4096
    assert most_mib(memory) + 2 * host_mib(memory) == memory
    assert arc_mib(memory, None) <= memory // 10
    assert arc_mib(memory, 2048) == 2048


@given(st.integers(16, 1 << 22), st.integers(1, 512))
def test_overhead_grows_and_stays_small(memory: int, threads: int) -> None:
    assert overhead_mib(memory, threads) >= 64 + 8
    assert overhead_mib(memory + 32, threads) >= overhead_mib(memory, threads)
    assert overhead_mib(memory, threads) <= 64 + 8 * threads + 512


def test_many_neighbours_are_one_line() -> None:
    rows = [BudgetRow(f"vm{n}", Part.OTHER, 1024, 96, 1) for n in range(MOST_OTHERS + 1)]
    lines = budget_lines(Budget.of("n", rows, memory_mib=65536, threads=8))
    assert [line.split()[:3] for line in lines[2:3]] == [[str(MOST_OTHERS + 1), "other", "guests"]]
    assert len(budget_lines(Budget.of("n", rows[1:], memory_mib=65536, threads=8))) == len(rows) + 2


def test_a_node_that_may_not_be_seen_is_not_judged() -> None:
    budget = Budget.of("n", [BudgetRow("a", Part.VM, 1 << 20, threads=64)], memory_mib=0, threads=0)
    assert judge(budget) == ([], [])
    assert "not known" in budget_lines(budget)[0]
