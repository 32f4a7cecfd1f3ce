"""Makes the volumes that a drive's text asks for: new disks, imports, EFI variables, TPM state, cloud-init."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvekit.lab.doors import DoorError, Log
from pvekit.lab.errors import TaskFailed, broken
from pvekit.lab.storage.volumes import Volume, parse_volume, size_text
from pvekit.lab.tasks import undoes
from pvekit.lab.vm.cloudinit import write_seed
from pvekit.lab.vm.drives import Drive

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab

EFI_SIZE = {"4m": 540672, "2m": 131072}
TPM_SIZE = 4 << 20
CLOUDINIT_SIZE = 4 << 20
Remember = Callable[[Volume], None]


@undoes("volume")
def _drop_volume(lab: Lab, step: Mapping[str, Any]) -> None:
    lab.storages.free(parse_volume(step["volume"]))


def formatting(path: Path, fmt: str, size: int) -> str:
    """Return qemu-img's line about a new image."""
    extra = " cluster_size=65536 compression_type=zlib" if fmt == "qcow2" else ""
    return f"Formatting '{path}', fmt={fmt}{extra} size={size}"


class Allocator:
    """Makes volumes for one VM; ``remember`` hears of every volume before its file exists."""

    def __init__(self, lab: Lab, vmid: int, log: Log, remember: Remember) -> None:
        """Keep for whom to work."""
        self.lab = lab
        self.vmid = vmid
        self.log = log
        self.remember = remember

    def claim(self, storage: str, fmt: str) -> tuple[Volume, Path]:
        """Return a fresh volume name and its path."""
        with self.lab.exclusive():
            volume = self.lab.storages.free_name(storage, self.vmid, fmt)
        self.remember(volume)
        return volume, self.lab.storages.path(volume)

    def settle(self, path: Path) -> None:
        """Say that the file exists now: the claim is no longer needed."""
        self.lab.storages.reserved.discard(path)

    def make(self, drive: Drive, config: Mapping[str, str]) -> Drive:
        """Return the drive with its volume made or checked, and its size known."""
        if drive.is_empty:
            return drive
        if drive.is_cloudinit and ":cloudinit" in drive.file:
            return self._cloudinit(drive, config)
        wanted = drive.wanted
        if wanted is None:
            return self._existing(drive)
        storage, gigabytes = wanted
        self.lab.storages.demand_content(storage, "images")
        if "import-from" in drive.values:
            made = self._import(drive, storage)
        elif drive.key == "efidisk0":
            made = self._efi(drive, storage)
        else:
            size = TPM_SIZE if drive.key == "tpmstate0" else int(gigabytes * (1 << 30))
            made = self._blank(drive, storage, size)
        self.log(f"{drive.key}: successfully created disk '{made}'")
        return made

    def _existing(self, drive: Drive) -> Drive:
        path = self.lab.storages.path_of(drive.file)
        if not path.exists():
            raise broken(f"volume '{drive.file}' does not exist")
        if drive.is_cloudinit:
            return drive.with_values(media="cdrom")
        try:
            return drive.with_values(size=size_text(self.lab.storages.size_of(drive.file)))
        except DoorError as failure:
            raise broken(f"volume '{drive.file}': {failure}") from failure

    def _blank(self, drive: Drive, storage: str, size: int) -> Drive:
        fmt = drive.values.get("format", "raw")
        volume, path = self.claim(storage, fmt)
        self.log(formatting(path, fmt, size))
        self.lab.disks.create(path, size, fmt)
        self.settle(path)
        return drive.with_values(file=volume.id, format=None, size=size_text(size))

    def _efi(self, drive: Drive, storage: str) -> Drive:
        fmt = drive.values.get("format", "raw")
        size = EFI_SIZE[drive.values.get("efitype", "2m")]
        enrolled = drive.values.get("pre-enrolled-keys") == "1"
        volume, path = self.claim(storage, fmt)
        self.log(formatting(path, fmt, size))
        self.lab.disks.efi_vars(path, fmt, enrolled)
        self.settle(path)
        made = drive.with_values(file=volume.id, format=None, size=size_text(size))
        return made.with_values(ms_cert="2023k") if enrolled and "ms-cert" not in made.values else made

    def _import(self, drive: Drive, storage: str) -> Drive:
        source_id = drive.values["import-from"]
        source = self.lab.storages.path_of(source_id)
        if not source.exists():
            raise TaskFailed(f"failed to stat '{source}'")
        found = str(self.lab.disks.info(source)["format"])
        fmt = drive.values.get("format", found if found in {"raw", "qcow2", "vmdk"} else "raw")
        self.log(f"create full clone of drive ({source_id})")
        volume, path = self.copy(source, storage, fmt)
        size = int(self.lab.disks.info(path)["virtual-size"])
        return drive.with_values(file=volume.id, format=None, import_from=None, size=size_text(size))

    def copy(self, source: Path, storage: str, fmt: str) -> tuple[Volume, Path]:
        """Return a new volume that holds what the source holds."""
        volume, path = self.claim(storage, fmt)
        self.log(formatting(path, fmt, int(self.lab.disks.info(source)["virtual-size"])))
        self.log(f"allocated target volume '{volume.id}'")
        self.lab.disks.convert(source, path, fmt, self.log)
        self.settle(path)
        return volume, path

    def _cloudinit(self, drive: Drive, config: Mapping[str, str]) -> Drive:
        storage = drive.file.split(":", 1)[0]
        self.lab.storages.demand_content(storage, "images")
        fmt = drive.values.get("format", "qcow2")
        with self.lab.exclusive():
            volume = self.lab.storages.reserve(storage, self.vmid, f"vm-{self.vmid}-cloudinit.{fmt}")
        self.remember(volume)
        path = self.lab.storages.path(volume)
        self.log(formatting(path, fmt, CLOUDINIT_SIZE))
        make_cloudinit(self.lab, self.vmid, config, path, fmt)
        self.settle(path)
        made = drive.with_values(file=volume.id, format=None, media="cdrom")
        self.log(f"{drive.key}: successfully created disk '{made}'")
        return made


def make_cloudinit(lab: Lab, vmid: int, config: Mapping[str, str], target: Path, fmt: str) -> None:
    """Write the cloud-init drive of a VM anew."""
    with tempfile.TemporaryDirectory(prefix=f"ci{vmid}-", dir=lab.settings.state) as folder:
        seed = Path(folder) / "seed.iso"
        write_seed(lab, vmid, config, seed)
        target.unlink(missing_ok=True)
        lab.disks.convert(seed, target, fmt, lambda _line: None)
        if int(lab.disks.info(target)["virtual-size"]) < CLOUDINIT_SIZE:
            lab.disks.resize(target, CLOUDINIT_SIZE)
