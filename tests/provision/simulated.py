"""A VM as a real PVE 9.2 keeps it after pvekit created it, first booted it and provisioned it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from pvekit.model.desired import DesiredVm
from pvekit.model.facts import VmFacts, VmRow
from pvekit.model.mark import Mark, Stage, vmid_for, write
from pvekit.model.plan import Action, Verb
from pvekit.model.units import MIB, format_pve_size

FIRMWARE = {"efidisk0": "efitype=4m,ms-cert=2023k,{keys},size=4M", "tpmstate0": "size=4M,version=v2.0"}


def stored_config(vm: DesiredVm, vmid: int) -> dict[str, str]:
    """Return the configuration: what was sent, and what PVE adds (sizes, volumes, identities)."""
    config = {key: value for key, value in vm.config.items() if key != "tags"}
    config["tags"] = ";".join(sorted(vm.config["tags"].split(";")))
    for number, disk in enumerate(vm.disks):
        options = {**disk.options, "size": format_pve_size(disk.size_bytes)}
        text = ",".join(f"{key}={value}" for key, value in sorted(options.items()))
        config[disk.slot] = f"{disk.storage}:vm-{vmid}-disk-{number},{text}"
    for key, value in vm.create_only.items():
        storage, _, rest = value.partition(":")
        keys = rest.rpartition(",")[2]
        config[key] = f"{storage}:vm-{vmid}-{key},{FIRMWARE[key].format(keys=keys)}"
    config["meta"] = "creation-qemu=10.1.2,ctime=1764034812"
    config["smbios1"] = config.get("smbios1", "uuid=5e6b1b4c-5b0a-4d5a-9a55-6d0d2f1c6c57")
    config["vmgenid"] = "0f3b7c1e-2b41-4c9f-8b0e-6f4c7f0a9c11"
    if vm.seed is not None:
        config["ide2"] = "none,media=cdrom"
    return config


def stored(
    vm: DesiredVm, stack: str, *, stage: Stage = Stage.READY, node: str = "pve", vmid: int = 0, seed: str = ""
) -> VmFacts:
    """Return the VM's facts as far as ``stage``; at READY the mark has the digest of what was provisioned."""
    vmid = vmid or vm.vmid or vmid_for(stack, vm.name)
    digest = vm.provisioning.digest if stage is Stage.READY else ""
    mark = Mark(stack, vm.name, vm.kind, stage, provision=digest, host_key="ssh-ed25519 AAAA", seed=seed)
    config = {**stored_config(vm, vmid), "description": write(vm.description, mark)}
    if seed:
        config["ide2"] = f"{seed},media=cdrom"
    row = VmRow(
        vmid=vmid,
        node=node,
        name=vm.config.get("name", ""),
        running=vm.running,
        tags=frozenset(config["tags"].split(";")),
        lock="",
        memory=vm.memory_mib * MIB,
        threads=vm.threads,
        pool=vm.pool,
    )
    return facts_of(row, config, mark)


def facts_of(row: VmRow, config: Mapping[str, str], mark: Mark | None) -> VmFacts:
    """Return facts with the digest that belongs to the configuration, and nothing pending."""
    text = "".join(f"{key}: {value}\n" for key, value in sorted(config.items()))
    return VmFacts(row, dict(config), {}, frozenset(), hashlib.sha1(text.encode()).hexdigest(), mark)


def changed(facts: VmFacts, values: Mapping[str, str | None]) -> VmFacts:
    """Return the facts with other values in the configuration; None removes a key."""
    config = {key: value for key, value in {**facts.config, **values}.items() if value is not None}
    return replace(facts_of(facts.row, config, facts.mark), pending=facts.pending, removed=facts.removed)


def written(vm: DesiredVm, facts: VmFacts, actions: Iterable[Action]) -> VmFacts:
    """Return the VM after its configuration was written, disks were grown, and it was restarted."""
    made = stored_config(vm, facts.row.vmid)
    config = dict(facts.wanted)
    for action in actions:
        for change in action.changes:
            if action.verb is Verb.RESIZE:
                config[change.target] = re.sub(r"size=\w+", f"size={change.after}", config[change.target])
            elif change.after is None:
                del config[change.target]
            elif change.target == "description" and facts.mark is not None:
                config["description"] = write(change.after, facts.mark)
            elif change.before is None and change.target in {*vm.create_only, *(disk.slot for disk in vm.disks)}:
                config[change.target] = made[change.target]
            else:
                config[change.target] = change.after
    return facts_of(facts.row, config, facts.mark)
