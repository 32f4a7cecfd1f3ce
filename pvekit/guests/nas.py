"""A file server from a cloud image: a pool on data disks, shares by SMB and NFSv4, snapshots."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from pvekit.guests._cloud import BASE_PLAYBOOK, cloud_vm
from pvekit.guests._linux import unit_name
from pvekit.model.desired import DesiredVm, Provisioning
from pvekit.model.stack import Stack, Vm
from pvekit.model.stack.home import Nas, Pool, Share

NAS_PLAYBOOK = "nas.yml"
NFS_ROOT = "/srv/nfs"


def desired(stack: Stack, vm: Vm) -> DesiredVm:
    """Return the VM as a NAS. Disks with a by-id name are whole disks of the node, attached by the root step."""
    assert vm.nas is not None  # noqa: S101 - a NAS of a valid stack has it
    made = cloud_vm(stack, vm)
    pool = vm.nas.pool
    return replace(
        made,
        provisioning=replace(_provisioning(made.provisioning, vm.nas), promises=_promises(vm.name, pool)),
        raw_disks=tuple(disk for disk in pool.disks if disk.by_id is not None),
    )


def _promises(name: str, pool: Pool) -> tuple[str, ...]:
    """Return what the plan says about disks that may be made into a pool."""
    if not pool.create_on:
        return ()
    become = "is empty, it becomes" if len(pool.create_on) == 1 else "are empty, they become"
    return (f"{name}: if {', '.join(pool.create_on)} {become} the pool {pool.name}",)


def _provisioning(base: Provisioning, nas: Nas) -> Provisioning:
    """Return the base with the NAS's playbook after it, before the person's own."""
    first = base.playbooks.index(BASE_PLAYBOOK) + 1
    playbooks = (*base.playbooks[:first], NAS_PLAYBOOK, *base.playbooks[first:])
    variables = {**base.variables, "pvekit_nas": settings(nas)}
    # By user: a name is no secret, and would be struck out of every message if it were a value.
    secrets: dict[str, Any] = {**base.secrets, "pvekit_nas_passwords": {u.name: u.password for u in nas.users}}
    if nas.alert.password is not None:
        secrets["pvekit_nas_alert_password"] = nas.alert.password
    inputs = json.dumps([base.digest, playbooks, variables["pvekit_nas"], secrets], sort_keys=True, default=str)
    digest = hashlib.sha256(inputs.encode()).hexdigest()[:16]
    return replace(base, playbooks=playbooks, variables=variables, secrets=secrets, digest=digest)


def settings(nas: Nas) -> dict[str, Any]:
    """Return the variable ``pvekit_nas`` of nas.yml: everything but the secrets."""
    return {
        "pool": _pool(nas.pool),
        "users": [{"name": user.name, "quota": user.quota_bytes} for user in nas.users],
        "shares": [_share(share) for share in nas.shares],
        "snapshots": {
            "hourly": nas.snapshots.hourly,
            "daily": nas.snapshots.daily,
            "monthly": nas.snapshots.monthly,
        },
        "scrub": nas.scrub,
        "alert": {
            "mail": nas.alert.mail,
            "server": nas.alert.server,
            "user": nas.alert.user,
            "command": nas.alert.command,
        },
        "workgroup": nas.workgroup,
    }


def _pool(pool: Pool) -> dict[str, Any]:
    return {
        "name": pool.name,
        "layout": pool.layout,
        "filesystem": pool.filesystem,
        "mount": f"/srv/{pool.name}",
        "disks": [
            {"serial": disk.serial, "size": disk.size_bytes} | ({"by_id": disk.by_id} if disk.by_id else {})
            for disk in pool.disks
        ],
        "create_on": list(pool.create_on),
    }


def _share(share: Share) -> dict[str, Any]:
    return {
        "name": share.name,
        "users": list(share.users),
        "readers": list(share.readers),
        "smb": share.smb,
        "nfs": list(share.nfs),
        "quota": share.quota_bytes,
        "time_machine": share.time_machine,
        "comment": share.comment,
        "bind_unit": f"{unit_name(f'{NFS_ROOT}/{share.name}')}.mount",
    }
