"""MAC addresses, seeds and the numbers that others read off a desired VM."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvekit import guests
from pvekit.model.desired import DesiredVm, mac_for
from tests.model_core.test_mark import NAMES
from tests.provision.world import stack_of


@given(NAMES, NAMES, st.integers(0, 31))
def test_macs_are_proxmox_own_and_always_the_same(stack: str, vm: str, index: int) -> None:
    mac = mac_for(stack, vm, index)
    assert re.fullmatch(r"BC:24:11(:[0-9A-F]{2}){3}", mac)
    assert int(mac[:2], 16) & 0b11 == 0, "neither multicast nor locally administered: Proxmox's own range"
    assert mac_for(stack, vm, index) == mac


def test_macs_of_a_large_home_are_all_different() -> None:
    macs = [
        mac_for(stack, f"vm-{number}", nic) for stack in ("home", "lab") for number in range(60) for nic in range(4)
    ]
    assert len(set(macs)) == len(macs)


def test_names_do_not_run_into_each_other() -> None:
    assert len({mac_for("a", "b-c", 1), mac_for("a-b", "c", 1), mac_for("a", "b-c1", 0), mac_for("a", "b-c", 11)}) == 4


def make(**fields: Any) -> DesiredVm:
    stack = stack_of({"web": fields})
    return guests.desired(stack, stack.vms[0])


@pytest.mark.parametrize(("cores", "sockets", "threads"), [(1, 1, 1), (4, 2, 8)])
def test_threads(cores: int, sockets: int, threads: int) -> None:
    assert make(cores=cores, sockets=sockets).threads == threads


def test_memory() -> None:
    assert make(memory="1.5GiB").memory_mib == 1536


def test_the_seed_renders_with_every_key_once() -> None:
    vm = make()
    assert vm.seed is not None
    seed = vm.seed.with_keys(("ssh-ed25519 AAAA a", "ssh-ed25519 AAAA a", "ssh-ed25519 BBBB b"))
    assert seed.ssh_keys == ("ssh-ed25519 AAAA a", "ssh-ed25519 BBBB b")
    made = seed.render()
    assert not made.has_secrets
    assert made.user_data.count("ssh-ed25519 AAAA a") == 1
    assert "instance-id: pvekit-home-web" in made.meta_data
    assert seed.render("geheim").has_secrets
    assert "geheim" in seed.render("geheim").user_data
    assert "geheim" not in repr(seed.render("geheim"))
