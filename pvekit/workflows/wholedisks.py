"""Looks at disks of a node before they are given to a VM whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pvekit.model.stack.home import PoolDisk
from pvekit.provision.rootstep.plan import Inspect

if TYPE_CHECKING:
    from pvekit.adapters.nodessh import Nodes


def inspector(doors: Nodes) -> Inspect:
    """Return what says why disks of a node may not be given to a VM."""

    def inspect(node: str, disks: Sequence[PoolDisk]) -> Sequence[str]:
        _ = doors.door(node)
        return [f"{disk.serial}: this version cannot look at whole disks yet" for disk in disks]

    return inspect
