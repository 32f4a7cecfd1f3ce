"""Applies a change to a VM: at once where it stands still, live where PVE can, pending where it cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pvekit.lab.doors import DoorError, Log
from pvekit.lab.errors import Refused, TaskFailed, broken
from pvekit.lab.storage.volumes import Volume, parse_volume
from pvekit.lab.vm import defaults
from pvekit.lab.vm.allocate import Allocator
from pvekit.lab.vm.drives import Drive, drive_of, next_unused
from pvekit.lab.vm.effective import vm_start
from pvekit.lab.vm.vms import Vm

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab
    from pvekit.lab.tasks import Task

AT_ONCE = frozenset((
    "lock",
        "name",
        "onboot",
        "shares",
        "startup",
        "description",
        "protection",
        "vmstatestorage",
        "hookscript",
        "tags",
        "migrate_downtime",
        "migrate_speed",
        "hotplug",
        "reboot",
        "autostart",
))  # fmt: skip
"""Keys that need no restart and no device."""
LIVE = re.compile(r"(net|scsi|virtio|sata|ide|usb)\d+")


@dataclass(frozen=True, slots=True)
class Change:
    """What a request wants to be different."""

    values: Mapping[str, str]
    removals: tuple[str, ...] = ()
    reverts: tuple[str, ...] = ()
    digest: str = ""
    skiplock: bool = False
    force: bool = False


def apply_change(lab: Lab, vmid: int, change: Change, *, log: Log, task: Task | None = None) -> None:
    """Apply it; Refused leaves the VM as it was and frees what was made on the way."""
    made: list[Volume] = []

    def remember(volume: Volume) -> None:
        made.append(volume)
        if task is not None:
            task.undo("volume", volume=volume.id)

    with lab.vms.locked(vmid):
        vm = lab.vms.get(vmid)
        vm.demand_digest(change.digest)
        if not change.skiplock:
            vm.demand_unlocked()
        try:
            _Changer(lab, vm, change, log, remember).run()
        except (Refused, DoorError, TaskFailed) as failure:
            for volume in made:
                lab.storages.free(volume)
            if isinstance(failure, DoorError):
                raise broken(str(failure)) from failure
            raise
    if task is not None:
        task.keep()


class _Changer:
    """One change on one VM, step by step; ``vm`` is the state after the steps so far."""

    def __init__(self, lab: Lab, vm: Vm, change: Change, log: Log, remember: Callable[[Volume], None]) -> None:
        self.lab = lab
        self.vm = vm
        self.change = change
        self.log = log
        self.running = lab.machines.status(vm.vmid) is not None
        self.allocator = Allocator(lab, vm.vmid, log, remember)
        self.freed: list[Volume] = []

    def run(self) -> None:
        """Make the disks first (they can fail), then write, then drop what is no longer wanted."""
        for name in self.change.reverts:
            self._revert(name)
        new = {key: self._made(key, value, self._boot_after()) for key, value in sorted(self.change.values.items())}
        for name in self.change.removals:
            self._remove(name)
        for key, value in new.items():
            self._set(key, value)
        self._adjust_boot()
        self.lab.vms.save(self.vm)
        for volume in self.freed:
            self.lab.storages.free(volume)

    def _boot_after(self) -> dict[str, str]:
        return {**self.vm.effective, **self.change.values}

    def _made(self, key: str, value: str, config: Mapping[str, str]) -> str:
        drive = drive_of(key, value)
        if drive is None:
            return defaults.normal(key, value, self.vm.effective.get(key, ""), config)
        return str(self.allocator.make(drive, config))

    def _revert(self, name: str) -> None:
        pending = {key: value for key, value in self.vm.pending.items() if key != name}
        deletions = tuple(key for key in self.vm.deletions if key != name)
        self.vm = replace(self.vm, pending=pending, deletions=deletions)

    def _remove(self, name: str) -> None:
        self._revert(name) if name not in self.vm.config else None
        if name not in self.vm.config:
            return
        drive = drive_of(name, self.vm.config[name])
        if name.startswith("unused") and drive is not None:
            self._drop_volume(drive.file)
        elif self.running and name not in AT_ONCE and not self._unplugged(name):
            pending = {key: value for key, value in self.vm.pending.items() if key != name}
            deletions = (*(key for key in self.vm.deletions if key != name), name)
            self.vm = replace(self.vm, pending=pending, deletions=deletions)
            return
        elif drive is not None:
            self._retire(drive)
        self._revert(name)
        self.vm = self.vm.with_config(**{name: None})

    def _unplugged(self, name: str) -> bool:
        if not LIVE.fullmatch(name) or name.startswith(("ide", "sata")):
            return False
        return self.lab.machines.unplug(vm_start(self.lab, self.vm), name, self.log)

    def _retire(self, drive: Drive) -> None:
        """Keep a detached disk as unused, free a cloud-init drive, forget a CD."""
        if drive.is_empty or drive.file.startswith("/"):
            return
        if drive.is_cloudinit:
            self._drop_volume(drive.file)
        elif not drive.is_cdrom:
            if self.change.force:
                self._drop_volume(drive.file)
            else:
                self.vm = self.vm.with_config(**{next_unused(self.vm.config): drive.file})

    def _drop_volume(self, volume_id: str) -> None:
        volume = parse_volume(volume_id)
        if volume.vmid == self.vm.vmid:
            self.freed.append(volume)

    def _set(self, key: str, value: str) -> None:
        self._revert(key)
        old = self.vm.config.get(key)
        if old == value:
            return
        if self.running and key not in AT_ONCE and not self._hotplugged(key, value):
            self.vm = replace(self.vm, pending={**self.vm.pending, key: value})
            return
        before, after = drive_of(key, old or ""), drive_of(key, value)
        if old is not None and before is not None and after is not None and before.file != after.file:
            self._retire(before)
        self._reuse(after)
        self.vm = self.vm.with_config(**{key: value})

    def _reuse(self, drive: Drive | None) -> None:
        """Take a volume that gets attached out of the unused ones."""
        if drive is None or drive.is_empty:
            return
        for key, value in list(self.vm.config.items()):
            if key.startswith("unused") and value == drive.file:
                self.vm = self.vm.with_config(**{key: None})

    def _hotplugged(self, key: str, value: str) -> bool:
        if not LIVE.fullmatch(key):
            return False
        before, after = drive_of(key, self.vm.config.get(key, "")), drive_of(key, value)
        swaps_medium = before is not None and after is not None and before.is_cdrom and after.is_cdrom
        if key.startswith(("ide", "sata")) and not (key in self.vm.config and swaps_medium):
            return False
        changed = vm_start(self.lab, self.vm, {**self.vm.config, key: value})
        return self.lab.machines.hotplug(changed, key, value, self.log)

    def _adjust_boot(self) -> None:
        """Keep an explicit boot order true: a new CD drive is appended, a removed device taken out."""
        order = re.search(r"order=([^,]*)", self.vm.effective.get("boot", ""))
        if order is None or "boot" in self.change.values:
            return
        names = [name for name in order[1].split(";") if name]
        kept = [name for name in names if name not in self.change.removals]
        for key in sorted(self.change.values):
            drive = drive_of(key, self.change.values[key])
            if drive is not None and drive.is_cdrom and not drive.is_cloudinit and key not in kept:
                kept.append(key)
        if kept != names:
            self._set("boot", f"order={';'.join(kept)}")
