"""What VMs take from a node, row by row, with its sum and what the node has. Pure.

Memory is MiB here, as in PVE's configurations. A row is *firm* when its memory is taken as soon as the node runs, or
can never be given back: VMs that start with the node, VMs whose memory is pinned, the host itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

HOST_MIB = 4096
"""What Proxmox VE and its services get on a node of 32 GiB or more; smaller ones give an eighth of their memory.

PVE's manual asks for 2 GB at least and 1 GiB free; 4 GiB also hold the page cache that backups and uploads use.
"""
ARC_SHARE, ARC_MOST_MIB = 0.10, 16 * 1024
"""The ZFS cache that PVE's installer allows since 8.1: a tenth of the memory, at most 16 GiB (pve-docs, local-zfs)."""
FULL = 0.90
"""Above this share of the memory a reader is warned."""
THREADS_FACTOR = 2
DISK_SHARE = 0.85
"""The share of a storage's free space that disks may take which reserve all of it at once."""

_QEMU_MIB, _THREAD_MIB, _SHARE, _SHARE_MOST_MIB = 64, 8, 32, 512


class Part(Enum):
    """What a row is about."""

    HOST = "host"
    CACHE = "ZFS cache"
    PAGES = "huge pages"
    VM = "vm"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """One line of the table.

    ``least_mib`` is what a balloon leaves at worst (None: nothing can be taken back), ``pinned`` what pins the memory
    (``hostpci0``, ``hugepages``; empty: nothing), ``note`` what a reader should know about the line.
    """

    name: str
    part: Part
    memory_mib: int
    overhead_mib: int = 0
    threads: int = 0
    least_mib: int | None = None
    pinned: str = ""
    firm: bool = True
    note: str = ""

    @property
    def whole_mib(self) -> int:
        """Return the memory with what QEMU itself takes."""
        return self.memory_mib + self.overhead_mib


@dataclass(frozen=True, slots=True)
class DiskSum:
    """How much new disks may take of a storage, in bytes. ``thin`` None means that it is not known."""

    storage: str
    needed: int
    free: int | None
    thin: bool | None


@dataclass(frozen=True, slots=True)
class Budget:
    """One node's table. ``memory_mib`` and ``node_threads`` are what it has; 0 means that it may not be seen."""

    node: str
    rows: tuple[BudgetRow, ...]
    sum_mib: int
    firm_mib: int
    memory_mib: int
    threads: int
    node_threads: int
    disks: tuple[DiskSum, ...] = ()

    @classmethod
    def of(
        cls, node: str, rows: Iterable[BudgetRow], *, memory_mib: int, threads: int, disks: Iterable[DiskSum] = ()
    ) -> Budget:
        """Return the table of these rows, with its sums."""
        found = tuple(rows)
        return cls(
            node=node,
            rows=found,
            sum_mib=sum(row.whole_mib for row in found),
            firm_mib=sum(row.whole_mib for row in found if row.firm),
            memory_mib=memory_mib,
            threads=sum(row.threads for row in found),
            node_threads=threads,
            disks=tuple(disks),
        )

    @property
    def least_mib(self) -> int:
        """Return the sum with every balloon at its minimum."""
        return sum(row.overhead_mib + (row.memory_mib if row.least_mib is None else row.least_mib) for row in self.rows)


@dataclass(frozen=True, slots=True)
class GuestSettings:
    """What the budget has to know about a VM of somebody else. ``balloon_mib`` 0 means no ballooning."""

    onboot: bool
    pinned: str = ""
    balloon_mib: int = 0


@dataclass(frozen=True, slots=True)
class NodeMore:
    """What is read about a node only where the budget depends on it.

    ``cpu`` is the processor's model name (empty: not read, or not to be seen), ``guests`` other VMs by VMID, ``thick``
    storages that reserve a disk's whole size, ``thin`` those that do not, ``displays`` PCI addresses of all graphics
    cards, ``taken`` those that VMs of the stack get whole, by VM.
    """

    cpu: str = ""
    guests: Mapping[int, GuestSettings] = field(default_factory=dict)
    thick: frozenset[str] = frozenset()
    thin: frozenset[str] = frozenset()
    displays: frozenset[str] = frozenset()
    taken: Mapping[str, frozenset[str]] = field(default_factory=dict)


