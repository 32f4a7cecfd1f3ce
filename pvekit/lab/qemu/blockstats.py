"""What QEMU counts for each drive, under PVE's names of the drives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_BY_DEVICE = (
    (re.compile(r"/machine/peripheral/(virtio\d+)/virtio-backend"), None),
    (re.compile(r"/machine/(?:system|virt)\.flash0"), "pflash0"),
    (re.compile(r"/machine/(?:system|virt)\.flash1"), "efidisk0"),
    (re.compile(r"/machine/peripheral/((?:ide|sata|scsi)\d+)"), None),
)


def slot(row: Mapping[str, Any]) -> str:
    """Return the drive's key in the configuration (``sata0``); empty when QEMU names no device."""
    device = str(row.get("device") or "")
    if device:
        return device.removeprefix("drive-")
    found = str(row.get("qdev") or "")
    for pattern, name in _BY_DEVICE:
        if match := pattern.fullmatch(found):
            return name or match[1]
    return found


def counted(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return ``blockstat``, ``diskread`` and ``diskwrite`` (bytes) from the answer to ``query-blockstats``."""
    named = {slot(row): dict(row["stats"]) for row in rows}
    named.pop("", None)
    return {
        "blockstat": named,
        "diskread": sum(int(stats["rd_bytes"]) for stats in named.values()),
        "diskwrite": sum(int(stats["wr_bytes"]) for stats in named.values()),
    }
