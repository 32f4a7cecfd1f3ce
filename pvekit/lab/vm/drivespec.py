"""What a drive, an EFI disk and a TPM state may be configured with."""

from __future__ import annotations

import re
from functools import lru_cache

from pvekit.lab import formats
from pvekit.lab.errors import FormatInvalid
from pvekit.lab.params import Param, choice, flag, integer, number, text
from pvekit.lab.propstring import Spec

VOLUME = re.compile(r"[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]:.+|none|cdrom|/.+")
IMAGE_FORMATS = ("raw", "qcow", "qed", "qcow2", "vmdk", "cloop")


def volume_or_path(value: str) -> None:
    """Accept a volume id, ``none``, ``cdrom`` or an absolute path."""
    if not VOLUME.fullmatch(value):
        raise FormatInvalid(f"unable to parse volume ID '{value}'")


def _limits() -> dict[str, Param]:
    keys: dict[str, Param] = {}
    for stem in ("iops", "iops_rd", "iops_wr"):
        keys[stem] = integer()
        keys[f"{stem}_max"] = integer()
        keys[f"{stem}_max_length"] = integer(1)
    for stem in ("mbps", "mbps_rd", "mbps_wr"):
        keys[stem] = number()
        keys[f"{stem}_max"] = number()
    for stem in ("bps", "bps_rd", "bps_wr"):
        keys[stem] = integer()
        keys[f"{stem}_max_length"] = integer(1)
    return keys


_FILE = text(check=volume_or_path, required=True)
_COMMON: dict[str, Param] = {
    "file": _FILE,
    "aio": choice("native", "threads", "io_uring"),
    "backup": flag(),
    "cache": choice("none", "writethrough", "writeback", "unsafe", "directsync"),
    "detect_zeroes": flag(),
    "discard": choice("ignore", "on"),
    "format": choice(*IMAGE_FORMATS),
    "import-from": text(check=volume_or_path),
    "media": choice("cdrom", "disk"),
    "replicate": flag(),
    "rerror": choice("ignore", "report", "stop"),
    "serial": text(longest=60, check=formats.urlencoded),
    "shared": flag(),
    "size": text(check=formats.disk_size),
    "snapshot": flag(),
    "werror": choice("enospc", "ignore", "report", "stop"),
    **_limits(),
}
_WWN = text(pattern=r"0x[0-9a-fA-F]{16}")
_ALIASES = {
    "volume": "file",
    "bps_rd_length": "bps_rd_max_length",
    "bps_wr_length": "bps_wr_max_length",
    "iops_rd_length": "iops_rd_max_length",
    "iops_wr_length": "iops_wr_max_length",
}

IDE = Spec(
    {**_COMMON, "model": text(longest=120, check=formats.urlencoded), "ssd": flag(), "wwn": _WWN}, "file", _ALIASES
)
SATA = Spec({**_COMMON, "ssd": flag(), "wwn": _WWN}, "file", _ALIASES)
SCSI = Spec(
    {
        **_COMMON,
        "iothread": flag(),
        "product": text(pattern=r"[A-Za-z0-9\-_\s]{0,16}"),
        "queues": integer(2),
        "ro": flag(),
        "scsiblock": flag(),
        "ssd": flag(),
        "vendor": text(pattern=r"[A-Za-z0-9\-_\s]{0,8}"),
        "wwn": _WWN,
    },
    "file",
    _ALIASES,
)
VIRTIO = Spec({**_COMMON, "iothread": flag(), "ro": flag()}, "file", _ALIASES)
EFI = Spec(
    {
        "file": _FILE,
        "efitype": choice("2m", "4m"),
        "format": choice(*IMAGE_FORMATS),
        "import-from": text(check=volume_or_path),
        "ms-cert": choice("2011", "2023", "2023w", "2023k"),
        "pre-enrolled-keys": flag(),
        "size": text(check=formats.disk_size),
    },
    "file",
    {"volume": "file"},
)
TPM = Spec(
    {
        "file": _FILE,
        "format": choice("raw", "qcow2", "vmdk"),
        "import-from": text(check=volume_or_path),
        "size": text(check=formats.disk_size),
        "version": choice("v1.2", "v2.0"),
    },
    "file",
    {"volume": "file"},
)
UNUSED = Spec({"file": _FILE}, "file", {"volume": "file"})

COUNTS = {"ide": 4, "sata": 6, "scsi": 31, "virtio": 16}
_BY_BUS = {"ide": IDE, "sata": SATA, "scsi": SCSI, "virtio": VIRTIO, "unused": UNUSED}
DISK_KEYS = (
    *(f"ide{n}" for n in range(4)),
    *(f"scsi{n}" for n in range(31)),
    *(f"virtio{n}" for n in range(16)),
    *(f"sata{n}" for n in range(6)),
    "efidisk0",
    "tpmstate0",
)
UNUSED_KEYS = tuple(f"unused{n}" for n in range(256))


@lru_cache(maxsize=1024)
def spec_of(key: str) -> Spec | None:
    """Return the specification of a drive key, None for a key that is no drive."""
    if key == "efidisk0":
        return EFI
    if key == "tpmstate0":
        return TPM
    match = re.fullmatch(r"(ide|sata|scsi|virtio|unused)(\d+)", key)
    return _BY_BUS[match[1]] if match else None
