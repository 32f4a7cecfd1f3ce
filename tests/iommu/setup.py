"""Puts the host into a state: configuration files, kernel options, initramfs, hardware; then a fresh start."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tests.iommu.host import Host
from tests.iommu.machine import Machine

_PLACES = (
    *("/etc/modprobe.d/vfio.conf", "/etc/modprobe.d/vfio", "/etc/modprobe.d/display.conf"),
    *("/etc/modules-load.d/vfio.conf", "/etc/initramfs-tools/modules"),
)
_GRUB = "/etc/default/grub"
_RUNS = ("/etc/pve", "/var/log/pve")


def configure(
    host: Host, files: Mapping[str, str] | None = None, *, options: str = "", rebuild: bool = False,
    machine: Mapping[str, Any] | None = None,
) -> dict[str, float]:  # fmt: skip
    """Set it up from nothing and start it anew; return the seconds of each step that took any."""
    took = {}
    written = files or {}
    if not host.on:
        took["start"] = host.start(Machine())
    gone = [path for path in _PLACES if path not in written]
    host.sh(f"rm -rf {' '.join((*gone, *_RUNS))}")
    for path, text in written.items():
        host.put(path, text)
    line = f'GRUB_CMDLINE_LINUX_DEFAULT="{f"quiet {options}".strip()}"'
    if line not in host.sh(f"cat {_GRUB}"):
        host.sh(f"sed -i 's/^GRUB_CMDLINE_LINUX_DEFAULT=.*/{line}/' {_GRUB}")
        took["update-grub"] = host.timed("update-grub")
    if rebuild:
        took["update-initramfs"] = host.timed("update-initramfs -u")
    else:
        host.sh("touch /boot/initrd.img-*")
    wanted = dataclasses.replace(Machine(), **(machine or {}))
    if wanted == host.machine:
        took["reboot"] = host.reboot()
    else:
        host.stop()
        took["start"] = host.start(wanted)
    return took


def keep_log(host: Host, vmid: int, functions: Sequence[str], options: str, said: str) -> None:
    """Leave what QEMU said where Proxmox VE would have left it: a task log, and the VM that was to start."""
    entries = [f"hostpci{number}: 0000:{bdf},pcie=1{options}" for number, bdf in enumerate(functions)]
    host.put(f"/etc/pve/qemu-server/{vmid}.conf", "\n".join(("machine: q35", "memory: 64", *entries, "")))
    upid = f"UPID:iommu-host:00000A01:00001B02:65A00000:qmstart:{vmid}:root@pam:"
    why = "start failed: QEMU exited with code 1" if said else "OK"
    kvm = f"kvm: {said.removeprefix('qemu-system-x86_64: ')}\n" if said else ""
    host.put(f"/var/log/pve/tasks/0/{upid}", kvm + (f"TASK ERROR: {why}\n" if said else "TASK OK\n"))
    host.put("/var/log/pve/tasks/index", f"{upid} 65A00003 {why}\n")
