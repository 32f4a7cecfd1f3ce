"""A budget as text: what ``pvekit plan`` prints, and what a refusal shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from pvekit.model.budget import Budget, BudgetRow, Part, gib

MOST_OTHERS = 6
"""So many other guests are shown by name; more become one line."""
_GIGABYTE = 1 << 30


def budget_lines(budget: Budget) -> list[str]:
    """Return the table of one node: a line for each row, the sum, and the disks."""
    cells = [("", "GiB", "QEMU", "vCPU", "")]
    cells += [_cells(row) for row in _shown(budget.rows)]
    cells.append(("sum", gib(budget.sum_mib), "", str(budget.threads), _sum_note(budget)))
    widths = [max(len(row[at]) for row in cells) for at in range(4)]
    lines = [f"  {budget.node}:{_has(budget)}"]
    for name, memory, overhead, threads, note in cells:
        numbers = "  ".join(
            text.rjust(width) for text, width in zip((memory, overhead, threads), widths[1:], strict=True)
        )
        lines.append(f"    {name.ljust(widths[0])}  {numbers}  {note}".rstrip())
    for disk in budget.disks:
        room = f" of {disk.free / _GIGABYTE:.1f} GiB free" if disk.free is not None else ""
        how = "" if disk.thin is False else "up to "
        text = "; taken at once, snapshots come on top" if disk.thin is False else "; snapshots come on top"
        lines.append(f"    {disk.storage}: {how}{disk.needed / _GIGABYTE:.1f} GiB new{room}{text}")
    return lines


def _has(budget: Budget) -> str:
    if not budget.memory_mib:
        return " what it has is not known; the token may not see it (Sys.Audit)"
    return f" {gib(budget.memory_mib)} GiB of memory, {budget.node_threads} threads"


def _cells(row: BudgetRow) -> tuple[str, str, str, str, str]:
    note = row.note
    if row.pinned:
        note = "; ".join(filter(None, [note, f"pinned ({row.pinned})"]))
    if row.least_mib is not None:
        note = "; ".join(filter(None, [note, f"{gib(row.least_mib)} with its balloon full"]))
    return (
        row.name,
        gib(row.memory_mib),
        f"+{gib(row.overhead_mib)}" if row.overhead_mib else "",
        str(row.threads) if row.threads else "",
        note,
    )


def _shown(rows: Iterable[BudgetRow]) -> list[BudgetRow]:
    """Return the rows, with many other guests made into one."""
    found = list(rows)
    others = [row for row in found if row.part is Part.OTHER]
    if len(others) <= MOST_OTHERS:
        return found
    one = BudgetRow(
        name=f"{len(others)} other guests",
        part=Part.OTHER,
        memory_mib=sum(row.memory_mib for row in others),
        overhead_mib=sum(row.overhead_mib for row in others),
        threads=sum(row.threads for row in others),
        note="not of this plan",
    )
    return [row for row in found if row.part is not Part.OTHER] + [one]


def _sum_note(budget: Budget) -> str:
    parts = []
    if budget.memory_mib:
        parts.append(f"{100 * budget.sum_mib / budget.memory_mib:.0f} % of {gib(budget.memory_mib)} GiB")
    threads = f" on {budget.node_threads} threads" if budget.node_threads else ""
    parts.append(f"{budget.threads} virtual CPU{'s' if budget.threads != 1 else ''}{threads}")
    if budget.least_mib != budget.sum_mib:
        parts.append(f"{gib(budget.least_mib)} with every balloon full")
    return ", ".join(parts)
