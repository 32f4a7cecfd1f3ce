"""What a VM of the stack file becomes in PVE's terms: exact configuration, disks, seed and playbook inputs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit import guests
from pvekit.model.desired import SETUP_SLOT, DesiredSeed, DesiredVm
from pvekit.model.properties.compare import codec
from pvekit.model.stack import Stack
from tests.helpers.schema import violations
from tests.provision.world import cases, stack_of

CASES = Path(__file__).parent / "cases"


def outcome(case: dict[str, Any]) -> str:
    """Return the first VM as it is desired, as YAML, without what is empty."""
    stack = stack_of(case["vms"], case.get("defaults"), gpus=case.get("gpus", {}))
    vm = stack.vms[0]
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
    found["raw_disks"] = [f"{disk.serial}, {disk.by_id}, {disk.size_bytes} bytes" for disk in vm.raw_disks]
    found["install"] = f"{vm.install.iso}, until then boot {vm.at(None).config['boot']}" if vm.install else None
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


@pytest.mark.parametrize("case", cases(CASES))
def test_pve_takes_the_configuration(case: dict[str, Any]) -> None:
    """As the create call would send it: by PVE's own schema, and every property string by its codec."""
    stack = stack_of(case["vms"], case.get("defaults"), gpus=case.get("gpus", {}))
    vm = guests.desired(stack, stack.vms[0])
    wanted = vm.at(None)
    body = {**wanted.config, **wanted.create_only, "vmid": "100"}
    body |= {
        disk.slot: ",".join([f"{disk.storage}:1", *(f"{k}={v}" for k, v in disk.options.items())]) for disk in vm.disks
    }
    body |= {vm.seed_slot: "local:iso/seed.iso,media=cdrom"} if vm.first_boot else {}
    body |= {SETUP_SLOT: "local:iso/setup.iso,media=cdrom"} if vm.install else {}
    assert violations("POST", "/nodes/pve/qemu", body) == {}
    for key, value in body.items():
        kind = codec(key)
        assert kind is None or kind.parse(str(kind.parse(value))) == kind.parse(value), key


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
