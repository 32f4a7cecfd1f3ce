"""Debian from a cloud image: cloud-init, guest agent, SSH."""

from __future__ import annotations

from pvekit.guests._cloud import cloud_vm
from pvekit.model.desired import DesiredVm
from pvekit.model.stack import Stack, Vm


def desired(stack: Stack, vm: Vm) -> DesiredVm:
    """Return the VM as Debian's cloud images want it."""
    return cloud_vm(stack, vm)