def host_mib(memory_mib: int) -> int:
    """Return what the host itself gets on a node with this memory."""
    return min(HOST_MIB, memory_mib // 8)


def most_mib(memory_mib: int) -> int:
    """Return the largest VM of a node with this memory: twice the host's share stays (8 GiB on a large node)."""
    return memory_mib - 2 * host_mib(memory_mib)


def arc_mib(memory_mib: int, cap_mib: int | None) -> int:
    """Return how large the host's ZFS cache may grow; ``cap_mib`` is what the person set."""
    return cap_mib if cap_mib is not None else min(int(memory_mib * ARC_SHARE), ARC_MOST_MIB)


def overhead_mib(memory_mib: int, threads: int) -> int:
    """Return what a VM's QEMU takes beside the guest's memory.

    QEMU 10 with the devices of a Windows VM takes 35 to 38 MiB before its guest runs, whatever the guest's memory
    (measured), and the page tables of host and KVM take 1/512 of the memory each. In use, buffers of disks, network
    and display, the TPM's process and a stack for each virtual CPU come on top, so that this counts 64 MiB, 8 MiB for
    each CPU and 1/32 of the memory (at most 512 MiB): 432 MiB for 10 GiB and six CPUs.
    """
    return _QEMU_MIB + _THREAD_MIB * threads + min(memory_mib // _SHARE, _SHARE_MOST_MIB)


def gib(mib: int) -> str:
    """Return MiB as GiB with one decimal."""
    return f"{mib / 1024:.1f}"


def sum_text(rows: Iterable[BudgetRow]) -> str:
    """Return the rows as an addition: ``host 4.0 + win-work 10.3``."""
    return " + ".join(f"{row.name} {gib(row.whole_mib)}" for row in rows)


def judge(budget: Budget) -> tuple[list[str], list[str]]:
    """Return what cannot work and what is only unwise about one node's sums."""
    refused, notes = _memory(budget) if budget.memory_mib else ([], [])
    if 0 < THREADS_FACTOR * budget.node_threads < budget.threads:
        notes.append(
            f"{budget.node}: {budget.threads} virtual CPUs on {budget.node_threads} threads, more than "
            f"{THREADS_FACTOR} on each: the VMs will wait for each other"
        )
    return refused + _disks(budget), notes


def _memory(budget: Budget) -> tuple[list[str], list[str]]:
    has, node = budget.memory_mib, budget.node
    most = most_mib(has)
    large = [row for row in budget.rows if row.part is Part.VM and row.memory_mib > most]
    refused = [
        f"{row.name}: {gib(row.memory_mib)} GiB of memory, and {node} has {gib(has)} GiB, of which no VM should get "
        f"more than {gib(most)}. Write memory: {most // 1024 or 1}GiB or less"
        for row in large
    ]
    if budget.firm_mib > has:
        firm = [row for row in budget.rows if row.firm]
        refused.append(
            f"{node}: what starts with the node, or cannot give memory back, needs {gib(budget.firm_mib)} GiB, and it "
            f"has {gib(has)} GiB ({sum_text(firm)} = {gib(budget.firm_mib)}). Give VMs less memory, write start: "
            "{auto: false} for some, or place some on another node"
        )
    elif budget.sum_mib > FULL * has:
        share = f"{100 * budget.sum_mib / has:.0f} % of its {gib(has)} GiB"
        balloons = "" if budget.least_mib == budget.sum_mib else f", {gib(budget.least_mib)} with every balloon full"
        return refused, [f"{node}: {share} are spoken for ({sum_text(budget.rows)} = {gib(budget.sum_mib)}{balloons})"]
    return refused, []


def _disks(budget: Budget) -> list[str]:
    gigabyte = 1 << 30
    return [
        f"{budget.node}: new disks on {disk.storage} take {disk.needed / gigabyte:.1f} GiB at once, and of its "
        f"{disk.free / gigabyte:.1f} GiB free at most {DISK_SHARE * 100:.0f} % should be used. Make disks smaller, or "
        "use another storage"
        for disk in budget.disks
        if disk.thin is False and disk.free is not None and disk.needed > DISK_SHARE * disk.free
    ]
