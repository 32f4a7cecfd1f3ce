"""Looks at disks of a node before they are given to a VM whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pvekit.adapters import inspect as look
from pvekit.model.datadisk import Claim
from pvekit.model.diskjudge import attachable
from pvekit.model.errors import TaskFailed
from pvekit.model.stack.home import PoolDisk
from pvekit.provision.rootstep.plan import Inspect

if TYPE_CHECKING:
    from pvekit.adapters.nodessh import Nodes


def inspector(doors: Nodes) -> Inspect:
    """Return what says why disks of a node may not be given to a VM."""

    def inspect(node: str, disks: Sequence[PoolDisk]) -> Sequence[str]:
        text = doors.door(node).run(look.COMMAND, stdin=look.script().read_bytes(), timeout=300.0)
        try:
            machine = look.parse(text)
        except ValueError as error:
            raise TaskFailed(str(error), where=node, hint="Does a login script of root print something?") from error
        return attachable([Claim(disk.serial, disk.size_bytes, disk.by_id) for disk in disks], machine)

    return inspect
