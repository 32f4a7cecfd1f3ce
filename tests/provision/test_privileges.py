"""Which privileges a plan takes, what of them is lacking, and the pveum lines that grant it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pvekit.model.desired import DesiredVm
from pvekit.model.facts import Facts
from pvekit.model.plan import Plan
from pvekit.provision.diff import plan_for
from pvekit.provision.placement import place
from pvekit.provision.privileges import missing, needs, pveum_lines
from pvekit.provision.rights import privilege_of, root_only
from tests.provision.world import cases, desired_of, facts_of, permissions_of, stack_of

CASES = Path(__file__).parent / "cases" / "privileges"


def planned(case: dict[str, Any]) -> tuple[Plan, dict[str, DesiredVm], Facts]:
    stack = stack_of(case["vms"], case.get("defaults"))
    facts = facts_of(case, stack)
    vms = place(desired_of(stack), facts)
    return plan_for(stack.name, vms, facts), {vm.name: vm for vm in vms}, facts


def outcome(case: dict[str, Any]) -> str:
    """Return what is lacking and the commands, for every version that the case names."""
    plan, vms, facts = planned(case)
    vmids = {name: own.row.vmid for name, own in facts.own.items()}
    permissions = permissions_of(case["permissions"])
    lines = []
    for version in case.get("versions", ["9.2.11"]):
        numbers = tuple(int(part) for part in version.split("."))
        lacking = missing(needs(plan.actions, vms, numbers, vmids), permissions)
        lines.append(f"{version}:")
        lines += [f"  {need.path} {need.privilege}: {need.purpose}" for need in lacking]
        lines += [f"  {line}" for line in pveum_lines(lacking, case.get("token", "kit@pve!ci"), permissions)]
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("case", cases(CASES))
def test_privileges(case: dict[str, Any]) -> None:
    assert outcome(case) == case["lacking"]


KEYS = {
    "VM.Config.CPU": ["cores", "numa0", "numa", "cpulimit"],
    "VM.Config.Memory": ["memory", "balloon"],
    "VM.Config.Disk": ["scsi0", "virtio15", "sata5", "efidisk0", "tpmstate0", "boot", "ide2"],
    "VM.Config.Network": ["net0", "net31"],
    "VM.Config.HWType": ["machine", "serial0", "rng0", "vga", "smbios1"],
    "VM.Config.Options": ["name", "tags", "description", "bios", "agent", "startup", "onboot"],
    "VM.PowerMgmt": ["freeze"],
}


@pytest.mark.parametrize(("privilege", "key"), [(privilege, key) for privilege, keys in KEYS.items() for key in keys])
def test_privilege_of_a_key(privilege: str, key: str) -> None:
    """As qemu-server's check_vm_modify_config_perm has it."""
    assert privilege_of(key) == privilege
    assert not root_only(key, "socket")


@pytest.mark.parametrize("key", ["args", "hookscript", "affinity", "hugepages", "vmgenid", "ivshmem", "lock", "net"])
def test_keys_that_only_root_may_set(key: str) -> None:
    assert root_only(key, "x")


def test_a_real_serial_port_is_for_root() -> None:
    assert root_only("serial0", "/dev/ttyS0")
    assert not root_only("serial0", None)
