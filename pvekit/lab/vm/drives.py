"""A VM's drives as values: what a drive's text means, and which volumes a configuration names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pvekit.lab.propstring import Spec, build, split
from pvekit.lab.storage.volumes import size_bytes
from pvekit.lab.vm.drivespec import spec_of

NEW = re.compile(r"([a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]):(\d+(\.\d+)?)")
CLOUDINIT = re.compile(r"([a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]):cloudinit")
CLOUDINIT_FILE = re.compile(r"vm-\d+-cloudinit(\.(raw|qcow2))?$")


@dataclass(frozen=True, slots=True)
class Drive:
    """One drive of a VM: its key and the pairs of its text, the file under ``file``."""

    key: str
    values: Mapping[str, str]

    @property
    def file(self) -> str:
        """Return the volume id, path, ``none`` or the wish for a new volume."""
        return self.values.get("file", "none")

    @property
    def is_cdrom(self) -> bool:
        """Return whether it is a CD drive."""
        return self.values.get("media") == "cdrom" or self.file == "cdrom" or self.is_cloudinit

    @property
    def is_cloudinit(self) -> bool:
        """Return whether it is, or is to become, the cloud-init drive."""
        return bool(CLOUDINIT.fullmatch(self.file) or CLOUDINIT_FILE.search(self.file))

    @property
    def is_empty(self) -> bool:
        """Return whether there is no medium."""
        return self.file in {"none", "cdrom"}

    @property
    def size(self) -> int:
        """Return the size in bytes that the configuration tells, 0 if it tells none."""
        return size_bytes(self.values["size"]) if "size" in self.values else 0

    @property
    def wanted(self) -> tuple[str, float] | None:
        """Return storage and GiB of a volume still to be made (``local:32``), None for an existing one."""
        match = NEW.fullmatch(self.file)
        return (match[1], float(match[2])) if match else None

    def with_values(self, **changes: str | None) -> Drive:
        """Return a copy with keys set, or dropped where the value is None (``_`` stands for ``-``)."""
        named = {key.replace("_", "-"): value for key, value in changes.items()}
        merged = {**self.values, **named}
        return Drive(self.key, {key: value for key, value in merged.items() if value is not None})

    def __str__(self) -> str:
        return build(spec_of(self.key) or Spec({}, "file"), self.values)


def drive_of(key: str, text: str) -> Drive | None:
    """Return the drive that a configuration key holds, None for a key that is no drive."""
    spec = spec_of(key)
    return Drive(key, split(spec, text)) if spec is not None else None


def drives(config: Mapping[str, str]) -> list[Drive]:
    """Return all drives of a configuration in order of their keys, unused ones not included."""
    found = (drive_of(key, value) for key, value in sorted(config.items()) if not key.startswith("unused"))
    return [drive for drive in found if drive is not None]


def volumes(config: Mapping[str, str]) -> dict[str, str]:
    """Return the volume id behind every drive key that has one, unused ones included."""
    found: dict[str, str] = {}
    for key, value in config.items():
        drive = drive_of(key, value)
        if drive is not None and not drive.is_empty and drive.wanted is None:
            found[key] = drive.file
    return found


def largest_disk(config: Mapping[str, str]) -> int:
    """Return the size of the boot disk in bytes, as listings show it under ``maxdisk``."""
    order = re.search(r"order=([^,]*)", config.get("boot", ""))
    names = order[1].split(";") if order else []
    candidates = [drive for drive in drives(config) if not drive.is_cdrom and drive.key[:3] not in {"efi", "tpm"}]
    by_key = {drive.key: drive for drive in candidates}
    first = next((by_key[name] for name in names if name in by_key), candidates[0] if candidates else None)
    return first.size if first else 0


def next_unused(config: Mapping[str, str]) -> str:
    """Return the first free ``unusedN``."""
    return next(f"unused{number}" for number in range(256) if f"unused{number}" not in config)
