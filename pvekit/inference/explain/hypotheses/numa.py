"""Memory or threads on the wrong NUMA node, or Cluster-on-Die.

With two sockets, or one that is split in two, half of all reads cross to the other side when memory lies on one node
and threads run on both. A VM over two nodes does not know, unless `numa: 1` and sockets tell it.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.weighed import Side, Weighed, because

TITLE = "memory lies on another NUMA node than the threads"
SIDE = Side.CPU
PRIOR = 0.08
REMEDY = (
    "Pin threads and memory to one node (numactl, or affinity and numa: 1 of the VM), or start with --numa distribute."
)


def judge(case: Case) -> Weighed | None:
    """Weigh it: more than one node, and a VM or program that is spread over them."""
    sockets = case.seen.hardware.cpu.sockets if case.seen.hardware else 1
    nodes = case.host.numa_nodes
    if case.host.numa_split is False or nodes == 1:
        return Weighed(None, False, (because("all lies on one node", -9.0, case.where("host.numa_nodes")),))
    if case.host.numa_split:
        words = "processors and memory are spread over NUMA nodes, and the guest does not know"
        return Weighed((0.35, 0.8), True, (because(words, 1.0, case.where("host.numa_split")),), factor=1.8)
    said = case.sign("nodes_matter")
    if (nodes or 0) < 2 and sockets < 2 and said is None:
        return None
    evidence = []
    if (nodes or 0) > 1 or sockets > 1:
        evidence.append(because(f"there are {max(nodes or 0, sockets)} nodes", 0.7))
    if said is not None:
        evidence.append(because("the placement on NUMA nodes is said to matter", 2.5, said))
    return Weighed((0.35, 0.9), None, tuple(evidence), ("host.numa_split",), factor=1.6)
