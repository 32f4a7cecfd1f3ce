"""A machine like PVE's for Windows, started without the API: UEFI with Microsoft's keys, TPM, both CDs on SATA."""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pvekit.lab.doors import DoorError, VmStart
from pvekit.lab.qemu import QemuDisks, QemuMachines
from pvekit.lab.qemu.needs import OVMF

VMID = 311
ADDRESS = "127.77.3.11"
_CONFIG = {
    "ostype": "win11", "machine": "q35", "bios": "ovmf", "cpu": "x86-64-v3", "cores": "2", "memory": "2048",
    "agent": "1", "vga": "std", "tablet": "1", "scsihw": "virtio-scsi-single", "net0": "virtio=BC:24:11:00:03:11",
    "efidisk0": "local:311/efi.raw,efitype=4m,pre-enrolled-keys=1", "tpmstate0": "local:311/tpm.raw,version=v2.0",
    "scsi0": "local:311/disk.qcow2,iothread=1,discard=on,ssd=1", "serial0": "socket",
}  # fmt: skip
_Found = TypeVar("_Found")


class Machine:
    """One machine with an empty disk of ``size`` bytes; its files lie in ``folder``."""

    def __init__(self, folder: Path, setup: Path, answer: Path | None, size: int) -> None:
        self.folder = folder
        self.machines = QemuMachines(folder / "run")
        self.disk = folder / "disk.qcow2"
        QemuDisks(self.machines).create(self.disk, size, "qcow2")
        shutil.copyfile(OVMF / "OVMF_VARS_4M.ms.fd", folder / "efi.raw")
        with (folder / "tpm.raw").open("wb") as file:
            file.truncate(4 << 20)
        self._volumes = {f"local:311/{name}": folder / name for name in ("disk.qcow2", "efi.raw", "tpm.raw")}
        self._volumes["local:iso/setup.iso"] = setup
        if answer is not None:
            self._volumes["local:iso/answer.iso"] = answer
        self.log: list[str] = []

    def start(self, *, setup_cd: bool) -> None:
        """Switch on, with or without the Setup CD in its drive."""
        config = dict(_CONFIG)
        config["boot"] = "order=scsi0;sata0" if setup_cd else "order=scsi0"
        config["sata0"] = "local:iso/setup.iso,media=cdrom" if setup_cd else "none,media=cdrom"
        if "local:iso/answer.iso" in self._volumes:
            config["sata1"] = "local:iso/answer.iso,media=cdrom"
        self.machines.start(VmStart(VMID, "win", config, self._volumes, ADDRESS), self.log.append)

    def stop(self) -> None:
        """Switch off, whatever runs."""
        self.machines.stop(VMID, self.log.append)

    def cd_reads(self) -> int:
        """Return how many bytes were read from the Setup CD."""
        status = self.machines.status(VMID) or {}
        return int(status.get("blockstat", {}).get("sata0", {}).get("rd_bytes", 0))

    def press_until_started(self, seconds: float) -> bool:
        """Press the return key once a second until the CD has loaded Setup."""
        return bool(until(seconds, self._press))

    def _press(self) -> bool:
        if self.cd_reads() > 16 << 20:
            return True
        self.machines.send_key(VMID, "ret")
        time.sleep(0.7)
        return False

    def off(self, seconds: float) -> bool:
        """Wait until the machine has switched itself off."""
        return bool(until(seconds, lambda: self.machines.status(VMID) is None))

    def agent(self, command: str, **arguments: object) -> Any:
        """Ask the guest agent."""
        return self.machines.agent(VMID, command, arguments, 10.0)

    def read(self, path: str) -> str:
        """Read a file through the agent. DoorError if it is not there."""
        handle = self.agent("guest-file-open", path=path)
        try:
            return base64.b64decode(self.agent("guest-file-read", handle=handle)["buf-b64"]).decode()
        finally:
            self.agent("guest-file-close", handle=handle)

    def result(self, seconds: float) -> dict[str, Any] | None:
        """Wait for done.json."""
        text = until(seconds, lambda: self.read("C:\\ProgramData\\pvekit\\done.json"))
        found: dict[str, Any] | None = json.loads(text) if text else None
        return found

    def picture(self, name: str) -> Path:
        """Save what the screen shows."""
        target = self.folder / name
        self.machines.screenshot(VMID, target)
        return target

    def serial(self) -> str:
        """Return what the serial port has shown since the last start."""
        log = self.folder / "run" / str(VMID) / "serial0.log"
        return log.read_text(errors="replace") if log.exists() else ""


def until(seconds: float, look: Callable[[], _Found]) -> _Found | None:
    """Return the first true answer, None when none comes in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            found = look()
        except (DoorError, OSError):
            found = None
        if found:
            return found
        time.sleep(0.3)
    return None
