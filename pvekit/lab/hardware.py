"""A machine that the embedded node claims to be: told in the API's lists, for plans and budgets; nothing runs on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class ClaimedStorage:
    """A storage as the lists show it; sizes in bytes."""

    kind: str
    size: int
    used: int
    content: str


@dataclass(frozen=True, slots=True)
class Hardware:
    """Processor (fields of ``cpuinfo``), memory and what of it is in use (bytes), storages by name."""

    processor: Mapping[str, Any]
    memory: int
    memory_used: int
    storages: Mapping[str, ClaimedStorage] = field(default_factory=dict)


def read_hardware(path: Path) -> Hardware:
    """Read the JSON file of a machine. ValueError for anything else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        storages = {
            str(name): ClaimedStorage(str(row["type"]), int(row["size"]), int(row["used"]), str(row["content"]))
            for name, row in found["storages"].items()
        }
        return Hardware(found["cpuinfo"], int(found["memory"]), int(found["memory_used"]), storages)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: this describes no machine ({error!r})") from error
