"""What a VM of the stack file becomes in PVE's terms: exact configuration, disks, seed and playbook inputs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit import guests
from pvekit.model.desired import DesiredSeed, DesiredVm
from pvekit.model.stack import Stack
from tests.provision.world import cases, stack_of

CASES = Path(__file__).parent / "cases"


def outcome(case: dict[str, Any]) -> str:
    """Return the desired VM as YAML, without what is empty."""
    stack = stack_of(case["vms"], case.get("defaults"))
    (vm,) = stack.vms
    return yaml.safe_dump(_shown(guests.desired(stack, vm)), sort_keys=False, width=200)


def _shown(vm: DesiredVm) -> dict[str, Any]:
    found: dict[str, Any] = {"config": dict(sorted(vm.config.items()))}
    found["disks"] = {
        disk.slot: f"{disk.size_bytes} on {disk.storage} from {disk.image or 'nothing'}"
        + "".join(f", {key}={value}" for key, value in sorted(disk.options.items()))
        + (f", format={disk.format}" if disk.format else "")
        for disk in vm.disks
    }
    found["create_only"] = dict(vm.create_only)
    for name in ("node", "vmid", "pool", "running", "user", "static", "description", "ready_ports", "left"):
        value = getattr(vm, name)
        found[name] = sorted(value) if isinstance(value, (frozenset, tuple)) else value
    found["seed"] = _seed(vm.seed) if vm.seed else None
    found["playbooks"] = list(vm.provisioning.playbooks)
    found["variables"] = dict(vm.provisioning.variables)
    found["secrets"] = {key: str(value) for key, value in vm.provisioning.secrets.items()}
    found["patience_s"] = vm.patience.agent
    return {key: value for key, value in found.items() if value not in (None, "", [], {})}


def _seed(seed: DesiredSeed) -> dict[str, Any]:
    found = {
        "hostname": seed.hostname,
        "instance_id": seed.instance_id,
        "user": seed.user,
        "password": str(seed.password) if seed.password else "",
        "ssh_keys": [key.rpartition(" ")[2] for key in seed.ssh_keys],
        "nics": [
            ", ".join(f"{key}={value}" for key, value in dataclasses.asdict(nic).items() if value not in (None, "", ()))
            for nic in seed.nics
        ],
        "dns": list(seed.dns),
        "search": list(seed.search),
        "user_data": dict(seed.user_data),
    }
    return {key: value for key, value in found.items() if value not in ("", [], {})}


@pytest.mark.parametrize("case", cases(CASES))
def test_desired(case: dict[str, Any]) -> None:
    assert yaml.safe_load(outcome(case)) == yaml.safe_load(case["desired"])


def make(**fields: Any) -> tuple[Stack, DesiredVm]:
    stack = stack_of({"web": fields})
    return stack, guests.desired(stack, stack.vms[0])


def test_every_module_of_the_folder_is_a_kind() -> None:
    assert guests.kinds() >= {"debian", "ubuntu", "windows"}
    for kind in ("debian", "ubuntu"):
        _, vm = make(kind=kind)
        assert (vm.kind, vm.tags) == (kind, ("pvekit.home", "pvekit.home.web"))


DIGEST_CHANGES: list[dict[str, Any]] = [
    {"packages": ["jq"]},
    {"timezone": "Europe/Berlin"},
    {"updates": "none"},
    {"user": "me"},
    {"agent": False},
    {"users": [{"name": "anna"}]},
    {"ansible": {"vars": {"a": 1}}},
    {"ansible": {"vars": {"a": {"deep": [{"secret": "env:A"}]}}}},
    {"ansible": {"vars": {"a": {"deep": [{"secret": "env:B"}]}}}},
    {"ansible": {"playbooks": ["site.yml"]}},
]


def test_the_digest_changes_with_every_input_of_the_playbooks() -> None:
    digests = [make(**fields)[1].provisioning.digest for fields in ({}, *DIGEST_CHANGES)]
    assert len(set(digests)) == len(digests)


def test_the_digest_stays_with_everything_else() -> None:
    _, plain = make()
    _, other = make(cores=8, memory="4GiB", tags=["a"], description="x", node="pve2", state="stopped")
    assert plain.provisioning.digest == other.provisioning.digest


def test_secrets_stay_apart_at_any_depth() -> None:
    secret = {"secret": "env:TOKEN"}
    _, vm = make(ansible={"vars": {"plain": [1, {"a": 2}], "top": secret, "deep": [{"a": {"b": [secret]}}]}})
    assert set(vm.provisioning.secrets) == {"top", "deep"}
    assert vm.provisioning.variables["plain"] == [1, {"a": 2}]
    assert "TOKEN" not in str(vm.provisioning.variables)


def test_the_boot_order_is_known_even_when_it_is_left_alone() -> None:
    """Settling writes it whenever the seed is detached."""
    _, vm = make(disks=[{"size": "1GiB", "slot": "virtio1"}], pve={"boot": None})
    assert "boot" not in vm.config
    assert vm.boot == "order=virtio1"
