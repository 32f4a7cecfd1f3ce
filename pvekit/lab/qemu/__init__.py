"""The metal half of the embedded node: QEMU processes, their disks, and the channels into them."""

from pvekit.lab.qemu.disks import QemuDisks
from pvekit.lab.qemu.machines import QemuMachines

__all__ = ["QemuDisks", "QemuMachines"]
