"""UEFI firmware: which files, and a VM's own variable store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pvekit.lab.doors import VmStart
from pvekit.lab.qemu.needs import OVMF, require
from pvekit.lab.qemu.storage import is_q35
from pvekit.lab.qemu.values import options

_SECURE_CODE = OVMF / "OVMF_CODE_4M.secboot.fd"
_PLAIN_CODE = OVMF / "OVMF_CODE_4M.fd"
_BLANK_VARIABLES = OVMF / "OVMF_VARS_4M.fd"
_MICROSOFT_VARIABLES = OVMF / "OVMF_VARS_4M.ms.fd"


@dataclass(frozen=True, slots=True)
class Firmware:
    """``code`` is read-only, ``variables`` belongs to the VM. ``secure`` needs SMM, which only q35 has."""

    code: Path
    variables: Path
    variables_format: str
    secure: bool


def is_uefi(config: Mapping[str, str]) -> bool:
    """Return whether the VM asks for UEFI."""
    return config.get("bios", "seabios") == "ovmf"


def variables_template(*, pre_enrolled: bool) -> Path:
    """Return the fresh variable store, with Microsoft's keys if asked; DoorError if the host has no OVMF."""
    require(str(_SECURE_CODE))
    return _MICROSOFT_VARIABLES if pre_enrolled else _BLANK_VARIABLES


def firmware(vm: VmStart, temporary: Path) -> Firmware | None:
    """Return the VM's UEFI firmware, None for SeaBIOS.

    Without an EFI disk the variables live in ``temporary`` and are forgotten at the next start, as on PVE.
    """
    if not is_uefi(vm.config):
        return None
    require(str(_SECURE_CODE))
    secure = is_q35(vm.config)
    code = _SECURE_CODE if secure else _PLAIN_CODE
    pairs = options(vm.config.get("efidisk0", ""), "file")
    volume = vm.volumes.get(pairs.get("file", ""))
    if volume is None:
        temporary.write_bytes(_BLANK_VARIABLES.read_bytes())
        return Firmware(code, temporary, "raw", secure)
    return Firmware(code, volume, "qcow2" if volume.suffix == ".qcow2" else "raw", secure)
