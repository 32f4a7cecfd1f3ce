"""What a hollow guest reads and writes: numbers that grow with its age, the same for everybody who looks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_DRIVE = re.compile(r"(?:ide|sata|scsi|virtio)\d+|efidisk0")
_READS, _WRITES = 32 << 20, 4 << 20
"""Bytes a second from a medium, and to a disk."""
_MOST = 8 << 30
_BLOCK = 64 << 10
_ZERO = (
    "failed_rd_operations", "failed_wr_operations", "failed_flush_operations", "failed_unmap_operations",
    "failed_zone_append_operations", "invalid_rd_operations", "invalid_wr_operations", "invalid_flush_operations",
    "invalid_unmap_operations", "invalid_zone_append_operations", "rd_merged", "wr_merged", "unmap_merged",
    "zone_append_merged", "unmap_bytes", "unmap_operations", "unmap_total_time_ns", "zone_append_bytes",
    "zone_append_operations", "zone_append_total_time_ns", "flush_operations", "flush_total_time_ns",
)  # fmt: skip


def counted(config: Mapping[str, str], age: float) -> dict[str, Any]:
    """Return ``blockstat``, ``diskread`` and ``diskwrite`` of a guest that was started ``age`` seconds ago."""
    drives = {key: _drive(value, age) for key, value in sorted(config.items()) if _DRIVE.fullmatch(key)}
    return {
        "blockstat": drives,
        "diskread": sum(stats["rd_bytes"] for stats in drives.values()),
        "diskwrite": sum(stats["wr_bytes"] for stats in drives.values()),
    }


def _drive(value: str, age: float) -> dict[str, Any]:
    empty, disc = value.startswith("none"), "media=cdrom" in value
    reads = 0 if empty else _grown(_READS, age)
    writes = 0 if empty or disc else _grown(_WRITES, age)
    return {
        **dict.fromkeys(_ZERO, 0),
        "account_failed": True,
        "account_invalid": True,
        "timed_stats": [],
        "rd_bytes": reads,
        "rd_operations": reads // _BLOCK,
        "rd_total_time_ns": reads,
        "wr_bytes": writes,
        "wr_operations": writes // _BLOCK,
        "wr_total_time_ns": writes,
        "wr_highest_offset": writes,
    }


def _grown(speed: int, age: float) -> int:
    """Return whole blocks, so that numbers look like a drive's."""
    return min(_MOST, int(max(0.0, age) * speed)) // _BLOCK * _BLOCK
