"""What shall go wrong: a block of JSON on the Setup CD, and its copy on the disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MAGIC = b"PVEKIT-STANDIN-SWITCHES\n"
BLOCK = 4096
ON_CD = "standin.cfg"
ON_DISK = "standin\\options.json"


def read(block: bytes) -> dict[str, Any]:
    """Return the switches that are set."""
    if not block.startswith(MAGIC):
        raise ValueError("the block of switches is damaged")
    found: dict[str, Any] = json.loads(block[len(MAGIC) :])
    return found


def load(path: Path) -> dict[str, Any]:
    """Return the switches in a file."""
    return read(path.read_bytes())
