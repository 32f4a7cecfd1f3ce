"""What a node cannot carry and what is unwise, VM by VM: pinned memory, balloons, processors, graphics cards. Pure.

The sums are judged in ``model.budget``. What PVE's API does not tell is not judged: whether the node swaps on ZFS.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pvekit.model.budget import NodeMore, gib, judge, overhead_mib
from pvekit.model.budget_table import budget_lines
from pvekit.model.desired import DesiredVm
from pvekit.model.facts import Facts
from pvekit.model.plan import Plan, Verb
from pvekit.model.stack.home import Tuning
from pvekit.model.stack.values import Vm
from pvekit.model.units import GIB, MIB, TIB
from pvekit.provision.cpu import slow_with_host
from pvekit.provision.tables import keys_of, pinned_by, setting, zfs

_NAS_LEAST_MIB = 4 * 1024


def box_check(
    plan: Plan,
    vms: Iterable[DesiredVm],
    wanted: Mapping[str, Vm],
    facts: Facts,
    tuning: Tuning,
    more: Mapping[str, NodeMore],
) -> tuple[list[str], list[str]]:
    """Return what is refused and what is only told. ``wanted`` are the stack file's VMs by name."""
    looked = [vm for vm in vms if vm.running]
    refused: list[str] = []
    notes: list[str] = []
    for budget in plan.budgets:
        bad, said = judge(budget)
        if bad:
            refused += [*bad[:-1], "\n".join([bad[-1], *budget_lines(budget)])]
        # Where the stack alone is too large, or too large with its neighbours, that is told already.
        costs = next((c for c in plan.costs if c.node == budget.node), None)
        told = costs is not None and costs.memory_mib + costs.memory_used_mib > costs.memory_total_mib
        notes += [note for note in said if not (told and "spoken for" in note)]
    starting = {action.vm for action in plan.actions if action.verb in (Verb.START, Verb.INSTALL)}
    changed = {action.vm for action in plan.actions}
    for vm in looked:
        refused += _pinned(vm, facts, starts=vm.name in starting)
        if vm.name in changed:
            notes += _unwise(vm, wanted.get(vm.name), facts, more.get(vm.node))
    notes += _homes(looked, wanted)
    for node in sorted({vm.node for vm in looked}):
        notes += _cache(node, facts, tuning)
        notes += _displays(node, more.get(node))
    return refused, notes


def _pinned(vm: DesiredVm, facts: Facts, *, starts: bool) -> Iterator[str]:
    key = pinned_by(keys_of(vm, facts))
    if not key:
        return
    balloon = int(setting(vm, facts, "balloon") or 0)
    if balloon:
        yield (
            f"{vm.name}: {key} pins all of its memory, so that a balloon ({balloon} MiB) can give nothing back. "
            "Remove balloon"
        )
    node = facts.nodes.get(vm.node)
    if node is None or not node.memory or not starts or key == "hugepages":
        return
    free = (node.memory - node.memory_used) // MIB
    whole = vm.memory_mib + overhead_mib(vm.memory_mib, vm.threads)
    if whole > free:
        yield (
            f"{vm.name}: {key} pins its memory at the start: {gib(vm.memory_mib)} GiB + "
            f"{gib(whole - vm.memory_mib)} for QEMU, and {vm.node} has {gib(free)} GiB free now. Stop other VMs first, "
            "or give it less"
        )


def _unwise(vm: DesiredVm, wanted: Vm | None, facts: Facts, more: NodeMore | None) -> Iterator[str]:
    windows = setting(vm, facts, "ostype").startswith("win")
    cpu = setting(vm, facts, "cpu")
    if windows and int(setting(vm, facts, "balloon") or 0):
        yield f"{vm.name}: ballooning slows Windows down; remove balloon"
    if windows and cpu.partition(",")[0] in ("host", "cputype=host") and more is not None and slow_with_host(more.cpu):
        yield (
            f"{vm.name}: Windows is many times slower with cpu: host on {more.cpu}; leave cpu out, or write x86-64-v3"
        )
    if setting(vm, facts, "affinity"):
        yield f"{vm.name}: affinity binds it to CPUs that others use as well, unless you keep them away; mostly no gain"
    if wanted is not None and wanted.nas is not None and wanted.nas.pool.filesystem != "btrfs":
        stored = sum(disk.size_bytes for disk in wanted.nas.pool.disks)
        least = max(_NAS_LEAST_MIB, 2 * 1024 + stored // TIB * 1024)
        if vm.memory_mib < least:
            when = "" if wanted.nas.pool.filesystem == "zfs" else "if its pool becomes ZFS, "
            yield (
                f"{vm.name}: {when}ZFS caches in the guest's memory; {gib(least)} GiB would suit "
                f"{stored / GIB:.0f} GiB of disks (2 GiB and 1 GiB for each TiB, at least 4), "
                f"it has {gib(vm.memory_mib)}"
            )


def _homes(vms: Iterable[DesiredVm], wanted: Mapping[str, Vm]) -> Iterator[str]:
    homes = [
        vm.name
        for vm in vms
        if vm.name in wanted and (windows := wanted[vm.name].windows) is not None and windows.edition == "home"
    ]
    if len(homes) > 1:
        yield (
            f"{' and '.join(homes)}: Windows Home cannot be reached by RDP, so that each is used at PVE's console "
            "only; choose edition: pro for a PC that people sit at elsewhere"
        )


def _cache(node: str, facts: Facts, tuning: Tuning) -> Iterator[str]:
    if zfs(node, facts) and tuning.zfs_arc_max_mib is None:
        yield (
            f"{node}: its ZFS cache is counted as PVE's installer has set it since 8.1; a node that was installed "
            "before lets it take half of the memory or more. Set host: tuning: {zfs_arc_max: 2GiB}"
        )


def _displays(node: str, more: NodeMore | None) -> Iterator[str]:
    if more is None or not more.displays or not more.taken:
        return
    taken = {address for cards in more.taken.values() for address in cards}
    gone = {card for card in more.displays if any(card.startswith(address) for address in taken)}
    if gone == set(more.displays):
        names = " and ".join(sorted(more.taken))
        yield (
            f"{node}: {names} takes the only graphics card ({', '.join(sorted(gone))}): the node's own screen stays "
            "dark from the VM's start on; reach the node by SSH or its web interface"
        )
