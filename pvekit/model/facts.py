"""What a plan is made from: how the cluster is now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pvekit.model.mark import Mark
from pvekit.model.missing import Missing


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node. Memory in bytes, ``threads`` the logical CPUs."""

    name: str
    online: bool
    threads: int
    memory: int
    memory_used: int


@dataclass(frozen=True, slots=True)
class StorageFacts:
    """One storage as one node sees it.

    Sizes in bytes, ``content`` what it may hold (``images``, ``iso`` ...), ``plugin`` its type (``dir``, ``lvmthin``).
    """

    name: str
    node: str
    active: bool
    shared: bool
    content: frozenset[str]
    size: int
    used: int
    plugin: str = ""

    @property
    def free(self) -> int:
        """Return the free bytes."""
        return max(0, self.size - self.used)

    @property
    def files(self) -> bool:
        """Return whether disks are files there, which PVE makes raw unless told: no snapshots, no thin growth."""
        return self.plugin in {"dir", "nfs", "cifs", "btrfs", "cephfs", "glusterfs"}


@dataclass(frozen=True, slots=True)
class VmRow:
    """One VM as ``/cluster/resources`` shows it. ``kind`` is ``qemu``, or ``lxc`` for a container."""

    vmid: int
    node: str
    name: str
    running: bool
    tags: frozenset[str]
    lock: str
    memory: int
    threads: int
    pool: str = ""
    kind: str = "qemu"
    template: bool = False


@dataclass(frozen=True, slots=True)
class VmFacts:
    """One VM of the stack, with its configuration.

    ``config`` is what runs now, ``pending`` what waits for a restart, ``removed`` the keys that the restart removes.
    """

    row: VmRow
    config: Mapping[str, str]
    pending: Mapping[str, str]
    removed: frozenset[str]
    digest: str
    mark: Mark | None

    @property
    def wanted(self) -> Mapping[str, str]:
        """Return the configuration as it will be after a restart."""
        kept = {key: value for key, value in self.config.items() if key not in self.removed}
        return {**kept, **self.pending}


@dataclass(frozen=True, slots=True)
class Facts:
    """The cluster: nodes, storages, all VMs, and the stack's own VMs by their name in the stack.

    ``strays`` carry the stack's tag but are not in the stack file any more.
    """

    nodes: Mapping[str, NodeFacts]
    storages: tuple[StorageFacts, ...]
    rows: tuple[VmRow, ...]
    own: Mapping[str, VmFacts]
    strays: Mapping[str, VmRow] = field(default_factory=dict)

    def storage(self, name: str, node: str) -> StorageFacts | None:
        """Return a storage as that node sees it; None when it has no such storage."""
        return next((s for s in self.storages if s.name == name and s.node == node), None)


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What is only read when there is something to do.

    ``bridges`` by node, ``permissions`` the token's privileges by path (value: whether they propagate), ``version``
    as numbers.
    """

    version: tuple[int, ...]
    permissions: Mapping[str, Mapping[str, bool]] | Missing
    bridges: Mapping[str, frozenset[str] | Missing]
