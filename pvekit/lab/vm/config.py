"""Reading and changing a VM's configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pvekit.lab import formats
from pvekit.lab.access.permissions import may
from pvekit.lab.call import Call
from pvekit.lab.errors import bad, broken
from pvekit.lab.params import Param, flag, integer, text
from pvekit.lab.router import route
from pvekit.lab.tasks import Task
from pvekit.lab.vm.change import Change, apply_change
from pvekit.lab.vm.guards import ANY_CONFIG, check_keys, check_ssh_keys, check_storages
from pvekit.lab.vm.keys import CONFIG, typed
from pvekit.lab.vm.vms import Snapshot, Vm

AUDIT = may("/vms/{vmid}", "VM.Audit")
_WRITE: Mapping[str, Param] = {
    **CONFIG,
    "delete": text(),
    "revert": text(),
    "digest": text(longest=40),
    "force": flag(),
    "skiplock": flag(),
}
MASK = "**********"


def shown(config: Mapping[str, str]) -> dict[str, Any]:
    """Return a configuration as answers show it, the password masked."""
    return {key: MASK if key == "cipassword" else typed(key, value) for key, value in config.items()}


@route(
    "GET", "/nodes/{node}/qemu/{vmid}/config", check=AUDIT,
    params={"current": flag(), "snapshot": text(check=formats.config_id, longest=40)},
)  # fmt: skip
def read(call: Call) -> dict[str, Any]:
    """Return the configuration, pending changes merged in unless ``current`` is set."""
    vm = call.lab.vms.get(call.vmid, call.node)
    name = call.get("snapshot")
    if name:
        if name not in vm.snapshots:
            raise broken(f"snapshot '{name}' does not exist")
        return {**snapshot_fields(vm.snapshots[name]), "digest": vm.digest}
    answer = shown(vm.config if call.flag("current") else vm.effective)
    answer["digest"] = vm.digest
    if vm.parent:
        answer["parent"] = vm.parent
    return answer


def snapshot_fields(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot's configuration as answers show it."""
    fields = shown(snapshot.config)
    fields["snaptime"] = snapshot.time
    if snapshot.description:
        fields["description"] = snapshot.description
    if snapshot.parent:
        fields["parent"] = snapshot.parent
    return fields


@route("GET", "/nodes/{node}/qemu/{vmid}/pending", check=AUDIT)
def pending(call: Call) -> list[dict[str, Any]]:
    """Return every key with its value in force, its pending value and whether it is to be deleted."""
    vm = call.lab.vms.get(call.vmid, call.node)
    now, later = shown(vm.config), shown(vm.pending)
    rows: list[dict[str, Any]] = [{"key": "digest", "value": vm.digest}]
    for key in [*now, *(key for key in later if key not in now)]:
        row: dict[str, Any] = {"key": key}
        if key in now:
            row["value"] = now[key]
        if key in later:
            row["pending"] = later[key]
        if key in vm.deletions:
            row["delete"] = 1
        rows.append(row)
    return rows


@route("PUT", "/nodes/{node}/qemu/{vmid}/config", params=_WRITE, check=may("/vms/{vmid}", *ANY_CONFIG))
def write(call: Call) -> None:
    """Change the configuration before answering."""
    change = prepare(call)
    apply_change(call.lab, call.vmid, change, log=lambda _line: None)


@route(
    "POST", "/nodes/{node}/qemu/{vmid}/config", check=may("/vms/{vmid}", *ANY_CONFIG),
    params={**_WRITE, "background_delay": integer(1, 30), "import-working-storage": text(check=formats.storage_id)},
)  # fmt: skip
def write_later(call: Call) -> str:
    """Change the configuration in a task."""
    change = prepare(call)
    told = " ".join(f"-{key} {MASK if key == 'cipassword' else value}" for key, value in change.values.items())

    def work(task: Task) -> None:
        task.log(f"update VM {call.vmid}: {told}".rstrip())
        apply_change(call.lab, call.vmid, change, log=task.log, task=task)

    return call.lab.tasks.start(call.lab, "qmconfig", str(call.vmid), call.caller.auth_id, work, node=call.node)


def prepare(call: Call) -> Change:
    """Return what the request wants changed; Refused if the caller may not or it makes no sense."""
    vm = call.lab.vms.get(call.vmid, call.node)
    values = {key: value for key, value in call.params.items() if key in CONFIG}
    if "cdrom" in values:
        values["ide2"] = values.pop("cdrom")
    removals = formats.words(call.get("delete"))
    reverts = formats.words(call.get("revert"))
    skip = call.flag("skiplock")
    if skip and not call.caller.is_root:
        raise bad(skiplock="Only root may use this option.")
    if not values and not removals and not reverts:
        raise broken("no options specified")
    _check_removals(values, removals, "delete")
    _check_removals(values, reverts, "revert")
    check_keys(call, vm.vmid, values, removals)
    check_storages(call, vm.vmid, values)
    if "sshkeys" in values:
        check_ssh_keys(values["sshkeys"])
    demand_changeable(vm, call.get("digest"), skip=skip)
    return Change(values, tuple(removals), tuple(reverts), call.get("digest"), skip, call.flag("force"))


def _check_removals(values: Mapping[str, str], names: list[str], param: str) -> None:
    for name in names:
        if name not in CONFIG and not re.fullmatch(r"unused\d+|vmstate", name):
            raise bad(**{param: f"unknown option '{name}'"})
        if name in values:
            raise bad(**{param: f"you can't use '-{name}' and -{param} {name}' at the same time"})


def demand_changeable(vm: Vm, digest: str, *, skip: bool) -> None:
    """Raise if the caller saw another state of the VM, or it is locked."""
    vm.demand_digest(digest)
    if not skip:
        vm.demand_unlocked()
