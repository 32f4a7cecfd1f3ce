"""The embedded node's own doors: what turns a VM's configuration into a process and a volume into bytes.

The API server knows only these two protocols. ``qemu`` implements them with real QEMU; ``hollow`` keeps
everything in memory and small files, for tests of the API itself.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

Log = Callable[[str], None]
"""Takes one line for the task log."""


class DoorError(Exception):
    """A door could not do it; the text goes into the task log as PVE's own would (first line = exit status)."""


def has_display(config: Mapping[str, str]) -> bool:
    """Return whether the VM has a graphics card; with ``vga: none`` or a serial port for display it has none."""
    return re.search(r"(?:^|,)(?:type=)?(?:none|serial\d+)(?:,|$)", config.get("vga", "std")) is None


def demand_display(vmid: int, config: Mapping[str, str]) -> None:
    """Raise DoorError if the VM has no graphics card."""
    if not has_display(config):
        raise DoorError(f"VM {vmid} has no display (vga: {config['vga']})")


@dataclass(frozen=True, slots=True)
class Passed:
    """A PCI device of the node that a VM gets: vendor and device (``10de:1c07``), class, and QEMU's device instead.

    ``stand_in`` is empty for a device that QEMU has nothing like.
    """

    id: str
    pci_class: str
    stand_in: str = ""


@dataclass(frozen=True, slots=True)
class VmStart:
    """All that is needed to start a VM.

    ``config`` is the effective PVE configuration (``cores`` is ``"2"``, ``scsi0`` is
    ``"local:100/vm-100-disk-0.qcow2"``), ``volumes`` the absolute path of every volume id named in it, ``address``
    the loopback address that the guest's ports are forwarded to, ``cards`` the functions of every PCI device that the
    VM gets, by key.
    """

    vmid: int
    name: str
    config: Mapping[str, str]
    volumes: Mapping[str, Path]
    address: str
    cards: Mapping[str, tuple[Passed, ...]] = field(default_factory=dict)


class Machines(Protocol):
    """Runs VMs as processes. Everything survives the API server's restart: ask the process, not memory."""

    def start(self, vm: VmStart, log: Log) -> None:
        """Start the VM; return when QEMU runs. DoorError if it does not."""

    def stop(self, vmid: int, log: Log) -> None:
        """Kill the VM. Nothing happens if it does not run."""

    def shutdown(self, vmid: int, timeout: float, log: Log) -> bool:
        """Ask the guest (agent or ACPI) to shut down; return whether it did in time (seconds)."""

    def reset(self, vmid: int) -> None:
        """Press the reset button."""

    def pause(self, vmid: int) -> None:
        """Stop the CPUs."""

    def resume(self, vmid: int) -> None:
        """Let the CPUs go on."""

    def status(self, vmid: int) -> Mapping[str, Any] | None:
        """Return None when it does not run, else pid, uptime (s), qmpstatus, cpu (0..1), mem (bytes), pve-style.

        Also ``diskread`` and ``diskwrite`` (bytes since the start) and QEMU's counters for each drive, by PVE's name
        of it, in ``blockstat``; these three are missing when QEMU does not answer.
        """

    def running(self) -> Sequence[int]:
        """Return the VMIDs of all running VMs."""

    def agent(self, vmid: int, command: str, arguments: Mapping[str, Any], timeout: float) -> Any:
        """Send a guest-agent command and return its ``return`` value. DoorError('QEMU guest agent is not running')."""

    def send_key(self, vmid: int, key: str) -> None:
        """Press a key combination in QEMU's notation (``ret``, ``ctrl-alt-delete``)."""

    def hmp(self, vmid: int, command: str) -> str:
        """Run a human monitor command."""

    def screenshot(self, vmid: int, target: Path) -> None:
        """Write the console as PNG."""

    def vnc(self, vmid: int, password: str) -> socket.socket:
        """Return a stream to the VM's VNC server, which asks for this password; DoorError without a display."""

    def serial_socket(self, vmid: int) -> Path:
        """Return the unix socket of serial0."""

    def hotplug(self, vm: VmStart, key: str, value: str, log: Log) -> bool:
        """Apply one changed key to the running VM (``ide2`` media change, ``net1``, ``scsi1`` ...).

        Return False when it cannot be applied live: it stays pending.
        """

    def unplug(self, vm: VmStart, key: str, log: Log) -> bool:
        """Remove one device from the running VM; False when it stays pending."""

    def grow(self, vmid: int, key: str, size: int) -> None:
        """Tell the running VM that its disk now has this size (bytes)."""

    def snapshot_memory(self, vmid: int, name: str, log: Log) -> None:
        """Save the RAM of the running VM under that name, its disks in the same moment.

        ``Disks.snapshot`` of those disks under the same name is then already done and does nothing.
        """

    def restore_memory(self, vm: VmStart, name: str, log: Log) -> None:
        """Start a stopped VM in the state that ``snapshot_memory`` saved, disks included."""


class Disks(Protocol):
    """Makes and changes disk images. ``fmt`` is ``qcow2`` or ``raw``; sizes are bytes.

    Everything but ``rollback`` also works on a disk that a running VM uses: it is then done by that VM.
    """

    def create(self, path: Path, size: int, fmt: str) -> None:
        """Make an empty image."""

    def convert(self, source: Path, target: Path, fmt: str, log: Log) -> None:
        """Copy an image into another format (full clone, import)."""

    def overlay(self, base: Path, target: Path) -> None:
        """Make a linked clone."""

    def resize(self, path: Path, size: int) -> None:
        """Grow an image."""

    def info(self, path: Path) -> Mapping[str, Any]:
        """Return ``format``, ``virtual-size`` and ``actual-size`` as qemu-img does. DoorError if it is no image."""

    def snapshot(self, path: Path, name: str) -> None:
        """Make an internal snapshot (qcow2 only)."""

    def rollback(self, path: Path, name: str) -> None:
        """Return to an internal snapshot."""

    def drop_snapshot(self, path: Path, name: str) -> None:
        """Delete an internal snapshot."""

    def efi_vars(self, path: Path, fmt: str, pre_enrolled: bool) -> None:
        """Write a fresh EFI variable store, with Microsoft's keys if asked."""
