"""A VM as the doors see it: its configuration in force with the path of every volume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pvekit.lab.doors import VmStart
from pvekit.lab.vm.drives import volumes
from pvekit.lab.vm.mappings import passed
from pvekit.lab.vm.vms import Vm

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab


def address(vmid: int) -> str:
    """Return the loopback address that the guest's ports are forwarded to."""
    return f"127.77.{vmid >> 8 & 255}.{vmid & 255}"


def vm_start(lab: Lab, vm: Vm, config: Mapping[str, str] | None = None) -> VmStart:
    """Return what the doors need to start or change the VM."""
    used = dict(vm.config if config is None else config)
    paths = {volume: lab.storages.path_of(volume) for volume in volumes(used).values()}
    cards = {key: found for key in used if key.startswith("hostpci") and (found := passed(lab, vm.node, used[key]))}
    return VmStart(vm.vmid, vm.name, used, paths, address(vm.vmid), cards)
